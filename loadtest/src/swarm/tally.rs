//! The counts of a worker since the last mark.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::moments::Moments;
use crate::latency::Buckets;
use crate::result::Losses;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Distinct events received over all streams, without repeats.
    pub(crate) received: u64,
    /// The measured ones among them: those that carry the time at which they were due.
    pub(crate) measured: u64,
    /// Latency of the measured events, from the time at which each was due.
    pub(crate) latency: Buckets,
    /// Time between a stream's connect and its first event.
    pub(crate) connecting: Buckets,
    /// When the last measured event arrived, in nanoseconds of `clock::nanos`.
    pub(crate) last_delivery: u64,
    /// Events of other publishers.
    pub(crate) foreign: u64,
    pub(crate) heartbeats: u64,
    /// The fewest heartbeats that one stream received; `None` without an open stream.
    pub(crate) least_heartbeats: Option<u32>,
    /// Streams that were opened again.
    pub(crate) reopened: u64,
    /// Attempts that opened no stream, and to which the server gave no time to reconnect.
    pub(crate) failed: u64,
    /// Where streams reconnect by themselves: the times of all attempts, and of those that succeeded.
    pub(crate) attempts: Moments,
    pub(crate) returns: Moments,
    /// `missing` is unknown to a worker, and 0.
    pub(crate) losses: Losses,
}

impl Tally {
    /// Adds the counts of another worker, or later counts of the same.
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
