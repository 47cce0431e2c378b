//! What a crew has counted since the last mark.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::moments::Moments;
use crate::latency::Buckets;
use crate::result::Losses;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Different events received, over all streams; repeats not counted.
    pub(crate) received: u64,
    /// Of these, the measured ones: they say when they were due.
    pub(crate) measured: u64,
    /// From when each measured event was due.
    pub(crate) latency: Buckets,
    /// Between a stream's connect and its first event.
    pub(crate) connecting: Buckets,
    /// When the last measured event came, in nanoseconds of `clock::nanos`.
    pub(crate) last_delivery: u64,
    /// Events that a load tester did not publish.
    pub(crate) foreign: u64,
    pub(crate) heartbeats: u64,
    /// The fewest heartbeats that one stream got; `None` without an open stream.
    pub(crate) least_heartbeats: Option<u32>,
    /// Streams that were opened again.
    pub(crate) reopened: u64,
    /// Attempts that came to no stream, and that the server did not answer with when to come again.
    pub(crate) failed: u64,
    /// Where streams come back by themselves: each attempt to, and each that did.
    pub(crate) attempts: Moments,
    pub(crate) returns: Moments,
    /// `missing` is not known to a crew.
    pub(crate) losses: Losses,
}

impl Tally {
    /// Adds what another crew has counted, or this one later.
    pub(crate) fn add(&mut self, other: &Self) -> Result<()> {
        self.received += other.received;
        self.measured += other.measured;
        self.latency = self.latency.with(&other.latency)?;
        self.connecting = self.connecting.with(&other.connecting)?;
        self.last_delivery = self.last_delivery.max(other.last_delivery);
        self.foreign += other.foreign;
        self.heartbeats += other.heartbeats;
        self.least_heartbeats = match (self.least_heartbeats, other.least_heartbeats) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        self.reopened += other.reopened;
        self.failed += other.failed;
        self.attempts.add(&other.attempts);
        self.returns.add(&other.returns);
        self.losses.add(&other.losses);
        Ok(())
    }
}
