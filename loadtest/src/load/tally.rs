//! What one client thread has counted.

use std::time::Instant;

use hdrhistogram::Histogram;

/// Latencies are kept in microseconds, to three digits, up to an hour.
const MAX_MICROS: u64 = 3600 * 1_000_000;

pub(super) struct Tally {
    /// Streams that got their first event.
    pub(super) opened: u64,
    /// Streams that never got one: refused, or the connection failed.
    pub(super) refused: u64,
    /// Opened streams that ended before the load did.
    pub(super) closed: u64,
    /// Different events received, over all streams; repeats not counted.
    pub(super) received: u64,
    /// Of these, measured ones.
    pub(super) measured: u64,
    /// Events that are missing before one that has come.
    pub(super) gaps: u64,
    pub(super) repeats: u64,
    pub(super) reorders: u64,
    /// Events that are none of ours, or not as they were published.
    pub(super) damaged: u64,
    pub(super) latency: Histogram<u64>,
    pub(super) last_delivery: Option<Instant>,
    /// The first thing that went wrong with a stream, in words.
    pub(super) trouble: Option<String>,
}

impl Tally {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            opened: 0,
            refused: 0,
            closed: 0,
            received: 0,
            measured: 0,
            gaps: 0,
            repeats: 0,
            reorders: 0,
            damaged: 0,
            latency: Histogram::new_with_max(MAX_MICROS, 3)?,
            last_delivery: None,
            trouble: None,
        })
    }

    pub(super) fn add(&mut self, other: Self) -> anyhow::Result<()> {
        self.opened += other.opened;
        self.refused += other.refused;
        self.closed += other.closed;
        self.received += other.received;
        self.measured += other.measured;
        self.gaps += other.gaps;
        self.repeats += other.repeats;
        self.reorders += other.reorders;
        self.damaged += other.damaged;
        self.latency.add(&other.latency)?;
        self.last_delivery = self.last_delivery.max(other.last_delivery);
        self.trouble = self.trouble.take().or(other.trouble);
        Ok(())
    }
}
