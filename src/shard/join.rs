//! Catching up from history: clients that resume, and streams that fell behind. Both take the same path.

use std::io::Write;

use super::Shard;
use super::close::CloseReason;
use super::command::{After, Effect, Join, Missed, Resume};
use super::outbox::Piece;
use super::phase::{Greeting, Phase};
use super::replays::Ask;
use super::table::ConnectionTable;
use crate::event::{Continuity, Now, Refusal, ServerEvent};

impl<S: Write> Shard<S> {
    /// Handles the journal's answer to a stream that joins.
    ///
    /// It was put into the inbox under the journal's lock, so each event is either in the answer or behind it.
    pub(super) fn join(&mut self, Join { token, missed }: Join, now: Now) {
        let slot = token.slot;
        let records = missed.as_ref().map_or(&[][..], |missed| &missed.records);
        let spent = |patterns| records.iter().map(|record| record.target.effort(patterns)).sum();
        self.replays.done(slot, token.serial, spent);
        // The stream may have ended in the meantime.
        let connection = self.connections.by_token(token);
        let Some(&Phase::Joining { greeting, .. }) = connection.map(|connection| connection.phase()) else {
            return;
        };
        let Some(mut missed) = missed else { return self.end_unanswered(slot, greeting, now) };
        let Some(client) = self.client(slot) else { return };
        missed.records.retain(|record| record.target.matches(&client));
        let greeting = match self.welcome(slot, greeting, &missed, now) {
            Ok(greeting) => greeting,
            Err(reason) => return self.end(slot, reason, None, now),
        };
        let Some(connection) = self.connections.listed_mut(slot) else { return };
        let tape = &self.tapes[connection.framing];
        let Missed { records, position, last, .. } = missed;
        self.totals.deliveries += records.len() as u64;
        self.totals.replayed += records.len() as u64;
        records.into_iter().for_each(|record| connection.push(Piece::Record(record), tape));
        if last {
            self.subscribe(slot);
            self.caught_up(slot, now);
        } else {
            self.connections.replay(slot, position, greeting);
            self.schedule_write(slot);
        }
    }

    /// Greets the stream, if that has not been done and its position is known by now.
    fn welcome(
        &mut self,
        slot: u32,
        greeting: Greeting,
        missed: &Missed,
        now: Now,
    ) -> Result<Greeting, CloseReason> {
        let gap = match (greeting, missed.continuity) {
            (Greeting::Sent, Continuity::Recovered) => return Ok(Greeting::Sent),
            (Greeting::Sent, Continuity::Lost(_)) => return Err(CloseReason::Lagged),
            (Greeting::Due, Continuity::Recovered) => {
                self.greet(slot, missed.id, Continuity::Recovered, now);
                return Ok(Greeting::Sent);
            }
            // The first loss found is the one to report.
            (Greeting::DueAfter(gap), _) | (Greeting::Due, Continuity::Lost(gap)) => gap,
        };
        // After a loss, the stream continues just before the first event that follows.
        let begins = match missed.records.first() {
            Some(record) => record.id.preceding(),
            None if missed.last => missed.id,
            None => return Ok(Greeting::DueAfter(gap)),
        };
        self.greet(slot, begins, Continuity::Lost(gap), now);
        Ok(Greeting::Sent)
    }

    /// A stream over its backlog limit drops what is queued and keeps its position: once its socket is written out, it
    /// joins again from history.
    pub(super) fn lag(&mut self, slot: u32) {
        let Some(connection) = self.connections.listed_mut(slot) else { return };
        let Some(cut) = connection.cut(&self.tapes[connection.framing]) else { return };
        self.totals.deliveries = self.totals.deliveries.saturating_sub(cut.dropped);
        self.totals.withdrawn += cut.dropped;
        self.totals.transient_missed += cut.transient;
        if let Some(after) = cut.position.filter(|_| cut.dropped > 0) {
            self.totals.lags += 1;
            self.connections.lag(slot, after);
        }
        self.schedule_write(slot);
    }

    /// Sends a blocked stream back to history before the tape forgets what it needs.
    pub(super) fn make_room(&mut self, slot: u32) {
        match self.connections.listed(slot).map(|connection| connection.phase()) {
            Some(Phase::Streaming { .. }) => self.lag(slot),
            Some(Phase::Ending(reason)) => {
                let reason = *reason;
                self.close(slot, reason);
            }
            _ => {}
        }
    }
}

impl<S> Shard<S> {
    /// Requests the events after a position; the journal is asked when it is this stream's turn.
    pub(super) fn ask(&mut self, slot: u32, after: After) {
        let Some(connection) = self.connections.listed(slot) else { return };
        let Some(meta) = self.connections.meta(slot) else { return };
        let patterns = connection.profile.as_ref().map_or(0, |profile| profile.topics.len());
        let ask = Ask { slot, serial: connection.serial, after, patterns };
        self.replays.push(meta.peer, ask, self.settings.replay_effort);
        if self.replays.waiting() > 2 * self.connections.counts().behind().len() + ENDED {
            let connections = &self.connections;
            self.replays.retain(|ask| is_joining(connections, ask));
        }
    }

    /// Asks the journal for as many waiting streams as the limit on comparisons allows. Each answer is a command, which
    /// makes room for others.
    pub(super) fn ask_in_turn(&mut self, now: Now) {
        let connections = &self.connections;
        let limit = self.settings.replay_effort;
        let is_there = |ask| is_joining(connections, ask);
        while let Some((ask, effort)) = self.replays.next(limit, now.elapsed_ms, is_there) {
            let Ask { slot, serial, after, .. } = ask;
            let token = connections.token_of(slot, serial);
            let profile = connections.listed(slot).and_then(|connection| connection.profile.clone());
            let taken = match connections.listed(slot).map(|connection| connection.phase()) {
                Some(Phase::Joining { taken, .. }) => *taken,
                _ => 0,
            };
            let budget = self.settings.replay_budget(taken);
            self.effects.push(Effect::Resume(Resume { token, after, profile, budget, effort }));
        }
    }

    /// Ends the streams that the journal has not answered within the connection timeout, so that their clients
    /// reconnect. The timeout begins when the journal is asked: waiting for a turn does not count.
    pub(super) fn give_up_on_history(&mut self, now: Now) {
        let timeout_ms = self.settings.connection_timeout.as_millis() as u64;
        for (slot, serial) in self.replays.take_overdue(now.elapsed_ms.saturating_sub(timeout_ms)) {
            let connection = self.connections.by_serial(slot, serial);
            if let Some(&Phase::Joining { greeting, .. }) = connection.map(|connection| connection.phase()) {
                self.end_unanswered(slot, greeting, now);
            }
        }
    }

    /// A stream that has not been sent its first event is refused for now instead.
    fn end_unanswered(&mut self, slot: u32, greeting: Greeting, now: Now) {
        let refusal = (greeting != Greeting::Sent).then(|| {
            self.effects.push(Effect::Refused(Refusal::History));
            let retry = self.settings.refusal_retry(fastrand::f64());
            ServerEvent::Refused { retry, reason: Refusal::History }
        });
        self.end(slot, CloseReason::Unanswered, refusal, now);
    }
}

/// Requests of ended streams that may be among the waiting ones before they are removed.
const ENDED: usize = 64;

/// Whether a stream still waits for the history that it has requested.
fn is_joining<S>(connections: &ConnectionTable<S>, ask: Ask) -> bool {
    let connection = connections.by_serial(ask.slot, ask.serial);
    connection.is_some_and(|connection| matches!(connection.phase(), Phase::Joining { .. }))
}
