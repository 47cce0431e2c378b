//! When a client comes back whose stream has ended: as the project's browser client does it.

use std::time::Duration;

/// The first step of the backoff, and the longest one.
const FIRST: u64 = 3000;
const LONGEST: u64 = 30_000;
/// The longest that anyone waits whom the server asks for a time like the usual ones.
pub(crate) const AT_MOST: Duration = Duration::from_millis(LONGEST + 10_000);

/// What a client remembers of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Backoff {
    /// What the server asked for last, in milliseconds; 0 if nothing.
    retry: u32,
    /// Attempts since a stream was open.
    attempts: u8,
    /// The server said that this stream ends: its `retry` was drawn for this client alone, and is kept to.
    is_drawn: bool,
}

impl Backoff {
    pub(super) fn retry(&mut self, millis: u32) {
        self.retry = millis;
    }

    /// A `connection` event: that the stream is open, or that it ends.
    pub(super) fn hear(&mut self, is_open: bool) {
        self.is_drawn = !is_open;
        if is_open {
            self.attempts = 0;
        }
    }

    /// The server said that it does not take this client now, or not any more.
    pub(super) fn is_told(&self) -> bool {
        self.is_drawn
    }

    /// The stream is over, or was none: how long to wait, in nanoseconds. `random` is from 0 to 1.
    pub(super) fn wait(&mut self, random: f64) -> u64 {
        let step = LONGEST.min(FIRST << self.attempts.min(16));
        self.attempts = self.attempts.saturating_add(1);
        let jitter = if std::mem::take(&mut self.is_drawn) { 0.0 } else { random * step as f64 };
        ((f64::from(self.retry) + jitter) * 1e6) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(backoff: &mut Backoff, attempts: usize, random: f64) -> Vec<u64> {
        (0..attempts).map(|_| backoff.wait(random) / 1_000_000).collect()
    }

    #[test]
    fn the_jitter_grows_and_the_servers_time_is_kept() {
        let mut backoff = Backoff::default();
        assert_eq!(waits(&mut backoff, 6, 1.0), [3000, 6000, 12_000, 24_000, 30_000, 30_000]);
        backoff.retry(500);
        assert_eq!(waits(&mut backoff, 300, 0.0), [500; 300]);
        backoff.hear(true);
        assert_eq!(waits(&mut backoff, 2, 0.5), [2000, 3500]);
    }

    #[test]
    fn a_time_that_was_drawn_has_no_jitter() {
        let mut backoff = Backoff::default();
        backoff.hear(true);
        backoff.retry(1700);
        backoff.hear(false);
        assert!(backoff.is_told());
        // It is for the one attempt.
        assert_eq!(waits(&mut backoff, 2, 1.0), [1700, 1700 + 6000]);
        assert!(!backoff.is_told());
    }
}
