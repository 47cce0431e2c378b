//! What an operator is told of a history on disk.

use crate::metrics::Histogram;

/// The history on disk.
#[derive(Clone, Debug, Default)]
pub struct DiskReport {
    /// Segments.
    pub segments: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes that can still be written to the disk; `None` where that is not known.
    pub free_bytes: Option<u64>,
    /// Groups that were written.
    pub commits: u64,
    /// How long they took, with all that was delivered.
    pub(crate) commit_duration: Histogram,
    /// Bytes of the events in them.
    pub committed_bytes: u64,
    /// Publications refused because the disk was full.
    pub refused_full: u64,
    /// Publications refused because the disk did not take them, or had failed before.
    pub refused_failed: u64,
    /// Events read from disk, for streams and for operators.
    pub read_events: u64,
    /// Their bytes.
    pub read_bytes: u64,
    /// Questions that wait to be answered from disk.
    pub reads_waiting: u64,
    /// Damaged places that were found.
    pub damaged: u64,
    /// Whether a write to the disk was lost, so that nothing is published until a restart.
    pub has_failed: bool,
}
