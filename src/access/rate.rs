//! The rate limit of publishing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::event::Now;

/// A token bucket for each key. A bucket fills at the rate and holds one second's worth, so that a publisher may send
/// as many events at once as it may in a second.
///
/// A batch may be larger than the bucket: it is accepted when the bucket is full, and the rest becomes debt.
#[derive(Debug)]
pub(crate) struct RateLimit {
    /// Events per second; `None`: no limit.
    per_second: Option<f64>,
    buckets: HashMap<Arc<str>, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Events that may be published now; a debt, if negative.
    tokens: f64,
    /// When that was computed, in ms since the start.
    at_ms: u64,
}

/// Number of keys above which those with a full bucket are dropped.
const MANY: usize = 4096;

impl RateLimit {
    /// Limits each key to this many events per second.
    pub(crate) fn new(per_second: Option<u32>) -> Self {
        Self { per_second: per_second.map(f64::from), buckets: HashMap::new() }
    }

    /// Whether there is a limit.
    pub(crate) fn is_on(&self) -> bool {
        self.per_second.is_some()
    }

    /// Takes this many events from a key's bucket, or returns how long to wait until that can succeed.
    pub(crate) fn take(&mut self, key: &Arc<str>, events: usize, now: Now) -> Result<(), Duration> {
        let Some(rate) = self.per_second else { return Ok(()) };
        if self.buckets.len() >= MANY && !self.buckets.contains_key(key) {
            self.buckets.retain(|_, bucket| bucket.filled(rate, now).tokens < rate);
        }
        let full = Bucket { tokens: rate, at_ms: now.elapsed_ms };
        let bucket = self.buckets.entry(key.clone()).or_insert(full);
        *bucket = bucket.filled(rate, now);
        let events = events as f64;
        let lacking = events.min(rate) - bucket.tokens;
        if lacking > 0.0 {
            return Err(Duration::from_secs_f64(lacking / rate));
        }
        bucket.tokens -= events;
        Ok(())
    }
}

impl Bucket {
    fn filled(self, rate: f64, now: Now) -> Self {
        let elapsed_ms = now.elapsed_ms.saturating_sub(self.at_ms);
        let tokens = (self.tokens + rate * elapsed_ms as f64 / 1000.0).min(rate);
        Self { tokens, at_ms: now.elapsed_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now { elapsed_ms: ms, unix_ms: 0 }
    }

    #[test]
    fn a_seconds_worth_at_once_and_then_the_rate() {
        let (mut limit, key) = (RateLimit::new(Some(10)), Arc::from("a"));
        assert!((0..10).all(|_| limit.take(&key, 1, at(0)).is_ok()));
        assert_eq!(limit.take(&key, 1, at(0)), Err(Duration::from_millis(100)));
        assert_eq!(limit.take(&key, 1, at(50)), Err(Duration::from_millis(50)));
        assert_eq!(limit.take(&key, 1, at(100)), Ok(()));
        assert!(limit.take(&key, 1, at(100)).is_err());
        assert_eq!(limit.take(&key, 10, at(1_100)), Ok(()));
        assert_eq!(limit.take(&Arc::from("b"), 10, at(1_100)), Ok(()), "each key has its own");
    }

    #[test]
    fn in_the_long_run_nobody_exceeds_the_rate() {
        let (mut limit, key) = (RateLimit::new(Some(100)), Arc::from("a"));
        let mut rng = fastrand::Rng::with_seed(7);
        let mut taken = 0;
        for ms in 0..60_000 {
            let events = rng.usize(1..300);
            if limit.take(&key, events, at(ms)).is_ok() {
                taken += events;
            }
        }
        // A full bucket at the start, a minute of the rate, and the last batch's debt.
        assert!((5_700..=6_400).contains(&taken), "{taken}");
    }

    #[test]
    fn a_batch_beyond_the_bucket_is_paid_off() {
        let (mut limit, key) = (RateLimit::new(Some(10)), Arc::from("a"));
        assert_eq!(limit.take(&key, 35, at(0)), Ok(()));
        assert_eq!(limit.take(&key, 1, at(0)), Err(Duration::from_millis(2_600)));
        assert_eq!(limit.take(&key, 1, at(2_600)), Ok(()));
    }

    #[test]
    fn keys_that_rest_are_forgotten() {
        let mut limit = RateLimit::new(Some(10));
        for n in 0..2 * MANY as u64 {
            assert!(limit.take(&n.to_string().into(), 1, at(n)).is_ok());
        }
        assert!(limit.buckets.len() <= MANY + 100, "{}", limit.buckets.len());
    }
}
