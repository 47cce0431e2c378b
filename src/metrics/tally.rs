//! Counters by a label.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

/// Values of a label, each with a counter of its own.
pub(crate) trait Label: Copy + 'static {
    /// All of them, each at its [`index`](Self::index).
    const VALUES: &'static [Self];

    /// Its place among all.
    fn index(self) -> usize;

    /// The word in statistics.
    fn as_str(self) -> &'static str;
}

/// Counts how often something happened, by a label, from any thread.
pub(crate) struct Tally<L> {
    counts: Box<[AtomicU64]>,
    label: PhantomData<L>,
}

impl<L: Label> Default for Tally<L> {
    fn default() -> Self {
        Self { counts: L::VALUES.iter().map(|_| AtomicU64::new(0)).collect(), label: PhantomData }
    }
}

impl<L: Label> Tally<L> {
    /// Once more.
    pub(crate) fn count(&self, value: L) {
        self.add(value, 1);
    }

    /// So many times more.
    pub(crate) fn add(&self, value: L, times: u64) {
        if times > 0 {
            self.counts[value.index()].fetch_add(times, Ordering::Relaxed);
        }
    }

    /// How often each value was counted.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        L::VALUES.iter().map(|value| value.as_str()).zip(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    enum Side {
        Left,
        Right,
    }

    impl Label for Side {
        const VALUES: &'static [Self] = &[Self::Left, Self::Right];

        fn index(self) -> usize {
            self as usize
        }

        fn as_str(self) -> &'static str {
            match self {
                Self::Left => "left",
                Self::Right => "right",
            }
        }
    }

    #[test]
    fn each_value_has_a_counter_of_its_own() {
        let tally = Tally::default();
        tally.count(Side::Right);
        tally.add(Side::Right, 4);
        tally.add(Side::Left, 0);
        assert_eq!(tally.iter().collect::<Vec<_>>(), [("left", 0), ("right", 5)]);
        tally.count(Side::Left);
        assert_eq!(tally.iter().collect::<Vec<_>>(), [("left", 1), ("right", 5)]);
    }
}
