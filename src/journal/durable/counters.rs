//! What a durable journal has done.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::metrics::Histogram;

/// Counters that grow.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) commits: Counter,
    pub(super) commit_duration: Mutex<Histogram>,
    pub(super) committed_bytes: Counter,
    pub(super) refused_full: Counter,
    pub(super) refused_failed: Counter,
    pub(super) read_events: Counter,
    pub(super) read_bytes: Counter,
    /// Damaged places that were found when the log was opened.
    pub(super) damaged_at_start: Counter,
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
