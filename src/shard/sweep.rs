//! What is due at a time: heartbeats, timeouts, expired permissions.

use std::io::Write;
use std::time::Duration;

use super::Shard;
use super::close::CloseReason;
use super::deadlines::Deadline;
use super::outbox::Piece;
use super::phase::Phase;
use super::settings::{Heartbeat, Settings};
use crate::event::{Now, ServerEvent};

/// Visits all streams a slice at a time, so that 100,000 heartbeats never burst.
#[derive(Debug)]
pub(super) struct Sweeper {
    next_ms: u64,
    tick_ms: u64,
    /// Ticks of a round.
    ticks: u64,
    at: usize,
}

/// Shortest and longest time between two slices.
const TICK_MS: (u64, u64) = (5, 100);
/// Rounds within the shortest interval to keep: a heartbeat or a timeout is late by at most that fraction.
const ROUNDS: u64 = 16;

impl Sweeper {
    pub(super) fn new(settings: &Settings) -> Self {
        let interval = match settings.heartbeat {
            Heartbeat::Off => settings.connection_timeout,
            _ => settings.connection_timeout.min(settings.heartbeat_interval),
        };
        let round_ms = interval.as_millis() as u64 / ROUNDS;
        let tick_ms = (round_ms / 32).clamp(TICK_MS.0, TICK_MS.1);
        Self { next_ms: 0, tick_ms, ticks: (round_ms / tick_ms).max(1), at: 0 }
    }
}

impl<S: Write> Shard<S> {
    /// Acts on everything that is due.
    pub fn sweep(&mut self, now: Now) {
        self.sweep_heads(now);
        self.sweep_decisions(now);
        self.sweep_lingering(now);
        while let Some(slot) = self.deadlines.pop_expired(now.elapsed_ms) {
            self.end(slot, CloseReason::Expired, None, now);
        }
        if self.sweeper.next_ms <= now.elapsed_ms {
            self.look_after_slice(now);
            self.give_up_on_history(now);
            self.sweeper.next_ms = now.elapsed_ms + self.sweeper.tick_ms;
        }
        self.go_on_draining(now);
        self.debug_check();
    }

    /// When to sweep again at the latest, in ms since the start.
    pub fn next_deadline(&self) -> Option<u64> {
        let sweep = self.has_streams().then_some(self.sweeper.next_ms);
        let drain = self.has_streams_to_dismiss().then_some(0);
        [sweep, drain, self.deadlines.next_ms()].into_iter().flatten().min()
    }

    /// Closes connections that never sent anything, without an answer. Hands incomplete heads that are out of time to
    /// the control thread, which answers.
    fn sweep_heads(&mut self, now: Now) {
        while let Some(Deadline { slot, serial, .. }) = self.deadlines.silent.pop_due(now.elapsed_ms) {
            let connection = self.connections.by_serial(slot, serial);
            if connection.is_some_and(|connection| matches!(connection.phase(), Phase::Head(None))) {
                self.close(slot, CloseReason::Silent);
            }
        }
        while let Some(Deadline { slot, serial, .. }) = self.deadlines.head.pop_due(now.elapsed_ms) {
            let connection = self.connections.by_serial_mut(slot, serial);
            if let Some(partial) = connection.and_then(|connection| connection.state.head_mut()?.take()) {
                match partial.bytes.is_empty() {
                    true => self.close(slot, CloseReason::Silent),
                    false => {
                        self.hand_over(slot, partial.bytes, partial.first_byte_ms, partial.refusal, None);
                    }
                }
            }
        }
    }

    /// Closes connections whose clients were told the end and have had their time to close.
    fn sweep_lingering(&mut self, now: Now) {
        while let Some(Deadline { slot, serial, .. }) = self.deadlines.linger.pop_due(now.elapsed_ms) {
            let connection = self.connections.by_serial(slot, serial);
            if connection.is_some_and(|connection| matches!(connection.phase(), Phase::Lingering)) {
                self.abandon(slot);
            }
        }
    }

    fn look_after_slice(&mut self, now: Now) {
        let heartbeat = match self.settings.heartbeat {
            Heartbeat::Off => None,
            Heartbeat::Comment => Some(ServerEvent::Comment),
            Heartbeat::Event => Some(ServerEvent::Ping { unix_ms: now.unix_ms }),
        };
        let slots = self.connections.slots();
        for _ in 0..slots.div_ceil(self.sweeper.ticks as usize) {
            if self.sweeper.at >= slots {
                self.sweeper.at = 0;
            }
            self.look_after(self.sweeper.at as u32, heartbeat, now);
            self.sweeper.at += 1;
        }
    }

    fn look_after(&mut self, slot: u32, heartbeat: Option<ServerEvent>, now: Now) {
        let Some(connection) = self.connections.get_mut(slot) else { return };
        let tape = &self.tapes[connection.framing];
        let since = |then: u32| Duration::from_millis(u64::from((now.elapsed_ms as u32).wrapping_sub(then)));
        let timeout = self.settings.connection_timeout;
        if connection.blocked {
            if since(connection.progress_ms) > timeout {
                self.close(slot, CloseReason::Stalled);
            } else if connection.is_slow(now) && connection.is_over_limit(tape, self.settings.max_backlog) {
                self.lag(slot);
            }
            return;
        }
        let Some(heartbeat) = heartbeat else { return };
        if connection.is_idle(tape) && since(connection.sent_ms) >= self.settings.heartbeat_interval {
            connection.push(Piece::own(heartbeat, connection.framing), tape);
            self.totals.heartbeats += 1;
            self.pump(slot, now);
        }
    }
}
