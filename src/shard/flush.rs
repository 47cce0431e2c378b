//! Writing out what is owed: one system call a stream and pass, however many events wait.

use std::io::Write;

use super::Shard;
use super::close::CloseReason;
use super::command::After;
use super::connection::{Phase, Written};
use crate::wire::{Framing, Now, PerFraming};

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
    /// Up to here every stream that is not blocked has been given the tape.
    pub(super) served: PerFraming<u64>,
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

/// So many bytes of a write cost as much of a turn's budget as a write by itself.
const BYTES_A_WRITE: usize = 32 * 1024;

impl<S: Write> Shard<S> {
    /// The socket of `slot` can be written again. It is, with the next [`flush`](Self::flush).
    pub fn writable(&mut self, slot: u32) {
        if self.connections.get(slot as usize).is_some_and(|connection| connection.blocked) {
            self.set_blocked(slot, false);
            self.queue(slot);
            self.debug_check();
        }
    }

    /// Writes out what is owed, to about `budget` streams that have something of their own and as many of the pass,
    /// fewer where it is much, and removes what was closed in this turn. No stream is given more than one turn. True
    /// if more is to be written: flush again after a look at what else has happened.
    pub fn flush(&mut self, budget: usize, now: Now) -> bool {
        self.go_on_with_batch(now);
        self.serve_queue(budget, now);
        self.go_round(budget, now);
        self.finish_pass();
        self.reap();
        self.ask_in_turn(now);
        self.debug_check();
        !self.is_at_rest()
    }

    fn serve_queue(&mut self, budget: usize, now: Now) {
        let mut left = budget;
        // Those that are put back have had their turn.
        for _ in 0..self.queued.len() {
            if left == 0 {
                break;
            }
            let Some(slot) = self.queued.pop_front() else { break };
            let Some(connection) = self.connections.get_mut(slot as usize) else { continue };
            if std::mem::take(&mut connection.queued) && !connection.blocked {
                left = left.saturating_sub(self.give_turn(slot, now));
            }
        }
        if self.pressed {
            self.pressed = self.queued.iter().any(|slot| self.is_over_limit(*slot));
        }
    }

    fn go_round(&mut self, budget: usize, now: Now) {
        let mut left = budget;
        while left > 0 && self.pass.left > 0 {
            if self.pass.at >= self.origins.len() {
                self.pass.at = 0;
            }
            let slot = self.pass.at;
            self.pass.at += 1;
            self.pass.left -= 1;
            left -= 1;
            let Some(connection) = self.connections.get(slot) else { continue };
            let end = self.tapes[connection.framing].end();
            // One that is queued has had its turn, or will have it.
            let is_due = !connection.blocked && !connection.queued;
            if is_due && connection.cursor().is_some_and(|cursor| cursor < end) {
                left = (left + 1).saturating_sub(self.give_turn(slot as u32, now));
            }
        }
    }

    /// Once every stream that takes anything has been given the tape, it need not be held for them.
    fn finish_pass(&mut self) {
        if self.pass.is_under_way() || !self.queued.is_empty() {
            return;
        }
        for framing in Framing::ALL {
            let tape = &mut self.tapes[framing];
            self.pass.served[framing] = tape.end();
            if self.standing.blocked == 0 {
                tape.release(tape.end());
            }
        }
    }

    /// Writes to one stream; returns what that costs of a budget of writes.
    fn give_turn(&mut self, slot: u32, now: Now) -> usize {
        let before = self.totals.bytes_sent;
        self.pump(slot, now);
        1 + (self.totals.bytes_sent - before) as usize / BYTES_A_WRITE
    }

    /// Writes out what one connection is owed, as much as one turn is, and acts on what came of it.
    pub(super) fn pump(&mut self, slot: u32, now: Now) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        if matches!(connection.phase, Phase::Closed) {
            return;
        }
        let tape = &self.tapes[connection.framing];
        let (turn, sent) = (self.settings.turn_bytes, &mut self.totals.bytes_sent);
        match connection.pump(tape, &mut self.join, turn, now.elapsed_ms, sent) {
            Written::Lost => self.close(slot, CloseReason::PeerLost),
            Written::Blocked => self.set_blocked(slot, true),
            Written::Spent => self.queue(slot),
            Written::All => self.written_out(slot, now),
        }
    }

    /// Everything owed is written: those that are on their way elsewhere go on.
    fn written_out(&mut self, slot: u32, now: Now) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        match &mut connection.phase {
            Phase::Ending(_) => self.linger(slot, now),
            Phase::Lagging { after } => {
                let after = *after;
                self.rejoin(slot, after);
            }
            Phase::Replaying { after, greeting } => {
                let (after, greeting) = (*after, *greeting);
                self.enter(slot, Phase::Joining { greeting });
                self.ask(slot, After::Position(after));
            }
            Phase::Joining { .. }
            | Phase::Streaming { .. }
            | Phase::Head(_)
            | Phase::Deciding(_)
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
            self.queued.push_back(slot);
        }
    }

    /// Whether it is a live stream that is owed more than its backlog limit.
    pub(super) fn is_over_limit(&self, slot: u32) -> bool {
        self.connections.get(slot as usize).is_some_and(|connection| {
            let streams = matches!(connection.phase, Phase::Streaming { .. });
            streams && connection.backlog(&self.tapes[connection.framing]) > self.settings.max_backlog
        })
    }
}
