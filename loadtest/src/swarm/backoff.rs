//! When a client reconnects after its stream has ended, as the project's browser client does.

use std::time::Duration;

/// The first and the longest step of the backoff, in milliseconds.
const FIRST: u64 = 3000;
const LONGEST: u64 = 30_000;
/// The longest wait of a client, with a `retry` of up to 10 s.
pub(crate) const AT_MOST: Duration = Duration::from_millis(LONGEST + 10_000);

/// The state of the backoff of one client.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Backoff {
    /// The server's last `retry`, in milliseconds; 0 for none.
    retry: u32,
    /// Attempts since the last open stream.
    attempts: u8,
    /// The server has ended this stream: it chose its `retry` at random for this client, so no jitter is added.
    is_drawn: bool,
}

impl Backoff {
    pub(super) fn retry(&mut self, millis: u32) {
        self.retry = millis;
    }

    /// Takes a `connection` event: the stream is open, or ends.
    pub(super) fn hear(&mut self, is_open: bool) {
        self.is_drawn = !is_open;
        if is_open {
            self.attempts = 0;
        }
    }

    /// Whether the server has refused or ended the stream.
    pub(super) fn is_told(&self) -> bool {
        self.is_drawn
    }

    /// The time to wait before the next attempt, in nanoseconds. `random` is from 0 to 1.
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
        // It applies to one attempt.
        assert_eq!(waits(&mut backoff, 2, 1.0), [1700, 1700 + 6000]);
        assert!(!backoff.is_told());
    }
}
