//! The settings of a durable journal.

use std::time::Duration;

use crate::journal::HistoryLimits;

/// When what is published must be on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before anybody sees it, and before it is acknowledged: a power failure loses nothing. This costs one sync for all
    /// that waits.
    #[default]
    Always,
    /// This long after it was handed to the kernel, at the latest: a power failure may lose that much.
    Every(Duration),
    /// When the kernel writes it: a power failure may lose what the kernel held.
    Never,
}

/// How a durable journal keeps its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurableOptions {
    /// When what is published must be on the disk.
    pub sync: SyncPolicy,
    /// What is also held in memory, for streams that were away for a moment.
    pub memory: HistoryLimits,
    /// How long an idempotency key is remembered, in ms.
    pub window_ms: u64,
    /// Maximum number of idempotency keys.
    pub keys: usize,
}

impl SyncPolicy {
    /// The longest time after which what was handed to the kernel is synced, in ms; `None` where that is up to the kernel.
    pub(super) fn interval_ms(self) -> Option<u64> {
        match self {
            Self::Every(interval) => Some(interval.as_millis() as u64),
            Self::Always | Self::Never => None,
        }
    }
}
