//! By what number a history is known.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits of an epoch that are drawn: it lies up to so many ms, 17.5 min, before the time at which its history begins.
/// Histories that begin in the same ms, in processes that start together or under a clock that stands still, have one
/// epoch with a chance of 1 to a million; ids of the one would count in the other.
const RANDOM_BITS: u32 = 20;

/// The epoch of a history that begins now: a time in Unix ms, a little before `unix_ms` and never after it, but for a
/// clock that is not set. Within the process each is above the one before.
pub(super) fn next_epoch(unix_ms: u64, random: u64) -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let drawn = draw(unix_ms, random);
    let next = |last: u64| drawn.max(last + 1);
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
    last.map_or(drawn, next)
}

fn draw(unix_ms: u64, random: u64) -> u64 {
    let range = 1 << RANDOM_BITS;
    // A clock that begins at 1970 leaves as much room.
    unix_ms.max(range) - random % range
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const NOW: u64 = 1_790_000_000_000;

    #[test]
    fn under_a_clock_that_stands_still_epochs_differ() {
        for now in [NOW, 1_000_000, 0] {
            let mut random = fastrand::Rng::with_seed(3);
            let epochs: BTreeSet<u64> = (0..100).map(|_| draw(now, random.u64(..))).collect();
            assert!(epochs.len() >= 99, "{} of 100 at {now}", epochs.len());
            assert!(epochs.iter().all(|epoch| *epoch > 0), "{now}");
        }
    }

    #[test]
    fn an_epoch_is_a_time_shortly_before_now() {
        for random in [0, 1, u64::MAX / 3, u64::MAX] {
            let epoch = draw(NOW, random);
            assert!(epoch <= NOW && NOW - epoch < 18 * 60 * 1000, "{epoch}");
        }
    }

    #[test]
    fn within_a_process_they_grow() {
        let mut random = fastrand::Rng::with_seed(4);
        let epochs: Vec<u64> = (0..100).map(|n| next_epoch(NOW + n, random.u64(..))).collect();
        assert!(epochs.windows(2).all(|two| two[0] < two[1]), "{epochs:?}");
        assert!(epochs[99] <= NOW + 100, "they do not run ahead of the clock");
    }
}
