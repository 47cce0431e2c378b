//! The settings of a log.

/// How a log is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Whether an append returns, and can be read, only when it is on the disk. Otherwise it has been handed to the kernel,
    /// and [`Appender::sync`](super::Appender::sync) is up to the caller.
    pub always_sync: bool,
    /// A segment of so many bytes is followed by the next; from 4 KiB to 1 GiB. One group may make it larger.
    pub segment_bytes: u64,
    /// A segment is followed by the next when it was begun so many ms ago, so that what is old can be removed.
    pub segment_age_ms: u64,
    /// A segment is removed when its last event is older than this, in ms.
    pub max_age_ms: u64,
    /// The oldest segments are removed while all are larger than this, in bytes. The one that is written to stays.
    pub max_bytes: u64,
    /// Files that are kept open for reading.
    pub open_files: usize,
    /// Places of the table of losses, of 8 bytes each. It keeps the size that it was made with.
    pub loss_places: usize,
}

/// 64 MiB.
pub const SEGMENT_BYTES: u64 = 64 << 20;

impl LogOptions {
    /// A log that holds its events for so long and up to so many bytes.
    pub fn new(always_sync: bool, max_age_ms: u64, max_bytes: u64) -> Self {
        Self {
            always_sync,
            // What is held longer than wished is little of the whole.
            segment_bytes: SEGMENT_BYTES.min(max_bytes / 16),
            segment_age_ms: max_age_ms / 16,
            max_age_ms,
            max_bytes,
            open_files: 64,
            loss_places: super::losses::PLACES,
        }
        .bounded()
    }

    pub(super) fn bounded(mut self) -> Self {
        self.segment_bytes = self.segment_bytes.clamp(4 << 10, 1 << 30);
        self.segment_age_ms = self.segment_age_ms.max(1_000);
        self.open_files = self.open_files.max(4);
        self
    }
}
