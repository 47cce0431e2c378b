//! All metrics of an engine, in the text that Prometheus reads.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::lock;
use crate::event::Continuity;
use crate::journal::JournalReport;
use crate::journal::durable::DiskReport;
use crate::metrics::{Exposition, Format};
use crate::net::message::LoopReport;
use crate::net::shared::Shared;
use crate::net::{descriptors, process};
use crate::shard::{CloseReason, Report};

impl Shared {
    /// Tells everything in the text that Prometheus reads, as [`statistics`](Self::statistics) does.
    pub(in crate::net) fn metrics(
        self: &Arc<Self>,
        format: Format,
        done: impl FnOnce(String) + Send + 'static,
    ) {
        let shared = self.clone();
        self.reports(move |reports| {
            done(expose(&shared, &reports, &shared.journal.report(shared.clock.now()), format));
        });
    }
}

/// Everything there is to tell, in the text that Prometheus reads.
fn expose(shared: &Shared, reports: &[LoopReport], journal: &JournalReport, format: Format) -> String {
    let mut exposition = Exposition::default();
    let mut sum = Report::default();
    reports.iter().for_each(|report| sum.add(&report.shard));
    expose_engine(&mut exposition, shared, journal);
    expose_streams(&mut exposition, &sum, shared);
    expose_loops(&mut exposition, reports, shared);
    exposition.text(format)
}

fn expose_engine(to: &mut Exposition, shared: &Shared, journal: &JournalReport) {
    let meters = &shared.meters;
    let seconds = |unix_ms: u64| unix_ms as f64 / 1000.0;
    to.gauge("fanfare_build_info", &[env!("CARGO_PKG_VERSION")], 1.0);
    to.gauge("fanfare_start_time_seconds", &[], seconds(meters.start_unix_ms));
    if let Some(open) = descriptors::open() {
        to.gauge("process_open_fds", &[], open as f64);
    }
    if let Some(limit) = descriptors::limit() {
        to.gauge("process_max_fds", &[], limit as f64);
    }
    if let Some(bytes) = process::resident_memory() {
        to.gauge("process_resident_memory_bytes", &[], bytes as f64);
    }
    if let Some(seconds) = process::processor_time() {
        to.seconds("process_cpu_seconds", &[], seconds);
    }
    to.counter(
        "fanfare_log_lines_dropped",
        &[],
        meters.log_lines_dropped.as_ref().map_or(0, |count| count()),
    );
    to.gauge("fanfare_connections_limit", &[], shared.max_connections as f64);
    to.gauge("fanfare_connected_users", &[], shared.admission().users() as f64);
    expose_tally(to, "fanfare_events_published", meters.published.iter());
    expose_tally(to, "fanfare_connections_refused", meters.refused.iter());
    expose_tally(to, "fanfare_connections_reclaimed", meters.reclaimed.iter());
    to.counter("fanfare_connections_over_limit", &[], meters.over_limit.load(Ordering::Relaxed));
    for ((route, status), count) in &*lock(&meters.responses) {
        to.counter("fanfare_http_responses", &[route, &status.to_string()], *count);
    }
    expose_authentication(to, shared);
    to.histogram("fanfare_publish_duration_seconds", &[], &lock(&meters.publish_duration));
    to.gauge("fanfare_request_body_bytes", &[], shared.bodies.bytes() as f64);
    to.gauge("fanfare_request_body_limit_bytes", &[], shared.bodies.limit() as f64);
    to.gauge("fanfare_history_events", &[], journal.events as f64);
    to.gauge("fanfare_history_bytes", &[], journal.bytes as f64);
    to.gauge("fanfare_history_age_seconds", &[], journal.age_ms as f64 / 1000.0);
    let began_ms = journal.disk.as_ref().map_or(meters.start_unix_ms, |_| journal.epoch);
    to.gauge("fanfare_history_start_time_seconds", &[], seconds(began_ms));
    // Without a disk all of it is 0, so that an alert on it need not tell the two apart.
    expose_disk(to, journal.disk.as_ref().unwrap_or(&DiskReport::default()));
}

