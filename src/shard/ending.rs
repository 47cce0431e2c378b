//! How streams end, and how connections are removed.

use super::Shard;
use super::close::CloseReason;
use super::command::Effect;
use super::connection::Connection;
use super::names::Name;
use super::outbox::Piece;
use super::phase::Phase;
use super::report::Report;
use crate::event::{ClientId, Now, ServerEvent};

/// How long a client that was told the end may take to close, in ms. Many close only when they reconnect, which they do
/// after one second or more; a server that restarts has given up on them by then.
pub(super) const LINGER_MS: u64 = 250;

impl<S> Shard<S> {
    /// Ends a stream at the end of an event: queued data, a last event and the end of the body are written first. It no
    /// longer counts as open.
    pub(super) fn end(&mut self, slot: u32, reason: CloseReason, farewell: Option<ServerEvent>, now: Now) {
        let Some(connection) = self.connections.listed(slot) else { return };
        if !connection.is_stream() {
            return;
        }
        let (framing, is_greeted) = (connection.framing, connection.phase().is_greeted());
        let mut last = Vec::new();
        if !is_greeted {
            self.write_response_head(slot, framing, true, &mut last, now);
        }
        if let Some(farewell) = farewell {
            farewell.write(framing, &mut last);
        }
        last.extend_from_slice(framing.end());
        let Some(connection) = self.connections.listed_mut(slot) else { return };
        connection.push(Piece::Own(last.into()), &self.tapes[framing]);
        connection.progress_ms = now.elapsed_ms as u32;
        self.leave(slot, reason);
        self.connections.end(slot, reason);
        self.schedule_write(slot);
    }

    /// Shuts down the sending side and waits for the client to close. What it still sends is read: closing a socket
    /// with unread data would reset the connection, and lose what is in transit.
    pub(super) fn linger(&mut self, slot: u32, now: Now) {
        let Some(connection) = self.connections.listed(slot) else { return };
        self.deadlines.linger.push(now.elapsed_ms + LINGER_MS, slot, connection);
        self.connections.linger(slot);
        self.effects.push(Effect::Finish(slot));
    }

    /// Closes a connection at once, in any state.
    pub(super) fn close(&mut self, slot: u32, reason: CloseReason) {
        let Some(connection) = self.connections.listed_mut(slot) else { return };
        if matches!(connection.phase(), Phase::Closed) {
            return;
        }
        connection.outbox = None;
        if connection.is_stream() {
            self.leave(slot, reason);
        } else if connection.phase().is_unopened()
            && let Some(meta) = self.connections.meta(slot)
        {
            self.admission.others().leave(meta.peer);
        }
        self.connections.set_blocked(slot, false);
        self.connections.close(slot);
    }

    /// Removes a stream from the index and all counts.
    fn leave(&mut self, slot: u32, reason: CloseReason) {
        if self.settings.watch {
            self.effects.extend(self.client(slot).map(|client| Effect::Disconnected(client, reason)));
        }
        let Some(token) = self.connections.token(slot) else { return };
        tracing::debug!(client = %self.settings.ids.seal(token), reason = reason.as_str(), "a stream has ended");
        let Some(profile) = self.connections.profile_or_anonymous(slot).cloned() else { return };
        let Some(meta) = self.connections.meta(slot) else { return };
        self.index.remove(slot, &profile);
        self.admission.release(meta.peer, profile.user.as_ref());
        if let Some(at) = meta.expires_ms {
            self.deadlines.expiry.remove(&(at.get(), slot));
        }
        self.connections.count_profile(&profile, -1);
        self.totals.closed[reason.index()] += 1;
    }

    pub(super) fn disconnect_user(&mut self, user: &str, now: Now) -> usize {
        let mut slots = Vec::new();
        self.index.of_name(Name::User(user), |slot| self.connections.profile(slot), &mut slots);
        for &slot in &slots {
            self.end(slot, CloseReason::Disconnected, None, now);
        }
        slots.len()
    }

    pub(super) fn disconnect_client(&mut self, client: ClientId, now: Now) -> usize {
        let slot = self.slot_of(client);
        let slot = slot.filter(|slot| self.connections.listed(*slot).is_some_and(Connection::is_stream));
        slot.map_or(0, |slot| {
            self.end(slot, CloseReason::Disconnected, None, now);
            1
        })
    }

    /// Statistics of the shard. Walks all connections.
    pub fn report(&self, now: Now) -> Report {
        let half_timeout = (self.settings.connection_timeout.as_millis() / 2) as u32;
        let counts = self.connections.counts();
        let mut report = Report {
            streams: counts.streams as u64,
            user_streams: counts.users as u64,
            session_streams: counts.sessions as u64,
            lagging: counts.behind().len() as u64,
            ending: counts.ending as u64,
            totals: self.totals.clone(),
            ..Report::default()
        };
        for (slot, connection) in self.connections.iter() {
            match connection.phase() {
                Phase::Head(_) | Phase::Deciding(_) => report.unopened += 1,
                Phase::Joining { .. } | Phase::Replaying { .. } => report.joining += 1,
                _ => {}
            }
            let backlog = connection.backlog(&self.tapes[connection.framing]) as u64;
            report.backlog_bytes += backlog;
            report.largest_backlog_bytes = report.largest_backlog_bytes.max(backlog);
            if !connection.is_stream() {
                continue;
            }
            let waited = (now.elapsed_ms as u32).wrapping_sub(connection.progress_ms);
            report.stale_streams += u64::from(connection.blocked && waited > half_timeout);
            let connected = self.connections.meta(slot).map(|meta| meta.connected_unix_ms);
            report.oldest_unix_ms = [report.oldest_unix_ms, connected].into_iter().flatten().min();
            report.newest_unix_ms = report.newest_unix_ms.max(connected);
        }
        report
    }
}
