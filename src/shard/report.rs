//! Statistics of a shard.

use super::close::CloseReason;
use crate::event::Continuity;

/// The streams and counters of one shard at one moment. Reports of several shards add up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Open streams.
    pub streams: u64,
    /// Of those, with a user.
    pub user_streams: u64,
    /// Of those, with a session.
    pub session_streams: u64,
    /// Without write progress for longer than half of the connection timeout.
    pub stale_streams: u64,
    /// When the oldest stream was opened, in Unix ms.
    pub oldest_unix_ms: Option<u64>,
    /// When the newest stream was opened, in Unix ms.
    pub newest_unix_ms: Option<u64>,
    /// Streams that are catching up from history.
    pub lagging: u64,
    /// Of those, streams that wait for history, or for their turn to ask for it.
    pub joining: u64,
    /// Streams that have ended but still have data to write, or whose clients have not closed yet.
    pub ending: u64,
    /// Connections whose request is not yet known, or not yet known to be from whom.
    pub unopened: u64,
    /// Bytes queued for streams.
    pub backlog_bytes: u64,
    /// The most bytes queued for one stream.
    pub largest_backlog_bytes: u64,
    /// Counters since the start.
    pub totals: Totals,
}

/// Counters since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Streams opened.
    pub opened: u64,
    /// Streams ended, by [`CloseReason`] in the order of [`CloseReason::ALL`].
    pub closed: [u64; CloseReason::ALL.len()],
    /// Events queued for streams.
    pub deliveries: u64,
    /// Events removed from the queues of streams that fell behind. Not included in `deliveries`.
    pub withdrawn: u64,
    /// Of the events queued for streams, those from history.
    pub replayed: u64,
    /// Streams greeted, by [`Continuity`] in the order of [`Continuity::ALL`].
    pub greeted: [u64; Continuity::ALL.len()],
    /// Bytes written to sockets.
    pub bytes_sent: u64,
    /// Heartbeats sent.
    pub heartbeats: u64,
    /// How often a stream exceeded its backlog limit and was sent back to history.
    pub lags: u64,
    /// Events with a `ttl` of 0 that a stream missed because it was behind.
    pub transient_missed: u64,
}

impl Report {
    /// Adds the report of another shard.
    pub fn add(&mut self, other: &Self) {
        self.streams += other.streams;
        self.user_streams += other.user_streams;
        self.session_streams += other.session_streams;
        self.stale_streams += other.stale_streams;
        self.oldest_unix_ms = [self.oldest_unix_ms, other.oldest_unix_ms].into_iter().flatten().min();
        self.newest_unix_ms = self.newest_unix_ms.max(other.newest_unix_ms);
        self.lagging += other.lagging;
        self.joining += other.joining;
        self.ending += other.ending;
        self.unopened += other.unopened;
        self.backlog_bytes += other.backlog_bytes;
        self.largest_backlog_bytes = self.largest_backlog_bytes.max(other.largest_backlog_bytes);
        self.totals.add(&other.totals);
    }
}

impl Totals {
    fn add(&mut self, other: &Self) {
        self.opened += other.opened;
        self.closed.iter_mut().zip(other.closed).for_each(|(sum, more)| *sum += more);
        self.deliveries += other.deliveries;
        self.withdrawn += other.withdrawn;
        self.replayed += other.replayed;
        self.greeted.iter_mut().zip(other.greeted).for_each(|(sum, more)| *sum += more);
        self.bytes_sent += other.bytes_sent;
        self.heartbeats += other.heartbeats;
        self.lags += other.lags;
        self.transient_missed += other.transient_missed;
    }

    /// Streams ended for that reason.
    pub fn closed_for(&self, reason: CloseReason) -> u64 {
        self.closed[reason.index()]
    }
}
