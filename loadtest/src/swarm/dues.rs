//! When the latest events were due, so that a stream that joins them under way is known to miss one.

use std::collections::VecDeque;

/// Of the events of one series that any stream has got.
#[derive(Default)]
pub(super) struct Dues {
    /// The number of the last one.
    newest: u64,
    times: VecDeque<u64>,
}

impl Dues {
    /// A stream gets its first event within fewer than so many.
    const KEPT: usize = 4096;

    /// Event `n` was due then, in nanoseconds; 0 is not known.
    pub(super) fn note(&mut self, n: u64, due: u64) {
        if n <= self.newest {
            return;
        }
        if n - self.newest > Self::KEPT as u64 {
            self.times.clear();
        } else {
            // What nobody has got is nobody's to miss: the gap shows in the streams that were there before.
            self.times.extend((self.newest + 1..n).map(|_| 0));
        }
        self.times.push_back(due);
        self.newest = n;
        while self.times.len() > Self::KEPT {
            self.times.pop_front();
        }
    }

    /// How many before event `n` were due only after `since`.
    pub(super) fn owed(&self, since: u64, n: u64) -> u64 {
        let numbers = (1..=self.newest).rev();
        let times = numbers.zip(self.times.iter().rev());
        times.filter(|&(number, &due)| number < n && due > since).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_joins_late_is_owed_what_came_after() {
        let mut dues = Dues::default();
        assert_eq!(dues.owed(0, 5), 0);
        for (n, due) in [(1, 100), (2, 200), (2, 999), (4, 400), (3, 300), (5, 500)] {
            dues.note(n, due);
        }
        // Its first is 5, and it was there at 150: it is owed 2 and 4; nobody has 3.
        assert_eq!((dues.owed(150, 5), dues.owed(200, 5), dues.owed(400, 5), dues.owed(0, 1)), (2, 1, 0, 0));
        dues.note(1_000_000, 600);
        assert_eq!((dues.owed(0, 1_000_000), dues.owed(0, 1_000_001)), (0, 1));
        for n in 1_000_001..1_010_000 {
            dues.note(n, n);
        }
        assert_eq!((dues.times.len(), dues.owed(1_009_990, 1_010_000)), (Dues::KEPT, 9));
    }
}
