//! When to connect again.

use std::time::Duration;

/// What a client waits that was told nothing, as browsers do.
const RETRY: Duration = Duration::from_secs(3);
/// The longest wait that failures lead to.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// Waits the reconnection time that the server gives, twice as long after each attempt in vain, and up to half of
/// that more by chance, so that clients which lost their streams together do not all come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    pub(super) retry: Duration,
    in_vain: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { retry: RETRY, in_vain: 0 }
    }
}

impl Backoff {
    /// A stream was there.
    pub(super) fn reset(&mut self) {
        self.in_vain = 0;
    }

    /// How long to wait now; `chance` is between 0 and 1.
    pub(super) fn next(&mut self, chance: f64) -> Duration {
        let factor = 2_u32.saturating_pow(self.in_vain);
        self.in_vain = self.in_vain.saturating_add(1);
        let longest = MAX_DELAY.max(self.retry);
        let delay = self.retry.saturating_mul(factor).min(longest);
        delay.saturating_add(delay.div_f64(2.0).mul_f64(chance.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_in_vain_doubles_the_wait_up_to_a_limit() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..8).map(|_| backoff.next(0.0).as_secs()).collect();
        assert_eq!(waits, [3, 6, 12, 24, 48, 60, 60, 60]);
        backoff.reset();
        assert_eq!(
            (backoff.next(1.0), backoff.next(0.5)),
            (Duration::from_millis(4500), Duration::from_millis(7500))
        );
    }

    #[test]
    fn the_server_is_obeyed_however_much_it_asks_for() {
        for retry in [Duration::ZERO, Duration::from_millis(10), Duration::from_secs(3600), Duration::MAX] {
            let mut backoff = Backoff { retry, in_vain: 0 };
            assert!((0..100).all(|_| backoff.next(0.7) >= retry), "{retry:?}");
        }
    }
}