fn expose_disk(to: &mut Exposition, disk: &DiskReport) {
    to.gauge("fanfare_history_segments", &[], disk.segments as f64);
    to.gauge("fanfare_history_disk_bytes", &[], disk.bytes as f64);
    if let Some(bytes) = disk.free_bytes {
        to.gauge("fanfare_history_disk_free_bytes", &[], bytes as f64);
    }
    to.counter("fanfare_history_commits", &[], disk.commits);
    to.histogram("fanfare_history_commit_duration_seconds", &[], &disk.commit_duration);
    to.counter("fanfare_history_committed_bytes", &[], disk.committed_bytes);
    to.counter("fanfare_history_refused", &["full"], disk.refused_full);
    to.counter("fanfare_history_refused", &["failed"], disk.refused_failed);
    to.counter("fanfare_history_read_events", &[], disk.read_events);
    to.counter("fanfare_history_read_bytes", &[], disk.read_bytes);
    to.gauge("fanfare_history_reads_waiting", &[], disk.reads_waiting as f64);
    to.counter("fanfare_history_damages", &[], disk.damaged);
    to.gauge("fanfare_history_failed", &[], f64::from(u8::from(disk.has_failed)));
}

fn expose_tally(to: &mut Exposition, name: &'static str, counts: impl Iterator<Item = (&'static str, u64)>) {
    counts.for_each(|(label, count)| to.counter(name, &[label], count));
}

fn expose_authentication(to: &mut Exposition, shared: &Shared) {
    let authentication = &shared.authentication;
    to.counter("fanfare_authentications", &["remembered"], shared.access.recalled());
    expose_tally(to, "fanfare_authentications", authentication.outcomes());
    to.gauge("fanfare_authentication_waiting", &[], authentication.waiting() as f64);
    to.histogram("fanfare_authentication_wait_seconds", &[], &authentication.waited());
}

fn expose_streams(to: &mut Exposition, sum: &Report, shared: &Shared) {
    let totals = &sum.totals;
    let control = shared.meters.control_connections.load(Ordering::Relaxed);
    for (state, count) in [
        ("streaming", sum.streams.saturating_sub(sum.lagging)),
        ("joining", sum.joining),
        ("lagging", sum.lagging.saturating_sub(sum.joining)),
        ("ending", sum.ending),
        ("unopened", sum.unopened),
        ("control", control),
    ] {
        to.gauge("fanfare_connections", &[state], count as f64);
    }
    to.gauge("fanfare_stale_connections", &[], sum.stale_streams as f64);
    to.counter("fanfare_connections_opened", &[], totals.opened);
    for &reason in CloseReason::ALL {
        let label = &[reason.as_str()];
        to.counter("fanfare_connections_closed", label, totals.closed_for(reason));
    }
    for (continuity, count) in Continuity::ALL.iter().zip(totals.greeted) {
        to.counter("fanfare_connections_greeted", &[continuity.as_str()], count);
    }
    to.counter("fanfare_event_deliveries", &[], totals.deliveries + totals.withdrawn);
    to.counter("fanfare_event_withdrawals", &[], totals.withdrawn);
    to.counter("fanfare_event_replays", &[], totals.replayed);
    to.counter("fanfare_event_losses", &[], totals.transient_missed);
    to.counter("fanfare_heartbeats", &[], totals.heartbeats);
    to.counter("fanfare_lags", &[], totals.lags);
    to.counter("fanfare_sent_bytes", &[], totals.bytes_sent);
    to.gauge("fanfare_backlog_bytes", &[], sum.backlog_bytes as f64);
    to.gauge("fanfare_backlog_max_bytes", &[], sum.largest_backlog_bytes as f64);
}

fn expose_loops(to: &mut Exposition, reports: &[LoopReport], shared: &Shared) {
    for LoopReport { number, shard: report, turns } in reports {
        let n = number.to_string();
        let label = &[n.as_str()];
        to.gauge("fanfare_loop_connections", label, report.streams as f64);
        to.gauge("fanfare_loop_backlog_bytes", label, report.backlog_bytes as f64);
        to.gauge("fanfare_loop_inbox_events", label, shared.inbox_events(*number) as f64);
        to.counter("fanfare_loop_deliveries", label, report.totals.deliveries + report.totals.withdrawn);
        to.counter("fanfare_loop_sent_bytes", label, report.totals.bytes_sent);
        to.histogram("fanfare_loop_turn_duration_seconds", label, turns);
    }
}
