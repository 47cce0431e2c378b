//! Every figure that a scenario can find, with its unit.

/// What a number in an `Outcome` means.
#[derive(Debug, PartialEq)]
pub(crate) struct Figure {
    /// Its name in JSON, with the unit.
    pub(crate) key: &'static str,
    /// Its name in a table, with the unit.
    pub(crate) title: &'static str,
    /// Digits after the point in a table.
    pub(crate) decimals: usize,
    pub(crate) better: Better,
    /// Whether a ratio to the floor's says something.
    pub(crate) has_ratio: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Better {
    Lower,
    Higher,
    /// It only tells what the load was.
    Neither,
}

const fn lower(key: &'static str, title: &'static str, decimals: usize) -> Figure {
    Figure { key, title, decimals, better: Better::Lower, has_ratio: true }
}

const fn higher(key: &'static str, title: &'static str, decimals: usize) -> Figure {
    Figure { key, title, decimals, better: Better::Higher, has_ratio: true }
}

/// The floor has nothing to compare with.
const fn alone(figure: Figure) -> Figure {
    Figure { has_ratio: false, ..figure }
}

/// In the order of a table's rows.
pub(crate) const FIGURES: &[Figure] = &[
    higher("connects_per_second", "connects/s", 0),
    lower("connect_cpu_us", "server CPU per connect, µs", 1),
    alone(lower("stream_bytes", "memory of the server per idle stream, B (PSS)", 0)),
    alone(lower("stream_bytes_used", "the same after its first events, B", 0)),
    alone(lower("kernel_bytes", "kernel memory per connection, both ends, B", 0)),
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
    alone(Figure {
        key: "heartbeats",
        title: "heartbeats",
        decimals: 0,
        better: Better::Neither,
        has_ratio: false,
    }),
    higher("reconnects_per_second", "reconnects/s", 0),
    lower("reconnect_cpu_us", "server CPU per reconnect, with what it missed, µs", 1),
    alone(lower("busy", "publishes answered 429 or 503", 0)),
];

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
