//! Writing to sockets: one system call per stream and pass, however many events wait.

use std::io::Write;

use super::Shard;
use super::close::CloseReason;
use super::command::After;
use super::connection::Written;
use super::phase::Phase;
use crate::event::Now;

/// A write of this many bytes costs as much of a turn's budget as a write as such.
const BYTES_A_WRITE: usize = 32 * 1024;

impl<S: Write> Shard<S> {
    /// The socket of `slot` is writable again. The next [`flush`](Self::flush) writes to it.
    pub fn writable(&mut self, slot: u32) {
        if self.connections.get(slot).is_some_and(|connection| connection.blocked) {
            self.connections.set_blocked(slot, false);
            self.schedule_write(slot);
            self.debug_check();
        }
    }

    /// Writes to about `budget` streams that have data of their own and to as many of the pass, fewer if there is much
    /// to write, and removes the connections closed in this turn. No stream gets more than one turn. Returns true if
    /// more is to be written: call it again after checking for other work.
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
        // Streams that are put back have had their turn.
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
            // A queued stream has had its turn, or will have it.
            let is_due = !connection.blocked && !connection.queued;
            if is_due && connection.cursor().is_some_and(|cursor| cursor < end) {
                left = (left + 1).saturating_sub(self.give_turn(slot, now));
            }
        }
    }

    /// Trims the tapes once every stream that is not blocked has been handed them.
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

    /// Writes one turn's worth to a connection, and acts on the result.
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

    /// Moves a connection on after everything queued for it is written.
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
