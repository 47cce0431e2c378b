//! How streams end, and how connections are removed.

use super::close::CloseReason;
use super::command::Effect;
use super::connection::Phase;
use super::names::Name;
use super::outbox::Piece;
use super::report::Report;
use super::{Shard, cross_origin_of};
use crate::wire::{ClientId, Now, ServerEvent, write_head};

/// How long a client that was told the end has for closing too, in ms. Many do not before they come back, which they
/// do after a second at the earliest: by then a server that restarts has let go of them.
pub(super) const LINGER_MS: u64 = 250;

impl<S> Shard<S> {
    /// Ends a stream at an event's end: what it is owed, a farewell, and the end of the body are written out
    /// first. It counts as gone from now on.
    pub(super) fn end(&mut self, slot: u32, reason: CloseReason, farewell: Option<ServerEvent>, now: Now) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        if !connection.is_stream() {
            return;
        }
        let framing = connection.framing;
        let tape = &self.tapes[framing];
        let mut last = Vec::new();
        if !connection.phase.is_greeted() {
            let cross_origin = cross_origin_of(&self.settings, &self.origins, slot);
            write_head(&mut last, framing, true, self.date.at(now), cross_origin);
        }
        if let Some(farewell) = farewell {
            farewell.write(framing, &mut last);
        }
        last.extend_from_slice(framing.end());
        connection.push(Piece::Own(last.into()), tape);
        connection.progress_ms = now.elapsed_ms as u32;
        self.leave(slot, reason);
        self.enter(slot, Phase::Ending(reason));
        self.queue(slot);
    }

    /// Everything is written: says so, and waits for the client to close. What it still sends is read: to close
    /// with something unread would be a reset, which takes back what is under way.
    pub(super) fn linger(&mut self, slot: u32, now: Now) {
        let Some(connection) = self.connections.get(slot as usize) else { return };
        self.lingering.push_back((now.elapsed_ms + LINGER_MS, slot, connection.serial));
        self.enter(slot, Phase::Lingering);
        self.effects.push(Effect::Finish(slot));
    }

    /// Closes a connection at once, whatever it was doing.
    pub(super) fn close(&mut self, slot: u32, reason: CloseReason) {
        let Some(connection) = self.connections.get(slot as usize) else { return };
        if matches!(connection.phase, Phase::Closed) {
            return;
        }
        if connection.is_stream() {
            self.leave(slot, reason);
        } else if matches!(connection.phase, Phase::Head(_) | Phase::Deciding(_))
            && let Some(origin) = self.origins.get(slot as usize)
        {
            self.admission.others().leave(origin.peer);
        }
        if let Some(connection) = self.connections.get_mut(slot as usize) {
            connection.outbox = None;
        }
        self.set_blocked(slot, false);
        self.enter(slot, Phase::Closed);
        self.closed.push(slot);
    }

    /// Takes a stream out of everything that counts or finds it.
    fn leave(&mut self, slot: u32, reason: CloseReason) {
        if self.settings.watch {
            self.effects.extend(self.client(slot).map(|client| Effect::Disconnected(client, reason)));
        }
        let Some(connection) = self.connections.get(slot as usize) else { return };
        let token = self.token(slot, connection.serial);
        tracing::debug!(client = %self.settings.ids.seal(token), reason = reason.as_str(), "a stream has ended");
        let Some(origin) = self.origins.get(slot as usize) else { return };
        let profile = connection.profile.as_ref().unwrap_or(&self.anonymous);
        self.index.remove(slot, profile);
        self.standing.count_profile(profile, -1);
        self.admission.release(origin.peer, profile.user.as_ref());
        if let Some(at) = origin.expires_ms {
            self.expiries.remove(&(at.get(), slot));
        }
        self.totals.closed[reason.index()] += 1;
    }

    /// Removes what was closed in this turn, in one place; the sockets close as they are dropped.
    pub(super) fn reap(&mut self) {
        for slot in self.closed.drain(..) {
            self.connections.try_remove(slot as usize);
        }
    }

    pub(super) fn disconnect_user(&mut self, user: &str, now: Now) -> usize {
        let mut slots = Vec::new();
        self.index.of_name(Name::User(user), |slot| self.profile(slot), &mut slots);
        for &slot in &slots {
            self.end(slot, CloseReason::Disconnected, None, now);
        }
        slots.len()
    }

    pub(super) fn disconnect_client(&mut self, client: ClientId, now: Now) -> usize {
        let slot = self.slot_of(client);
        let slot = slot.filter(|slot| self.connections.get(*slot as usize).is_some_and(|c| c.is_stream()));
        slot.map_or(0, |slot| {
            self.end(slot, CloseReason::Disconnected, None, now);
            1
        })
    }

    /// How it all stands. Walks all connections.
    pub fn report(&self, now: Now) -> Report {
        let half_timeout = (self.settings.connection_timeout.as_millis() / 2) as u32;
        let mut report = Report {
            streams: self.standing.streams as u64,
            user_streams: self.standing.users as u64,
            session_streams: self.standing.sessions as u64,
            lagging: self.standing.behind as u64,
            ending: self.standing.ending as u64,
            totals: self.totals.clone(),
            ..Report::default()
        };
        for (slot, connection) in &self.connections {
            match connection.phase {
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
            let connected = self.origins.get(slot).map(|origin| origin.connected_unix_ms);
            report.oldest_unix_ms = [report.oldest_unix_ms, connected].into_iter().flatten().min();
            report.newest_unix_ms = report.newest_unix_ms.max(connected);
        }
        report
    }
}
