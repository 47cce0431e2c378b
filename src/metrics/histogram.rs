//! How long things take.

use std::time::Duration;

/// Counts of durations in buckets, from 10 µs to 10 s, three to a power of ten. Plain integers: an event loop has its
/// own, and hands out a copy when it is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    /// Each bucket by its own, not added up; the last is for what is longer than all.
    buckets: [u64; BOUNDS_US.len() + 1],
    sum_us: u64,
}

/// Upper bounds, in µs.
const BOUNDS_US: [u64; 19] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

impl Histogram {
    /// Counts one.
    pub(crate) fn observe(&mut self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < us);
        self.buckets[bucket] += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// The sum in seconds, how many there were, and each bucket's upper bound in seconds with its own count.
    pub(super) fn read(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let bounds = BOUNDS_US.iter().map(|us| *us as f64 / 1e6).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(self.buckets).collect();
        (self.sum_us as f64 / 1e6, self.buckets.iter().sum(), buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_in_the_bucket_whose_bound_it_does_not_exceed() {
        let mut histogram = Histogram::default();
        for us in [0, 10, 11, 25, 1_000_000, 10_000_000, 10_000_001, u64::MAX / 4] {
            histogram.observe(Duration::from_micros(us));
        }
        let (_, count, buckets) = histogram.read();
        assert_eq!(count, 8);
        let counts: Vec<u64> = buckets.iter().map(|(_, count)| *count).collect();
        assert_eq!((counts[0], counts[1], counts[15], counts[18], counts[19]), (2, 2, 1, 1, 2));
        assert_eq!(counts.iter().sum::<u64>(), 8);
    }
}
