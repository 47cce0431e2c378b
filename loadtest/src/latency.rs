//! Distributions of times: measured, sent between processes, and stored in results.

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Keeps times in microseconds, to three significant digits, up to an hour.
const MAX_MICROS: u64 = 3600 * 1_000_000;
const DIGITS: u8 = 3;

#[derive(Clone, Debug)]
pub(crate) struct Times(Histogram<u64>);

impl Times {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(Histogram::new_with_max(MAX_MICROS, DIGITS)?))
    }

    pub(crate) fn record_nanos(&mut self, nanos: u64) {
        self.0.saturating_record((nanos / 1000).max(1));
    }

    /// Adds the times of another process or thread.
    pub(crate) fn add(&mut self, buckets: &Buckets) -> Result<()> {
        for &(micros, count) in &buckets.0 {
            self.0.record_n(micros, count)?;
        }
        Ok(())
    }

    pub(crate) fn buckets(&self) -> Buckets {
        Buckets(
            self.0.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect(),
        )
    }

    pub(crate) fn millis(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1000.0
    }

    pub(crate) fn max_millis(&self) -> f64 {
        self.0.max() as f64 / 1000.0
    }
}

/// A distribution in JSON: microseconds and their counts, ascending.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Buckets(Vec<(u64, u64)>);

impl Buckets {
    pub(crate) fn times(&self) -> Result<Times> {
        let mut times = Times::new()?;
        times.add(self)?;
        Ok(times)
    }

    /// The sum of both.
    pub(crate) fn with(&self, other: &Self) -> Result<Self> {
        let mut times = self.times()?;
        times.add(other)?;
        Ok(times.buckets())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_processes() {
        let (mut one, mut two) = (Times::new().unwrap(), Times::new().unwrap());
        for millis in 1..=99 {
            one.record_nanos(millis * 1_000_000);
        }
        two.record_nanos(7_200_000 * 1_000_000);
        let json = serde_json::to_string(&two.buckets()).unwrap();
        one.add(&serde_json::from_str(&json).unwrap()).unwrap();
        assert!((one.millis(0.5) - 50.0).abs() < 0.1);
        assert!((one.max_millis() - 3_600_000.0).abs() < 3600.0, "{}", one.max_millis());
        assert_eq!(one.buckets().times().unwrap().buckets(), one.buckets());
        assert_eq!(one.buckets().0.len(), 100);
    }
}
