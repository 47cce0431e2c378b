//! Connections that make room for others when descriptors run short.

use std::io::Read;

use super::Shard;
use super::close::CloseReason;
use super::connection::Phase;
use crate::wire::Now;

/// How long a connection has for its first or next request before it may have to make room, in ms: what it asks for may
/// be on its way.
pub const YOUNG_MS: u64 = 50;

/// Connections that were closed to make room, by how far they had come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// They had said nothing.
    pub silent: u64,
    /// Their request's head was not whole.
    pub head: u64,
}

impl<S: Read> Shard<S> {
    /// Closes the connections without a whole head that came first, `most` at most. What they have sent meanwhile is
    /// looked at before, so that no request is lost.
    pub fn reclaim(&mut self, most: usize, now: Now) -> Reclaimed {
        let mut reclaimed = Reclaimed::default();
        let mut left = most;
        while left > 0
            && self.unopened_since_ms().is_some_and(|since_ms| since_ms + YOUNG_MS <= now.elapsed_ms)
            && let Some((slot, serial)) = self.pop_unopened()
        {
            self.readable(slot, false, now);
            let connection = self.connections.get(slot as usize).filter(|c| c.serial == serial);
            let closed = match connection.map(|connection| &connection.phase) {
                Some(Phase::Head(None)) => &mut reclaimed.silent,
                Some(Phase::Head(Some(_))) => &mut reclaimed.head,
                _ => continue,
            };
            *closed += 1;
            left -= 1;
            self.close(slot, CloseReason::Silent);
        }
        reclaimed
    }
}

impl<S> Shard<S> {
    /// Since when the one of those has been here that is next, in ms since the start.
    pub fn unopened_since_ms(&mut self) -> Option<u64> {
        while self.silences.front().is_some_and(|(_, slot, serial)| !self.is_silent(*slot, *serial)) {
            self.silences.pop_front();
        }
        while self.heads.front().is_some_and(|(_, slot, serial)| !self.is_partial(*slot, *serial)) {
            self.heads.pop_front();
        }
        let [silent, head] = [&self.silences, &self.heads].map(|queue| queue.front().map(|(at, ..)| *at));
        let until_ms = [silent, head].into_iter().flatten().min()?;
        Some(until_ms.saturating_sub(self.head_timeout_ms()))
    }

    /// Takes the one out that is next. Both queues are in the order of their deadlines, which are equally far off.
    fn pop_unopened(&mut self) -> Option<(u32, u32)> {
        self.unopened_since_ms()?;
        let [silent, head] = [&self.silences, &self.heads].map(|queue| queue.front().map(|(at, ..)| *at));
        let first =
            match head.is_none() || silent.is_some_and(|silent| head.is_some_and(|head| silent <= head)) {
                true => self.silences.pop_front(),
                false => self.heads.pop_front(),
            };
        first.map(|(_, slot, serial)| (slot, serial))
    }

    fn is_silent(&self, slot: u32, serial: u32) -> bool {
        let connection = self.connections.get(slot as usize).filter(|c| c.serial == serial);
        connection.is_some_and(|connection| matches!(connection.phase, Phase::Head(None)))
    }

    fn is_partial(&self, slot: u32, serial: u32) -> bool {
        let connection = self.connections.get(slot as usize).filter(|c| c.serial == serial);
        connection.is_some_and(|connection| matches!(connection.phase, Phase::Head(Some(_))))
    }
}
