//! Statistics for operators.

use std::sync::Arc;

use serde::Serialize;

use super::message::LoopReport;
use super::shared::Shared;
use crate::journal::JournalReport;
use crate::shard::{CloseReason, Report};

/// Connection and engine statistics, at about one moment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Statistics {
    /// Open streams.
    pub total_connections: u64,
    /// Of those, with a user.
    pub user_connections: u64,
    /// Of those, with a session.
    pub session_connections: u64,
    /// Without write progress for longer than half of the connection timeout.
    pub stale_connections: u64,
    /// When the oldest stream was opened, in Unix ms; `None` where there is none.
    pub oldest_connection: Option<u64>,
    /// When the newest stream was opened, in Unix ms; `None` where there is none.
    pub newest_connection: Option<u64>,
    /// Counters and state of the engine.
    pub engine: EngineStatistics,
}

/// What the engine has done since its start, and what it holds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EngineStatistics {
    /// Events published.
    pub events_published: u64,
    /// Events queued for streams.
    pub deliveries: u64,
    /// Bytes written to streams.
    pub bytes_sent: u64,
    /// Heartbeats sent.
    pub heartbeats: u64,
    /// Streams opened.
    pub connections_opened: u64,
    /// Streams ended.
    pub connections_closed: u64,
    /// Of those, the ones that made no progress or fell out of history.
    pub slow_clients_closed: u64,
    /// How often a stream exceeded its backlog limit and was caught up from history.
    pub lags: u64,
    /// Events with a `ttl` of 0 that streams missed because they were behind.
    pub transient_events_missed: u64,
    /// Streams that are catching up.
    pub lagging_connections: u64,
    /// Bytes queued for streams.
    pub backlog_bytes: u64,
    /// Maximum number of open streams.
    pub max_connections: usize,
    /// Users with a stream open.
    pub connected_users: usize,
    /// The history.
    pub history: HistoryStatistics,
    /// Each event loop.
    pub loops: Vec<LoopStatistics>,
}

/// The state of the history.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HistoryStatistics {
    /// The first part of its event ids: about when it began, or was last in doubt, in Unix ms.
    pub epoch: u64,
    /// The second part of the newest event's id; 0 before any.
    pub newest: u64,
    /// Events held.
    pub events: u64,
    /// Bytes of memory in use.
    pub bytes: u64,
    /// What it has on disk; `None` where it is in memory alone.
    pub disk: Option<DiskStatistics>,
}

/// The state of a history on disk.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DiskStatistics {
    /// Files of events.
    pub segments: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes that can still be written to the disk; `None` where that is not known.
    pub free_bytes: Option<u64>,
    /// Damaged places that were found.
    pub damages: u64,
    /// Whether a write to the disk was lost, so that nothing is published until a restart.
    pub failed: bool,
}

/// One event loop.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LoopStatistics {
    /// Open streams.
    pub connections: u64,
    /// Connections whose request is not known yet.
    pub unopened_connections: u64,
    /// Events queued for streams.
    pub deliveries: u64,
    /// Bytes written to streams.
    pub bytes_sent: u64,
    /// Bytes queued for streams.
    pub backlog_bytes: u64,
    /// Publications that wait for the loop.
    pub inbox_events: usize,
}

impl Shared {
    /// Collects connection and engine statistics. Calls `done` on the thread of the last loop to answer.
    pub(crate) fn statistics(self: &Arc<Self>, done: impl FnOnce(Statistics) + Send + 'static) {
        let shared = self.clone();
        self.reports(move |reports| {
            done(Statistics::new(&reports, &shared.journal.report(shared.clock.now()), &shared));
        });
    }
}

impl Statistics {
    fn new(reports: &[LoopReport], journal: &JournalReport, shared: &Shared) -> Self {
        let mut sum = Report::default();
        reports.iter().for_each(|report| sum.add(&report.shard));
        let slow = [CloseReason::Stalled, CloseReason::Lagged];
        let engine = EngineStatistics {
            events_published: shared.meters.events_published(),
            deliveries: sum.totals.deliveries,
            bytes_sent: sum.totals.bytes_sent,
            heartbeats: sum.totals.heartbeats,
            connections_opened: sum.totals.opened,
            connections_closed: sum.totals.closed.iter().sum(),
            slow_clients_closed: slow.iter().map(|reason| sum.totals.closed_for(*reason)).sum(),
            lags: sum.totals.lags,
            transient_events_missed: sum.totals.transient_missed,
            lagging_connections: sum.lagging,
            backlog_bytes: sum.backlog_bytes,
            max_connections: shared.max_connections,
            connected_users: shared.admission().users(),
            history: HistoryStatistics::new(journal, shared.journal.newest().id.seq),
            loops: reports.iter().map(|report| LoopStatistics::new(report, shared)).collect(),
        };
        Self {
            total_connections: sum.streams,
            user_connections: sum.user_streams,
            session_connections: sum.session_streams,
            stale_connections: sum.stale_streams,
            oldest_connection: sum.oldest_unix_ms,
            newest_connection: sum.newest_unix_ms,
            engine,
        }
    }
}

impl HistoryStatistics {
    fn new(journal: &JournalReport, newest: u64) -> Self {
        let disk = journal.disk.as_ref().map(|disk| DiskStatistics {
            segments: disk.segments,
            bytes: disk.bytes,
            free_bytes: disk.free_bytes,
            damages: disk.damaged,
            failed: disk.has_failed,
        });
        Self { epoch: journal.epoch, newest, events: journal.events, bytes: journal.bytes, disk }
    }
}

impl LoopStatistics {
    fn new(report: &LoopReport, shared: &Shared) -> Self {
        let LoopReport { number, shard: report, .. } = report;
        Self {
            connections: report.streams,
            unopened_connections: report.unopened,
            deliveries: report.totals.deliveries,
            bytes_sent: report.totals.bytes_sent,
            backlog_bytes: report.backlog_bytes,
            inbox_events: shared.inbox_events(*number),
        }
    }
}
