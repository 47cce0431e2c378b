//! Every metric that there is.

/// One metric: its name without the suffix that its kind adds, the names of its labels, and what it says.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, labels, help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Histogram, labels, help }
}

/// Every metric, in the order of the exposition. `metrics.md` has the same list for readers.
pub(super) const FAMILIES: [Family; 56] = [
    gauge("fanfare_build_info", &["version"], "1, labelled with the version"),
    gauge("fanfare_start_time_seconds", &[], "When the engine started, in seconds since the Unix epoch"),
    gauge("process_open_fds", &[], "Open file descriptors"),
    gauge("process_max_fds", &[], "Maximum number of open file descriptors"),
    gauge("process_resident_memory_bytes", &[], "Resident memory of the process"),
    counter("process_cpu_seconds", &[], "Processor time used by the process"),
    counter(
        "fanfare_log_lines_dropped",
        &[],
        "Log lines dropped because standard error was not read in time",
    ),
    gauge("fanfare_connections", &["state"], "Open connections by state"),
    gauge("fanfare_connections_limit", &[], "Maximum number of open streams"),
    gauge("fanfare_connected_users", &[], "Distinct users with an open stream"),
    gauge(
        "fanfare_stale_connections",
        &[],
        "Streams without write progress for half of the connection timeout",
    ),
    counter("fanfare_connections_opened", &[], "Streams opened"),
    counter("fanfare_connections_closed", &["reason"], "Streams ended, by reason"),
    counter("fanfare_connections_refused", &["reason"], "Streams refused for now, by reason"),
    counter(
        "fanfare_connections_reclaimed",
        &["awaited"],
        "Connections that are no streams, closed as idle while descriptors ran short, by what was awaited of them",
    ),
    counter(
        "fanfare_connections_over_limit",
        &[],
        "Connections beyond the limit of their address for those that are no streams",
    ),
    counter(
        "fanfare_connections_greeted",
        &["continuity"],
        "Streams greeted, by whether they resume without a gap, or why not",
    ),
    counter("fanfare_events_published", &["target"], "Events published, by kind of target"),
    counter("fanfare_event_deliveries", &[], "Events handed to streams"),
    counter(
        "fanfare_event_withdrawals",
        &[],
        "Of those, withdrawn from streams that fell behind, which get them from history later",
    ),
    counter("fanfare_event_replays", &[], "Of the deliveries, those from history"),
    counter("fanfare_event_losses", &[], "Transient events (ttl 0) missed by streams that were behind"),
    counter("fanfare_heartbeats", &[], "Heartbeats sent"),
    counter(
        "fanfare_lags",
        &[],
        "Times that a stream fell behind its backlog limit and was sent back to history",
    ),
    counter("fanfare_sent_bytes", &[], "Bytes written to streams"),
    gauge("fanfare_backlog_bytes", &[], "Bytes queued for streams"),
    gauge("fanfare_backlog_max_bytes", &[], "Bytes queued for the stream with the largest backlog"),
    counter(
        "fanfare_authentications",
        &["outcome"],
        "Decisions on who a request is from that take long, by outcome",
    ),
    gauge("fanfare_authentication_waiting", &[], "Requests waiting for such a decision"),
    histogram(
        "fanfare_authentication_wait_seconds",
        &[],
        "Time that requests waited until such a decision was begun",
    ),
    histogram(
        "fanfare_publish_duration_seconds",
        &[],
        "Time to append a publication to history and hand it to every event loop",
    ),
    counter(
        "fanfare_http_responses",
        &["route", "code"],
        "Responses by route and status, without opened streams and streams refused for now",
    ),
    gauge("fanfare_request_body_bytes", &[], "Bytes of request bodies being received"),
    gauge("fanfare_request_body_limit_bytes", &[], "Maximum size of request bodies being received, together"),
    gauge("fanfare_history_events", &[], "Events in history"),
    gauge("fanfare_history_bytes", &[], "Memory used by history"),
    gauge("fanfare_history_age_seconds", &[], "Age of the oldest event in history, 0 if it is empty"),
    gauge(
        "fanfare_history_start_time_seconds",
        &[],
        "When this history began, in seconds since the Unix epoch",
    ),
    gauge("fanfare_history_segments", &[], "Files of events of a history on disk"),
    gauge("fanfare_history_disk_bytes", &[], "Bytes of a history on disk"),
    gauge(
        "fanfare_history_disk_free_bytes",
        &[],
        "Bytes that can still be written to the disk of the history",
    ),
    counter("fanfare_history_commits", &[], "Groups of publications written to disk"),
    histogram(
        "fanfare_history_commit_duration_seconds",
        &[],
        "Time to write such a group, sync it where that is asked for, and hand it to every event loop",
    ),
    counter("fanfare_history_committed_bytes", &[], "Bytes of the events in such groups"),
    counter(
        "fanfare_history_refused",
        &["reason"],
        "Publications refused because the history on disk could not keep them",
    ),
    counter("fanfare_history_read_events", &[], "Events read from disk, for streams and operators"),
    counter("fanfare_history_read_bytes", &[], "Bytes of those events"),
    gauge("fanfare_history_reads_waiting", &[], "Streams and operators that wait for a read from disk"),
    counter("fanfare_history_damages", &[], "Damaged places found in a history on disk"),
    gauge(
        "fanfare_history_failed",
        &[],
        "1 if a write to the disk was lost, so that nothing is published until a restart",
    ),
    gauge("fanfare_loop_connections", &["loop"], "Open streams of an event loop"),
    gauge("fanfare_loop_backlog_bytes", &["loop"], "Bytes queued for the streams of an event loop"),
    gauge("fanfare_loop_inbox_events", &["loop"], "Publications waiting for an event loop"),
    counter("fanfare_loop_deliveries", &["loop"], "Events that an event loop handed to streams"),
    counter("fanfare_loop_sent_bytes", &["loop"], "Bytes that an event loop wrote to streams"),
    histogram(
        "fanfare_loop_turn_duration_seconds",
        &["loop"],
        "Duration of a turn of an event loop, without waiting",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A family as `metrics.md` has it.
    fn row(family: &Family) -> String {
        let suffix = if family.kind == Kind::Counter { "_total" } else { "" };
        let kind = format!("{:?}", family.kind).to_lowercase();
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}{suffix}` | {kind} | {} | {} |", family.name, labels.join(", "), family.help)
    }

    #[test]
    fn the_list_for_readers_is_the_list() {
        let text = include_str!("metrics.md");
        let listed: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("| `fanfare_") || line.starts_with("| `process_"))
            .collect();
        let expected: Vec<String> = FAMILIES.iter().map(row).collect();
        assert_eq!(listed, expected);
    }

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        for Family { name, kind, labels, help } in &FAMILIES {
            // What Prometheus names for every process has the name that dashboards know.
            let is_ours = name.starts_with("fanfare_") || name.starts_with("process_");
            assert!(is_ours && name.bytes().all(is_word), "{name}");
            // The suffix is added where it is exposed.
            assert!(!name.ends_with("_total") && !name.ends_with("_count"), "{name}");
            assert!(*kind != Kind::Histogram || name.ends_with("_seconds"), "{name} has no unit");
            assert!(labels.iter().all(|label| label.bytes().all(is_word)), "{name}");
            assert!(!help.is_empty() && !help.ends_with('.') && !help.contains('\n'), "{name}");
        }
    }
}
