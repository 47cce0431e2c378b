//! What has happened in runs.

/// What has happened, so that runs in which nothing does are not taken for good ones.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) acknowledged: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    pub(crate) repeats: u64,
    pub(crate) crashes: u64,
    pub(crate) power_failures: u64,
    pub(crate) lost_tails: u64,
    pub(crate) recovered: u64,
    pub(crate) expired: u64,
    pub(crate) epochs: u64,
    pub(crate) replayed: u64,
    pub(crate) live: u64,
    pub(crate) removed: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, part) in self.counts_mut().into_iter().zip(other.clone().counts_mut()) {
            *sum += *part;
        }
    }

    pub(crate) fn assert_much_happened(&mut self) {
        let least = *self.counts_mut().into_iter().min().expect("counts");
        assert!(least >= 10, "hardly anything happened of something: {self:?}");
    }

    fn counts_mut(&mut self) -> [&mut u64; 13] {
        let Self { acknowledged, refused, failed, repeats, crashes, power_failures, lost_tails, .. } = self;
        let Self { recovered, expired, epochs, replayed, live, removed, .. } = self;
        [
            acknowledged,
            refused,
            failed,
            repeats,
            crashes,
            power_failures,
            lost_tails,
            recovered,
            expired,
            epochs,
            replayed,
            live,
            removed,
        ]
    }
}
