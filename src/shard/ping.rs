//! Heartbeats on request.

use super::Shard;
use super::names::Name;
use super::outbox::Piece;
use crate::event::{Now, ServerEvent};

impl<S> Shard<S> {
    /// Sends a heartbeat to the streams of a user, or to all, after what is queued. Streams that are behind or blocked
    /// are skipped: a heartbeat is not in history, and they have events to read.
    pub(super) fn ping(&mut self, user: Option<&str>, now: Now) {
        let mut slots = Vec::new();
        match user {
            Some(user) => {
                self.index.of_name(Name::User(user), |slot| self.connections.profile(slot), &mut slots)
            }
            None => slots.extend(self.connections.iter().map(|(slot, _)| slot)),
        }
        let ping = ServerEvent::Ping { unix_ms: now.unix_ms };
        for slot in slots {
            let Some(connection) = self.connections.listed_mut(slot) else { continue };
            if connection.blocked || connection.cursor().is_none() {
                continue;
            }
            let tape = &self.tapes[connection.framing];
            connection.push(Piece::own(ping, connection.framing), tape);
            self.totals.heartbeats += 1;
            self.write_queue.push(slot, connection);
        }
    }
}
