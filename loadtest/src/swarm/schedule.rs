//! When the latest events were due: shows which events a stream misses that joined while events were published.

use std::collections::VecDeque;

/// The due times of the latest events of one series, as far as any stream has received them.
#[derive(Default)]
pub(super) struct Schedule {
    /// The number of the last event.
    newest: u64,
    times: VecDeque<u64>,
}

impl Schedule {
    /// Number of due times that are kept: a stream receives its first event before as many have followed.
    const KEPT: usize = 4096;

    /// Records when event `n` was due, in nanoseconds; 0 if unknown.
    pub(super) fn note(&mut self, n: u64, due: u64) {
        if n <= self.newest {
            return;
        }
        if n - self.newest > Self::KEPT as u64 {
            self.times.clear();
        } else {
            // A gap that all streams have shows in the streams that were open before.
            self.times.extend((self.newest + 1..n).map(|_| 0));
        }
        self.times.push_back(due);
        self.newest = n;
        while self.times.len() > Self::KEPT {
            self.times.pop_front();
        }
    }

    /// How many of the events before `n` were due after `since`.
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
        let mut schedule = Schedule::default();
        assert_eq!(schedule.owed(0, 5), 0);
        for (n, due) in [(1, 100), (2, 200), (2, 999), (4, 400), (3, 300), (5, 500)] {
            schedule.note(n, due);
        }
        // Its first is 5, and it was there at 150: it is owed 2 and 4; nobody has 3.
        assert_eq!(
            (schedule.owed(150, 5), schedule.owed(200, 5), schedule.owed(400, 5), schedule.owed(0, 1)),
            (2, 1, 0, 0)
        );
        schedule.note(1_000_000, 600);
        assert_eq!((schedule.owed(0, 1_000_000), schedule.owed(0, 1_000_001)), (0, 1));
        for n in 1_000_001..1_010_000 {
            schedule.note(n, n);
        }
        assert_eq!((schedule.times.len(), schedule.owed(1_009_990, 1_010_000)), (Schedule::KEPT, 9));
    }
}
