//! What is due at a time: heartbeats, timeouts, expired permissions, draining.

use std::io::Write;
use std::time::Duration;

use super::close::CloseReason;
use super::connection::{Partial, Phase};
use super::outbox::Piece;
use super::settings::{Heartbeat, Settings};
use super::{Shard, tape_of};
use crate::wire::{Frame, Now, Refusal, comment, draining, ping};

/// Looks after all streams a slice at a time, so that 100,000 heartbeats never burst.
#[derive(Debug)]
pub(super) struct Pulse {
    next_ms: u64,
    tick_ms: u64,
    /// Ticks that it takes to come round.
    ticks: u64,
    at: usize,
}

/// A shutdown under way: streams are ended one after another, spread over its time.
#[derive(Debug)]
pub(super) struct Drainage {
    from_ms: u64,
    over_ms: u64,
    streams: usize,
    ended: usize,
    at: usize,
}

/// Longest and shortest time between two looks at a slice.
const TICK_MS: (u64, u64) = (5, 100);
/// How often every stream is looked at within the interval that it is looked after for: the error of a
/// heartbeat or a timeout is at most that part of it.
const ROUNDS: u64 = 16;
/// Time between two looks at a drain under way.
const DRAIN_TICK_MS: u64 = 20;

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
        while let Some(&(at, slot)) = self.expiries.first().filter(|(at, _)| *at <= now.elapsed_ms) {
            self.expiries.remove(&(at, slot));
            self.end(slot, CloseReason::Expired, None, now);
        }
        if self.pulse.next_ms <= now.elapsed_ms {
            self.look_after_slice(now);
            self.pulse.next_ms = now.elapsed_ms + self.pulse.tick_ms;
        }
        self.go_on_draining(now);
        self.debug_check();
    }

    /// When to sweep again at the latest, in ms since the start.
    pub fn next_deadline(&self) -> Option<u64> {
        let pulse = self.has_streams().then_some(self.pulse.next_ms);
        let drain = self.drainage.as_ref().filter(|drainage| drainage.ended < drainage.streams);
        let drain = drain.map(|drainage| drainage.from_ms + drainage.next_after_ms());
        let silence = self.silences.front().map(|(at, ..)| *at);
        let head = self.heads.front().map(|(at, ..)| *at);
        let expiry = self.expiries.first().map(|(at, _)| *at);
        [pulse, drain, silence, head, expiry].into_iter().flatten().min()
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
                    false => self.hand_over(slot, partial.bytes, partial.first_byte_ms, partial.refusal),
                }
            }
        }
    }

    fn look_after_slice(&mut self, now: Now) {
        let heartbeat = match self.settings.heartbeat {
            Heartbeat::Off => None,
            Heartbeat::Comment => Some(comment()),
            Heartbeat::Event => Some(ping(now.unix_ms)),
        };
        let slots = self.origins.len();
        for _ in 0..slots.div_ceil(self.pulse.ticks as usize) {
            if self.pulse.at >= slots {
                self.pulse.at = 0;
            }
            self.look_after(self.pulse.at as u32, heartbeat.as_ref(), now);
            self.pulse.at += 1;
        }
    }

    fn look_after(&mut self, slot: u32, heartbeat: Option<&Frame>, now: Now) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        let since = |then: u32| Duration::from_millis(u64::from((now.elapsed_ms as u32).wrapping_sub(then)));
        if connection.blocked {
            if since(connection.progress_ms) > self.settings.connection_timeout {
                self.close(slot, CloseReason::Stalled);
            } else if connection.is_slow(now) && self.is_over_limit(slot) {
                self.lag(slot);
            }
            return;
        }
        let Some(heartbeat) = heartbeat else { return };
        let tape = tape_of(&self.tapes, connection.framing);
        let idle = connection.outbox.is_none() && connection.cursor() == Some(tape.end());
        if idle && since(connection.sent_ms) >= self.settings.heartbeat_interval {
            connection.push(Piece::own(heartbeat, connection.framing), tape);
            self.totals.heartbeats += 1;
            self.pump(slot, now);
        }
    }

    /// Ends all streams, spread over a time, so that the clients do not all come back at once.
    pub(super) fn drain(&mut self, over: Duration, now: Now) {
        // The last tenth is left for what is under way to be written out.
        let over_ms = over.as_millis() as u64 * 9 / 10;
        let streams = self.standing.streams;
        self.drainage = Some(Drainage { from_ms: now.elapsed_ms, over_ms, streams, ended: 0, at: 0 });
        // What is not a stream yet will not be one; the control thread says so.
        for slot in 0..self.origins.len() as u32 {
            let connection = self.connections.get_mut(slot as usize);
            let Some(Phase::Head(partial)) = connection.map(|connection| &mut connection.phase) else {
                continue;
            };
            let Partial { bytes, first_byte_ms, .. } =
                partial.take().map_or_else(Partial::default, |partial| *partial);
            self.hand_over(slot, bytes, first_byte_ms, Some(Refusal::Draining));
        }
    }

    fn go_on_draining(&mut self, now: Now) {
        let Some(mut drainage) = self.drainage.take() else { return };
        let due = drainage.due(now.elapsed_ms - drainage.from_ms);
        while drainage.ended < due && drainage.at < self.origins.len() {
            let slot = drainage.at as u32;
            drainage.at += 1;
            if self.connections.get(slot as usize).is_some_and(|connection| connection.is_stream()) {
                self.say_goodbye(slot, drainage.over_ms, now);
                drainage.ended += 1;
            }
        }
        if drainage.at >= self.origins.len() {
            drainage.ended = drainage.streams;
        }
        self.drainage = Some(drainage);
    }
}

impl<S> Shard<S> {
    /// Whether a shutdown is under way.
    pub(super) fn is_draining(&self) -> bool {
        self.drainage.is_some()
    }

    /// Ends a stream that came too late to have a place in the drain.
    pub(super) fn dismiss(&mut self, slot: u32, now: Now) {
        let over_ms = self.drainage.as_ref().map_or(0, |drainage| drainage.over_ms);
        self.say_goodbye(slot, over_ms, now);
    }

    fn say_goodbye(&mut self, slot: u32, over_ms: u64, now: Now) {
        let retry = Duration::from_millis(fastrand::u64(1..=over_ms.max(1)));
        self.end(slot, CloseReason::Draining, Some(&draining(retry)), now);
    }
}

impl Drainage {
    /// How many streams are to have been ended after so many ms: the first at once.
    fn due(&self, after_ms: u64) -> usize {
        if after_ms >= self.over_ms {
            return self.streams;
        }
        let part = self.streams as u128 * u128::from(after_ms) / u128::from(self.over_ms);
        self.streams.min(part as usize + 1)
    }

    fn next_after_ms(&self) -> u64 {
        // Rounded up, or the loop would wake before anything is due, and not sleep until it is.
        let next = (self.ended as u128 * u128::from(self.over_ms)).div_ceil(self.streams.max(1) as u128);
        (next as u64).next_multiple_of(DRAIN_TICK_MS).min(self.over_ms)
    }
}
