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

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, labels, help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Histogram, labels, help }
}

/// Every metric, in the order in which they are exposed. `metrics.md` is the same list for readers.
pub(super) const FAMILIES: [Family; 41] = [
    gauge("fanfare_build_info", &["version"], "1, with the version that runs"),
    gauge("fanfare_start_time_seconds", &[], "When the engine started, in seconds since the Unix epoch"),
    gauge("process_open_fds", &[], "File descriptors that the process has open"),
    gauge("process_max_fds", &[], "File descriptors that the process may have open"),
    gauge("process_resident_memory_bytes", &[], "Memory that the process has"),
    counter("process_cpu_seconds", &[], "Processor time that the process has used"),
    counter("fanfare_log_lines_dropped", &[], "Lines that the log dropped, as nobody read it in time"),
    gauge("fanfare_connections", &["state"], "Open connections by state"),
    gauge("fanfare_connections_limit", &[], "Most streams that may be open"),
    gauge("fanfare_connected_users", &[], "Different users with a stream open"),
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
        "Streams begun, by whether they go on where their client left off, or why not",
    ),
    counter("fanfare_events_published", &["target"], "Events published, by kind of target"),
    counter("fanfare_event_deliveries", &[], "Events handed to streams"),
    counter(
        "fanfare_event_withdrawals",
        &[],
        "Of those, taken back from streams that fell behind; they come again, from history",
    ),
    counter("fanfare_event_replays", &[], "Of those handed over, from history"),
    counter(
        "fanfare_event_losses",
        &[],
        "Events that history never holds, missed by streams that were behind",
    ),
    counter("fanfare_heartbeats", &[], "Heartbeats sent"),
    counter(
        "fanfare_lags",
        &[],
        "Times that a stream fell behind its backlog limit and was sent back to history",
    ),
    counter("fanfare_sent_bytes", &[], "Bytes written to streams"),
    gauge("fanfare_backlog_bytes", &[], "Bytes owed to streams"),
    gauge("fanfare_backlog_max_bytes", &[], "The most that one stream is owed"),
    histogram(
        "fanfare_publish_duration_seconds",
        &[],
        "From a publication to its being in history and handed to every event loop",
    ),
    counter(
        "fanfare_http_responses",
        &["route", "code"],
        "Answers to requests, by what was asked for and status; streams that were opened or refused for now are not among them",
    ),
    gauge("fanfare_request_body_bytes", &[], "Bytes of request bodies that have not arrived whole"),
    gauge(
        "fanfare_request_body_limit_bytes",
        &[],
        "Most bytes of request bodies that have not arrived whole",
    ),
    gauge("fanfare_history_events", &[], "Events in history"),
    gauge("fanfare_history_bytes", &[], "Bytes of memory that history takes"),
    gauge("fanfare_history_age_seconds", &[], "Age of the oldest event in history; 0 where there is none"),
    gauge(
        "fanfare_history_start_time_seconds",
        &[],
        "When this history began, in seconds since the Unix epoch",
    ),
    gauge("fanfare_loop_connections", &["loop"], "Open streams of an event loop"),
    gauge("fanfare_loop_backlog_bytes", &["loop"], "Bytes owed to the streams of an event loop"),
    gauge("fanfare_loop_inbox_events", &["loop"], "Publications that wait for an event loop"),
    counter("fanfare_loop_deliveries", &["loop"], "Events that an event loop handed to streams"),
    counter("fanfare_loop_sent_bytes", &["loop"], "Bytes that an event loop wrote to streams"),
    histogram(
        "fanfare_loop_turn_duration_seconds",
        &["loop"],
        "One turn of an event loop, without its waiting",
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
