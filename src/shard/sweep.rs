//! What is due at a time: heartbeats, timeouts, expired permissions, draining.

use std::io::Write;
use std::time::Duration;

use super::Shard;
use super::close::CloseReason;
use super::connection::{Partial, Phase};
use super::judge::Decision;
use super::outbox::Piece;
use super::settings::{Heartbeat, Settings};
use crate::wire::{Now, Refusal, ServerEvent};

/// Looks after all streams a slice at a time, so that 100,000 heartbeats never burst.
#[derive(Debug)]
pub(super) struct Pulse {
    next_ms: u64,
    tick_ms: u64,
    /// Ticks that it takes to come round.
    ticks: u64,
    at: usize,
}

/// A shutdown under way.
#[derive(Debug)]
pub(super) struct Drainage {
    /// Clients come back spread over so much time.
    spread_ms: u64,
    /// The slot up to which streams are ended.
    at: usize,
    /// Streams that are behind end once they have caught up with history.
    awaits_replays: bool,
}

/// Longest and shortest time between two looks at a slice.
const TICK_MS: (u64, u64) = (5, 100);
/// How often every stream is looked at within the interval that it is looked after for: the error of a
/// heartbeat or a timeout is at most that part of it.
const ROUNDS: u64 = 16;
/// Streams that a drain ends in a turn: all at once would keep the loop from everything else.
const GOODBYES: usize = 1024;
/// What clients wait at least before they come back from a drain: the next process is to be up by then.
const SOONEST_MS: u64 = 1_000;

impl Pulse {
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
    /// Does what is due.
    pub fn sweep(&mut self, now: Now) {
        self.sweep_heads(now);
        self.sweep_decisions(now);
        self.sweep_lingering(now);
        while let Some(&(at, slot)) = self.expiries.first().filter(|(at, _)| *at <= now.elapsed_ms) {
            self.expiries.remove(&(at, slot));
            self.end(slot, CloseReason::Expired, None, now);
        }
        if self.pulse.next_ms <= now.elapsed_ms {
            self.look_after_slice(now);
            self.give_up_on_history(now);
            self.pulse.next_ms = now.elapsed_ms + self.pulse.tick_ms;
        }
        self.go_on_draining(now);
        self.debug_check();
    }

    /// When to sweep again at the latest, in ms since the start.
    pub fn next_deadline(&self) -> Option<u64> {
        let pulse = self.has_streams().then_some(self.pulse.next_ms);
        let drain = self.has_streams_to_dismiss().then_some(0);
        let silence = self.silences.front().map(|(at, ..)| *at);
        let head = self.heads.front().map(|(at, ..)| *at);
        let decision = self.decisions.front().map(|(at, ..)| *at);
        let lingering = self.lingering.front().map(|(at, ..)| *at);
        let expiry = self.expiries.first().map(|(at, _)| *at);
        [pulse, drain, silence, head, decision, lingering, expiry].into_iter().flatten().min()
    }

    /// A connection that never said anything is closed without a word; a head that is not whole in time goes to
    /// the control thread, which says so.
    fn sweep_heads(&mut self, now: Now) {
        while let Some((_, slot, serial)) = self.silences.pop_front_if(|(at, ..)| *at <= now.elapsed_ms) {
            let connection = self.connections.get(slot as usize).filter(|c| c.serial == serial);
            if connection.is_some_and(|connection| matches!(connection.phase, Phase::Head(None))) {
                self.close(slot, CloseReason::Silent);
            }
        }
        while let Some((_, slot, serial)) = self.heads.pop_front_if(|(at, ..)| *at <= now.elapsed_ms) {
            let connection = self.connections.get_mut(slot as usize).filter(|c| c.serial == serial);
            if let Some(Phase::Head(partial)) = connection.map(|connection| &mut connection.phase)
                && let Some(partial) = partial.take()
            {
                match partial.bytes.is_empty() {
                    true => self.close(slot, CloseReason::Silent),
                    false => {
                        self.hand_over(slot, partial.bytes, partial.first_byte_ms, partial.refusal, None);
                    }
                }
            }
        }
    }

