//! Every figure that a scenario can measure, with its unit.

/// Describes a number in an `Outcome`.
#[derive(Debug, PartialEq)]
pub(crate) struct Figure {
    /// Its name in JSON, with the unit.
    pub(crate) key: &'static str,
    /// Its name in a table, with the unit.
    pub(crate) title: &'static str,
    /// Digits after the point in a table.
    pub(crate) decimals: usize,
    pub(crate) better: Better,
    /// Whether lower or higher is better, and so whether a ratio to the floor is meaningful.
    pub(crate) has_ratio: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Better {
    Lower,
    Higher,
    /// It describes the load.
    Neither,
}

const fn lower(key: &'static str, title: &'static str, decimals: usize) -> Figure {
    Figure { key, title, decimals, better: Better::Lower, has_ratio: true }
}

const fn higher(key: &'static str, title: &'static str, decimals: usize) -> Figure {
    Figure { key, title, decimals, better: Better::Higher, has_ratio: true }
}

/// The floor has no such figure.
const fn alone(figure: Figure) -> Figure {
    Figure { has_ratio: false, ..figure }
}

/// Describes the load.
const fn load(key: &'static str, title: &'static str) -> Figure {
    Figure { key, title, decimals: 0, better: Better::Neither, has_ratio: false }
}

/// In the order of a table's rows.
pub(crate) const FIGURES: &[Figure] = &[
    higher("connects_per_second", "connects/s", 0),
    lower("connect_cpu_us", "server CPU per connect, µs", 1),
    alone(lower("stream_bytes", "memory of the server per idle stream, B (PSS)", 0)),
    alone(lower("stream_bytes_used", "the same after its first events, B", 0)),
    alone(lower("kernel_bytes", "kernel memory per connection, both ends, B", 0)),
    alone(lower("open_connect_cpu_us", "server CPU per connect without a token, µs", 1)),
    alone(lower("first_connect_cpu_us", "server CPU per connect with a new token, µs", 1)),
    alone(lower("again_connect_cpu_us", "server CPU per connect with the same again, µs", 1)),
    alone(higher("open_connects_per_second", "connects/s without a token", 0)),
    alone(higher("first_connects_per_second", "connects/s with a new token", 0)),
    alone(higher("again_connects_per_second", "connects/s with the same again", 0)),
    alone(lower("open_connect_p50_ms", "first event without a token, p50, ms", 2)),
    alone(lower("open_connect_p99_ms", "first event without a token, p99, ms", 2)),
    alone(lower("first_connect_p50_ms", "first event with a new token, p50, ms", 2)),
    alone(lower("first_connect_p99_ms", "first event with a new token, p99, ms", 2)),
    alone(lower("again_connect_p50_ms", "first event with the same again, p50, ms", 2)),
    alone(lower("again_connect_p99_ms", "first event with the same again, p99, ms", 2)),
    alone(lower("open_publish_p50_ms", "publish during connects without a token, p50, ms", 2)),
    alone(lower("open_publish_p99_ms", "publish during connects without a token, p99, ms", 2)),
    alone(lower("first_publish_p50_ms", "publish during connects with new tokens, p50, ms", 2)),
    alone(lower("first_publish_p99_ms", "publish during connects with new tokens, p99, ms", 2)),
    alone(lower("again_publish_p50_ms", "publish during connects with the same again, p50, ms", 2)),
    alone(lower("again_publish_p99_ms", "publish during connects with the same again, p99, ms", 2)),
    alone(lower("first_publish_p99_ratio", "that p99 with new tokens, to that without", 2)),
    alone(lower("again_publish_p99_ratio", "that p99 with the same again, to that without", 2)),
    lower("delivery_cpu_us", "server CPU per delivery, µs (s per million)", 3),
    higher("deliveries_per_second", "deliveries/s", 0),
    alone(lower("client_cpu_us", "CPU of the load tester per delivery, µs", 2)),
    lower("p50_ms", "latency p50, ms", 2),
    lower("p90_ms", "latency p90, ms", 2),
    lower("p99_ms", "latency p99, ms", 2),
    alone(lower("p99_before_ms", "latency p99 before, with all reading, ms", 2)),
    lower("whole_64k_p50_ms", "64 KiB until whole, p50, ms", 2),
    lower("whole_64k_p99_ms", "64 KiB until whole, p99, ms", 2),
    lower("whole_256k_p50_ms", "256 KiB until whole, p50, ms", 2),
    lower("whole_256k_p99_ms", "256 KiB until whole, p99, ms", 2),
    lower("whole_1m_p50_ms", "1 MB until whole, p50, ms", 2),
    lower("whole_1m_p99_ms", "1 MB until whole, p99, ms", 2),
    lower("readers_p50_ms", "256 KiB to many until whole, p50, ms", 2),
    lower("readers_p99_ms", "256 KiB to many until whole, p99, ms", 2),
    lower("p999_ms", "latency p99.9, ms", 2),
    lower("max_ms", "latency max, ms", 2),
    higher("publishes_per_second", "publishes/s", 0),
    lower("publish_cpu_us", "server CPU per publish, µs", 1),
    lower("ack_p50_ms", "acknowledgement p50, ms", 3),
    lower("ack_p99_ms", "acknowledgement p99, ms", 3),
    higher("events_per_second", "events/s", 0),
    lower("event_cpu_us", "server CPU per event, µs", 2),
    alone(lower("publish_before_p50_ms", "publish before, p50, ms", 2)),
    alone(lower("publish_before_p99_ms", "publish before, p99, ms", 2)),
    alone(lower("publish_before_max_ms", "publish before, max, ms", 2)),
    alone(lower("publish_during_p50_ms", "publish during the attack, p50, ms", 2)),
    alone(lower("publish_during_p99_ms", "publish during the attack, p99, ms", 2)),
    alone(lower("publish_during_max_ms", "publish during the attack, max, ms", 2)),
    alone(lower("delivery_before_p50_ms", "delivery before, p50, ms", 2)),
    alone(lower("delivery_before_p99_ms", "delivery before, p99, ms", 2)),
    alone(lower("delivery_before_max_ms", "delivery before, max, ms", 2)),
    alone(lower("delivery_during_p50_ms", "delivery during the attack, p50, ms", 2)),
    alone(lower("delivery_during_p99_ms", "delivery during the attack, p99, ms", 2)),
    alone(lower("delivery_during_max_ms", "delivery during the attack, max, ms", 2)),
    alone(lower("memory_peak_bytes", "growth of the server's memory at most, B (resident)", 0)),
    load("attack_connections", "connections of the attackers"),
    load("attack_requests", "their requests"),
    load("attack_status_200", "answered 200"),
    load("attack_refused", "of these refused for now"),
    load("attack_status_202", "answered 202"),
    load("attack_status_400", "answered 400"),
    load("attack_status_401", "answered 401"),
    load("attack_status_403", "answered 403"),
    load("attack_status_404", "answered 404"),
    load("attack_status_408", "answered 408"),
    load("attack_status_413", "answered 413"),
    load("attack_status_429", "answered 429"),
    load("attack_status_503", "answered 503"),
    load("attack_status_other", "answered otherwise"),
    load("attack_closed", "their connections that the server closed"),
    load("attack_failed", "their connections that did not come about"),
    load("attack_held", "their connections at the end"),
    load("attack_pattern_tokens", "tokens of their patterns"),
    load("attack_pattern_wildcards", "wildcards of their patterns, at most"),
    alone(lower("memory_growth_bytes", "growth of the server's memory, B (PSS)", 0)),
    alone(lower("memory_growth_before_bytes", "the same before, with all reading, B", 0)),
    alone(lower("kernel_growth_bytes", "growth of the kernel's memory, B", 0)),
    alone(lower("kernel_growth_before_bytes", "the same before, with all reading, B", 0)),
    alone(lower("unread_bytes", "kernel memory of a stuck stream, the server's end, at most, B", 0)),
    alone(lower("catch_up_seconds", "seconds until all streams were current again", 2)),
    alone(higher("replay_mb_per_second", "replay to one stream, MB/s", 0)),
    alone(lower("handed_over_half_seconds", "seconds until half are back, SIGTERM, socket handed over", 2)),
    alone(lower("handed_over_all_seconds", "seconds until all are back, SIGTERM, socket handed over", 2)),
    alone(lower("handed_over_failed", "connects that failed, SIGTERM, socket handed over", 0)),
    alone(lower(
        "handed_over_connects_per_second",
        "most connects in a second, SIGTERM, socket handed over",
        0,
    )),
    alone(lower("terminated_half_seconds", "seconds until half are back, SIGTERM", 2)),
    alone(lower("terminated_all_seconds", "seconds until all are back, SIGTERM", 2)),
    alone(lower("terminated_failed", "connects that failed, SIGTERM", 0)),
    alone(lower("terminated_connects_per_second", "most connects in a second, SIGTERM", 0)),
    alone(lower("killed_half_seconds", "seconds until half are back, SIGKILL", 2)),
    alone(lower("killed_all_seconds", "seconds until all are back, SIGKILL", 2)),
    alone(lower("killed_failed", "connects that failed, SIGKILL", 0)),
    alone(lower("killed_connects_per_second", "most connects in a second, SIGKILL", 0)),
    lower("heartbeat_cpu_us", "server CPU per heartbeat, µs", 2),
    load("heartbeats", "heartbeats"),
    higher("reconnects_per_second", "reconnects/s", 0),
    lower("reconnect_cpu_us", "server CPU per reconnect, with what it missed, µs", 1),
    alone(lower("busy", "publishes answered 429 or 503", 0)),
];

/// `of / by`, and 0 where `by` is 0: JSON has no NaN.
pub(crate) fn ratio(of: f64, by: f64) -> f64 {
    if by > 0.0 { of / by } else { 0.0 }
}

#[cfg(test)]
pub(crate) fn figure(key: &str) -> Option<&'static Figure> {
    FIGURES.iter().find(|figure| figure.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_are_names_and_each_is_one() {
        let keys: HashSet<_> = FIGURES.iter().map(|figure| figure.key).collect();
        assert_eq!(keys.len(), FIGURES.len());
        assert!(
            keys.iter()
                .all(|key| key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'))
        );
        assert_eq!(figure("p50_ms").map(|figure| figure.title), Some("latency p50, ms"));
        assert_eq!(figure("nonsense"), None);
    }
}
