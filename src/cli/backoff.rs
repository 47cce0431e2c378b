//! When to reconnect.

use std::time::Duration;

/// The wait of a client that was not told a reconnection time, as in browsers.
const RETRY: Duration = Duration::from_secs(3);
/// The shortest wait, whatever a server says: a publisher may have set it for all clients.
const MIN_DELAY: Duration = Duration::from_millis(100);
/// The longest wait after failures.
const MAX_FAILING: Duration = Duration::from_secs(60);
/// The longest wait, whatever a server says.
const MAX_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Waits the reconnection time that the server gives, doubled after each failed attempt, plus a random part of up to
/// half of that, so that clients that lost their streams together do not all return together.
///
/// A client that is told to return at once still waits 100 ms. If stream after stream brings nothing, the waits grow up
/// to the default.
#[derive(Debug)]
pub(super) struct Backoff {
    pub(super) retry: Duration,
    /// Attempts since there was a stream.
    in_vain: u32,
    /// Attempts since anything came on a stream.
    barren: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { retry: RETRY, in_vain: 0, barren: 0 }
    }
}

impl Backoff {
    /// Notes that a stream was opened.
    pub(super) fn opened(&mut self) {
        self.in_vain = 0;
    }

    /// Notes that something came on it.
    pub(super) fn brought(&mut self) {
        (self.in_vain, self.barren) = (0, 0);
    }

    /// How long to wait now, but at least `at_least`; `chance` is between 0 and 1.
    pub(super) fn next(&mut self, at_least: Duration, chance: f64) -> Duration {
        let doubled = |time: Duration, times| time.saturating_mul(2_u32.saturating_pow(times));
        let told = self.retry.clamp(MIN_DELAY, MAX_DELAY);
        let delay = doubled(told, self.in_vain).min(MAX_FAILING.max(told));
        let floor = doubled(MIN_DELAY, self.barren).min(RETRY);
        (self.in_vain, self.barren) = (self.in_vain.saturating_add(1), self.barren.saturating_add(1));
        let delay = delay.max(floor);
        let delay = delay.saturating_add(delay.div_f64(2.0).mul_f64(chance.clamp(0.0, 1.0)));
        delay.max(at_least).min(MAX_DELAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(backoff: &mut Backoff, chance: f64) -> Duration {
        backoff.next(Duration::ZERO, chance)
    }

    #[test]
    fn each_attempt_in_vain_doubles_the_wait_up_to_a_limit() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..8).map(|_| next(&mut backoff, 0.0).as_secs()).collect();
        assert_eq!(waits, [3, 6, 12, 24, 48, 60, 60, 60]);
        backoff.brought();
        assert_eq!(
            (next(&mut backoff, 1.0), next(&mut backoff, 0.5)),
            (Duration::from_millis(4500), Duration::from_millis(7500))
        );
    }

    #[test]
    fn the_server_is_obeyed_up_to_a_day() {
        for retry in [Duration::from_millis(100), Duration::from_secs(3600), MAX_DELAY] {
            let mut backoff = Backoff { retry, ..Backoff::default() };
            assert!((0..100).all(|_| next(&mut backoff, 0.7) >= retry), "{retry:?}");
        }
        for retry in [Duration::from_millis(1 << 32), Duration::MAX] {
            let mut backoff = Backoff { retry, ..Backoff::default() };
            assert!((0..100).all(|_| next(&mut backoff, 0.7) == MAX_DELAY), "{retry:?}");
        }
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(Duration::from_secs(7), 0.5), Duration::from_secs(7));
        assert_eq!(backoff.next(Duration::MAX, 0.5), MAX_DELAY, "nor is Retry-After beyond that");
    }

    #[test]
    fn whoever_is_told_to_come_back_at_once_waits_all_the_same() {
        let waits = |then: fn(&mut Backoff)| {
            let mut backoff = Backoff { retry: Duration::ZERO, ..Backoff::default() };
            let wait = |_| {
                let wait = next(&mut backoff, 0.0).as_millis();
                then(&mut backoff);
                wait
            };
            (0..8).map(wait).collect::<Vec<_>>()
        };
        assert_eq!(waits(|_| ()), [100, 200, 400, 800, 1600, 3200, 6400, 12_800], "nobody is there");
        assert_eq!(waits(Backoff::opened), [100, 200, 400, 800, 1600, 3000, 3000, 3000], "it ends at once");
        assert_eq!(waits(Backoff::brought), [100; 8]);
    }
}