    /// Clients that were told the end have had their time to close.
    fn sweep_lingering(&mut self, now: Now) {
        while let Some((_, slot, serial)) = self.lingering.pop_front_if(|(at, ..)| *at <= now.elapsed_ms) {
            let connection = self.connections.get(slot as usize).filter(|c| c.serial == serial);
            if connection.is_some_and(|connection| matches!(connection.phase, Phase::Lingering)) {
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
        let slots = self.origins.len();
        for _ in 0..slots.div_ceil(self.pulse.ticks as usize) {
            if self.pulse.at >= slots {
                self.pulse.at = 0;
            }
            self.look_after(self.pulse.at as u32, heartbeat, now);
            self.pulse.at += 1;
        }
    }

    fn look_after(&mut self, slot: u32, heartbeat: Option<ServerEvent>, now: Now) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        let since = |then: u32| Duration::from_millis(u64::from((now.elapsed_ms as u32).wrapping_sub(then)));
        let timeout = self.settings.connection_timeout;
        if connection.blocked {
            if since(connection.progress_ms) > timeout {
                self.close(slot, CloseReason::Stalled);
            } else if connection.is_slow(now) && self.is_over_limit(slot) {
                self.lag(slot);
            }
            return;
        }
        let Some(heartbeat) = heartbeat else { return };
        let tape = &self.tapes[connection.framing];
        if connection.is_idle(tape) && since(connection.sent_ms) >= self.settings.heartbeat_interval {
            connection.push(Piece::own(heartbeat, connection.framing), tape);
            self.totals.heartbeats += 1;
            self.pump(slot, now);
        }
    }

    /// Ends all streams; those that are behind, once they have caught up with history. Their clients come back spread
    /// over a time.
    pub(super) fn drain(&mut self, spread: Duration) {
        let spread_ms = spread.as_millis() as u64;
        self.drainage = Some(Drainage { spread_ms, at: 0, awaits_replays: true });
        // What is not a stream yet will not be one; the control thread says so.
        for slot in 0..self.origins.len() as u32 {
            let connection = self.connections.get_mut(slot as usize);
            match connection.map(|connection| &mut connection.phase) {
                Some(Phase::Head(partial)) => {
                    let Partial { bytes, first_byte_ms, .. } =
                        partial.take().map_or_else(Partial::default, |partial| *partial);
                    self.hand_over(slot, bytes, first_byte_ms, Some(Refusal::Draining), None);
                }
                // There is no time to find out who it is; the next server will.
                Some(Phase::Deciding(_)) => {
                    self.give_up_deciding(slot, Some(Decision::Refused(Refusal::Draining)));
                }
                _ => {}
            }
        }
    }

    fn go_on_draining(&mut self, now: Now) {
        let Some(drainage) = &mut self.drainage else { return };
        let slots = drainage.at..self.origins.len().min(drainage.at + GOODBYES);
        drainage.at = slots.end;
        for slot in slots {
            self.dismiss(slot as u32, now);
        }
    }
}

impl<S> Shard<S> {
    /// Whether a shutdown is under way.
    pub(super) fn is_draining(&self) -> bool {
        self.drainage.is_some()
    }

    /// Whether a shutdown has streams left that were not told.
    pub fn has_streams_to_dismiss(&self) -> bool {
        self.drainage.as_ref().is_some_and(|drainage| drainage.at < self.origins.len())
    }

    /// Tells a stream of the drain, and ends it. A stream that is behind goes on: [`caught_up`](Self::caught_up) ends it.
    pub(super) fn dismiss(&mut self, slot: u32, now: Now) {
        let Some(Drainage { spread_ms, awaits_replays, .. }) = self.drainage else { return };
        if awaits_replays && self.behind.contains(&slot) {
            return;
        }
        let retry = Duration::from_millis(SOONEST_MS.saturating_add(fastrand::u64(0..=spread_ms)));
        self.end(slot, CloseReason::Draining, Some(ServerEvent::Draining { retry }), now);
    }

    /// A stream has everything that history holds for it: a shutdown that has come past its slot has waited for that.
    pub(super) fn caught_up(&mut self, slot: u32, now: Now) {
        if self.drainage.as_ref().is_some_and(|drainage| (slot as usize) < drainage.at) {
            self.dismiss(slot, now);
        }
    }

    /// The time for a shutdown is over: ends the streams that are behind where they are. Whatever they were not sent is
    /// after the last id that they were sent.
    pub fn cut_replays(&mut self, now: Now) {
        let Some(drainage) = &mut self.drainage else { return };
        drainage.awaits_replays = false;
        let behind: Vec<u32> = self.behind.iter().copied().collect();
        behind.into_iter().for_each(|slot| self.dismiss(slot, now));
        self.debug_check();
    }
}
