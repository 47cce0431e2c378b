//! The ratios, as a Markdown table.

use std::fmt::Write as _;

use crate::load::Report;

struct Row {
    name: &'static str,
    decimals: usize,
    /// `None` where a ratio means nothing.
    has_ratio: bool,
    value: fn(&Report) -> f64,
}

/// In the order of what matters most.
const ROWS: &[Row] = &[
    Row {
        name: "CPU per delivery, µs",
        decimals: 2,
        has_ratio: true,
        value: |report| report.delivery.cpu_micros_each.unwrap_or_default(),
    },
    Row {
        name: "CPU per connect, µs",
        decimals: 1,
        has_ratio: true,
        value: |report| report.connect.cpu_micros_each.unwrap_or_default(),
    },
    Row {
        name: "PSS per idle stream, B",
        decimals: 0,
        has_ratio: false,
        value: |report| report.memory.as_ref().map_or(0.0, |memory| memory.idle_per_stream),
    },
    Row {
        name: "the same after its first events, B",
        decimals: 0,
        has_ratio: false,
        value: |report| report.memory.as_ref().map_or(0.0, |memory| memory.after_first_events_per_stream),
    },
    Row { name: "connects/s", decimals: 0, has_ratio: true, value: |report| report.connect.per_second },
    Row { name: "deliveries/s", decimals: 0, has_ratio: true, value: |report| report.delivery.per_second },
    Row { name: "latency p50, ms", decimals: 2, has_ratio: true, value: |report| report.latency.p50_millis },
    Row { name: "latency p99, ms", decimals: 2, has_ratio: true, value: |report| report.latency.p99_millis },
    Row { name: "losses", decimals: 0, has_ratio: false, value: |report| report.losses.total() as f64 },
    Row {
        name: "client CPU per delivery, µs",
        decimals: 2,
        has_ratio: false,
        value: |report| report.delivery.client_cpu_micros_each,
    },
];

/// Medians, with the ranges in brackets. Each slice has a report for each round, and is not empty.
pub(super) fn table(floors: &[Report], servers: &[Report]) -> String {
    let first = &floors[0];
    let mut out = format!("{}; {}; median [range] of {} rounds\n\n", first.machine, first.load, floors.len());
    out.push_str("| | floor | server | to the floor |\n|---|---:|---:|---:|\n");
    for row in ROWS {
        let (floor, server) = (Spread::of(floors, row), Spread::of(servers, row));
        let ratio = match row.has_ratio && floor.median > 0.0 {
            true => format!("{:.2}", server.median / floor.median),
            false => "–".to_owned(),
        };
        let (floor, server) = (floor.text(row.decimals), server.text(row.decimals));
        // Writing to a string does not fail.
        let _ = writeln!(out, "| {} | {floor} | {server} | {ratio} |", row.name);
    }
    out
}

struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(reports: &[Report], row: &Row) -> Self {
        let mut values: Vec<f64> = reports.iter().map(row.value).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(values[middle - 1], values[middle]),
            _ => values[middle],
        };
        Self { least: values[0], median, most: values[values.len() - 1] }
    }

    fn text(&self, decimals: usize) -> String {
        let Self { least, median, most } = self;
        format!("{median:.decimals$} [{least:.decimals$}–{most:.decimals$}]")
    }
}
