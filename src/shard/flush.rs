//! Writing out what is owed: one system call a stream and pass, however many events wait.

use std::io::Write;

use super::Shard;
use super::close::CloseReason;
use super::command::After;
use super::connection::Written;
use super::phase::Phase;
use crate::event::Now;

/// So many bytes of a write cost as much of a turn's budget as a write by itself.
const BYTES_A_WRITE: usize = 32 * 1024;

impl<S: Write> Shard<S> {
    /// The socket of `slot` can be written again. It is, with the next [`flush`](Self::flush).
    pub fn writable(&mut self, slot: u32) {
        if self.connections.get(slot).is_some_and(|connection| connection.blocked) {
            self.connections.set_blocked(slot, false);
            self.schedule_write(slot);
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
        self.connections.reap();
        self.ask_in_turn(now);
        self.debug_check();
        !self.is_at_rest()
    }

    fn serve_queue(&mut self, budget: usize, now: Now) {
        let mut left = budget;
        // Those that are put back have had their turn.
        for _ in 0..self.write_queue.len() {
            if left == 0 {
                break;
            }
            let Some(slot) = self.write_queue.pop() else { break };
            let Some(connection) = self.connections.get_mut(slot) else { continue };
            if std::mem::take(&mut connection.queued) && !connection.blocked {
                left = left.saturating_sub(self.give_turn(slot, now));
            }
        }
        let Self { write_queue, connections, tapes, settings, .. } = self;
        write_queue.relax(|slot| {
            connections.get(slot).is_some_and(|connection| {
                connection.is_over_limit(&tapes[connection.framing], settings.max_backlog)
            })
        });
    }

    fn go_round(&mut self, budget: usize, now: Now) {
        let mut left = budget;
        while left > 0
            && let Some(slot) = self.tapes.pass.next(self.connections.slots())
        {
            left -= 1;
            let Some(connection) = self.connections.get(slot) else { continue };
            let end = self.tapes[connection.framing].end();
            // One that is queued has had its turn, or will have it.
            let is_due = !connection.blocked && !connection.queued;
            if is_due && connection.cursor().is_some_and(|cursor| cursor < end) {
                left = (left + 1).saturating_sub(self.give_turn(slot, now));
            }
        }
    }

    /// Once every stream that takes anything has been given the tape, it need not be held for them.
    fn finish_pass(&mut self) {
        if !self.tapes.pass.is_under_way() && self.write_queue.is_empty() {
            self.tapes.all_served(self.connections.counts().blocked > 0);
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
        let Some(connection) = self.connections.listed_mut(slot) else { return };
        if matches!(connection.phase(), Phase::Closed) {
            return;
        }
        let tape = &self.tapes[connection.framing];
        let (turn, sent) = (self.settings.turn_bytes, &mut self.totals.bytes_sent);
        match connection.pump(tape, &mut self.scratch.join, turn, now.elapsed_ms, sent) {
            Written::Lost => self.close(slot, CloseReason::PeerLost),
            Written::Blocked => self.connections.set_blocked(slot, true),
            Written::Spent => self.schedule_write(slot),
            Written::All => self.written_out(slot, now),
        }
    }

    /// Everything owed is written: those that are on their way elsewhere go on.
    fn written_out(&mut self, slot: u32, now: Now) {
        let Some(connection) = self.connections.listed(slot) else { return };
        match connection.phase() {
            Phase::Ending(_) => self.linger(slot, now),
            Phase::Lagging { .. } | Phase::Replaying { .. } => {
                if let Some(after) = self.connections.rejoin(slot) {
                    self.ask(slot, After::Position(after));
                }
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
