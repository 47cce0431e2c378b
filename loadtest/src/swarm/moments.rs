//! Counts of something by the time at which it happened.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts by hundredths of a second of `clock::nanos`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moments(BTreeMap<u64, u64>);

const STEP: u64 = 10_000_000;
const SECOND: u64 = 1_000_000_000;

impl Moments {
    pub(crate) fn note(&mut self, now: u64) {
        *self.0.entry(now / STEP).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (&step, &count) in &other.0 {
            *self.0.entry(step).or_default() += count;
        }
    }

    /// The counts from `since` on, in nanoseconds.
    pub(crate) fn since(&self, began: u64) -> Self {
        Self(self.0.range(began / STEP..).map(|(&step, &count)| (step, count)).collect())
    }

    /// When the count reached `count`, in nanoseconds, to a hundredth of a second; `None` if it never did.
    pub(crate) fn reached(&self, count: u64) -> Option<u64> {
        let mut sum = 0;
        for (&step, &of) in &self.0 {
            sum += of;
            if sum >= count {
                return Some((step + 1) * STEP);
            }
        }
        None
    }

    /// The highest count within one second.
    pub(crate) fn most_in_a_second(&self) -> u64 {
        let width = SECOND / STEP;
        let from = |&first: &u64| self.0.range(first..first + width).map(|(_, &count)| count).sum();
        self.0.keys().map(from).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let (mut one, mut two) = (Moments::default(), Moments::default());
        assert_eq!((one.most_in_a_second(), one.reached(1)), (0, None));
        // Five a second for two seconds, then 10 in the last moment of a second.
        (0..10).for_each(|n| one.note(n * SECOND / 5));
        (0..10).for_each(|_| two.note(4 * SECOND - 1));
        let json = serde_json::to_string(&two).unwrap();
        one.add(&serde_json::from_str(&json).unwrap());
        assert_eq!(one.most_in_a_second(), 10);
        assert_eq!((one.reached(1), one.reached(5)), (Some(STEP), Some(4 * SECOND / 5 + STEP)));
        assert_eq!((one.reached(20), one.reached(21)), (Some(4 * SECOND), None));
        let late = one.since(SECOND);
        assert_eq!((late.most_in_a_second(), late.reached(1)), (10, Some(SECOND + STEP)));
        assert_eq!((late.reached(15), late.reached(16)), (Some(4 * SECOND), None));
        assert_eq!(two.since(5 * SECOND), Moments::default());
    }
}
