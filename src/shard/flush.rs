//! Writing out what is owed: one system call a stream and pass, however many events wait.

use std::io::Write;

use super::close::CloseReason;
use super::connection::{Phase, Written};
use super::{Shard, tape_of};
use crate::wire::{Framing, Now};

/// A walk over all streams, in the order of their slots, to give each what it is owed of the tape.
///
/// It goes round: what is published while it is under way starts no walk of its own, but makes this one go
/// on until it has come by everybody again.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// The slot it is at.
    at: usize,
    /// Slots that it still has to come by.
    left: usize,
    /// Up to here, by framing, every stream that is not blocked has been given the tape.
    pub(super) served: [u64; 2],
}

impl Pass {
    pub(super) fn restart(&mut self, slots: usize) {
        self.left = slots;
    }

    /// There is one slot more to come by, which may lie before those that are left.
    pub(super) fn grow(&mut self) {
        if self.is_under_way() {
            self.left += 1;
        }
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.left > 0
    }
}

impl<S: Write> Shard<S> {
    /// The socket of `slot` can be written again.
    pub fn writable(&mut self, slot: u32, now: Now) {
        if self.connections.get(slot as usize).is_some_and(|connection| connection.blocked) {
            self.pump(slot, now);
            self.debug_check();
        }
    }

    /// Writes out what is owed, to at most `budget` streams of the pass, and removes what was closed in this
    /// turn. True if the pass is not over: flush again after a look at what else has happened.
    pub fn flush(&mut self, budget: usize, now: Now) -> bool {
        self.go_on_with_batch(now);
        let mut queued = std::mem::take(&mut self.queued);
        for slot in queued.drain(..) {
            let Some(connection) = self.connections.get_mut(slot as usize) else { continue };
            connection.queued = false;
            if !connection.blocked {
                self.pump(slot, now);
            }
        }
        // Nothing is queued by writing out; the allocation is kept.
        if self.queued.is_empty() {
            self.queued = queued;
        }
        let more = self.go_round(budget, now);
        self.reap();
        self.debug_check();
        more
    }

    fn go_round(&mut self, budget: usize, now: Now) -> bool {
        for _ in 0..budget.min(self.pass.left) {
            if self.pass.at >= self.origins.len() {
                self.pass.at = 0;
            }
            let slot = self.pass.at;
            self.pass.at += 1;
            self.pass.left -= 1;
            let Some(connection) = self.connections.get(slot) else { continue };
            let end = tape_of(&self.tapes, connection.framing).end();
            if !connection.blocked && connection.cursor().is_some_and(|cursor| cursor < end) {
                self.pump(slot as u32, now);
            }
        }
        if self.pass.left == 0 {
            for framing in [Framing::Chunked, Framing::Plain] {
                let tape = &mut self.tapes[framing as usize];
                self.pass.served[framing as usize] = tape.end();
                if self.standing.blocked == 0 {
                    tape.release(tape.end());
                }
            }
        }
        self.pass.left > 0 || self.batch.is_some()
    }

    /// Writes out what one connection is owed, and acts on what came of it.
    pub(super) fn pump(&mut self, slot: u32, now: Now) -> Written {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return Written::Lost };
        if matches!(connection.phase, Phase::Closed) {
            return Written::Lost;
        }
        let tape = tape_of(&self.tapes, connection.framing);
        let written = connection.pump(tape, &mut self.join, now.elapsed_ms, &mut self.totals.bytes_sent);
        match written {
            Written::Lost => self.close(slot, CloseReason::PeerLost),
            Written::Blocked => self.set_blocked(slot, true),
            Written::All => {
                self.set_blocked(slot, false);
                self.written_out(slot, now);
            }
        }
        written
    }

    /// Everything owed is written: those that are on their way elsewhere go on.
    fn written_out(&mut self, slot: u32, now: Now) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        match &mut connection.phase {
            Phase::Ending(_) => self.linger(slot, now),
            Phase::Lagging { after } => {
                let after = *after;
                self.rejoin(slot, after, now);
            }
            Phase::Joining { after, greeting, asked_ms: None } => {
                let after = *after;
                connection.phase = Phase::joining(after, *greeting, now);
                self.ask(slot, self.event_id(after));
            }
            Phase::Joining { .. }
            | Phase::Streaming { .. }
            | Phase::Head(_)
            | Phase::Lingering
            | Phase::Closed => {}
        }
    }
}

impl<S> Shard<S> {
    /// Lists a stream to be written out in this turn.
    pub(super) fn queue(&mut self, slot: u32) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        if !connection.queued && !connection.blocked {
            connection.queued = true;
            self.queued.push(slot);
        }
    }
}
