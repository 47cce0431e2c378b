//! One table for all scenarios, with the main figures of each.

use std::fmt::Write as _;

use super::attacks::attacks;
use super::markdown::lost;
use super::summary::{Summary, Target, summaries};
use crate::figure::{FIGURES, Figure};
use crate::result::{Losses, Outcome};

/// The scenarios, with the keys of their main figures.
const MAIN: &[(&str, &[&str])] = &[
    ("connect", &["connect_cpu_us"]),
    (
        "tokens",
        &[
            "open_connect_cpu_us",
            "first_connect_cpu_us",
            "again_connect_cpu_us",
            "open_publish_p99_ms",
            "first_publish_p99_ms",
            "again_publish_p99_ms",
            "first_publish_p99_ratio",
            "again_publish_p99_ratio",
        ],
    ),
    ("idle", &["stream_bytes"]),
    ("identified", &["stream_bytes"]),
    ("broadcast", &["delivery_cpu_us"]),
    ("burst", &["delivery_cpu_us"]),
    ("latency", &["p50_ms", "p99_ms"]),
    (
        "large",
        &["whole_64k_p50_ms", "whole_256k_p50_ms", "whole_1m_p50_ms", "readers_p50_ms", "readers_p99_ms"],
    ),
    ("user", &["publishes_per_second", "publish_cpu_us"]),
    ("topics", &["publishes_per_second", "delivery_cpu_us"]),
    ("ingress", &["publishes_per_second"]),
    ("ingress16", &["publishes_per_second"]),
    ("batch", &["events_per_second"]),
    ("batch16", &["events_per_second"]),
    ("slow", &["p99_before_ms", "p99_ms", "memory_growth_bytes", "unread_bytes"]),
    ("herd", &["catch_up_seconds"]),
    ("archive", &["catch_up_seconds"]),
    ("replay", &["replay_mb_per_second"]),
    (
        "restart",
        &[
            "handed_over_all_seconds",
            "handed_over_failed",
            "terminated_all_seconds",
            "terminated_failed",
            "terminated_connects_per_second",
            "killed_all_seconds",
        ],
    ),
    ("heartbeats", &["heartbeat_cpu_us"]),
    ("churn", &["delivery_cpu_us"]),
    ("soak", &["p99_ms", "memory_growth_bytes"]),
    // Attacks have their own table.
    ("bodies-refused", &[]),
    ("bodies-keyless", &[]),
    ("bodies-underway", &[]),
    ("forged-es256", &[]),
    ("forged-rs256", &[]),
    ("forged-shared", &[]),
    ("idling-asked", &[]),
    ("idling-silent", &[]),
    ("idling-heads", &[]),
    ("idling-shared", &[]),
    ("wildcards-one", &[]),
    ("wildcards-eight", &[]),
    ("wildcards-shared", &[]),
];

/// Medians, and ratios to the floor: a row for each main figure of each scenario.
pub(crate) fn brief(outcomes: &[Outcome]) -> String {
    let summaries = summaries(outcomes);
    let mut names: Vec<&str> = Vec::new();
    for target in summaries.iter().flat_map(|summary| &summary.targets) {
        if !names.contains(&target.name) {
            names.push(target.name);
        }
    }
    let has_floor = summaries.iter().flat_map(|summary| &summary.targets).any(Target::is_floor);
    let rounds = summaries.iter().flat_map(|summary| &summary.targets).map(|target| target.rounds).max();
    let mut out = format!("| medians of {} rounds |", rounds.unwrap_or_default());
    for name in &names {
        // Writing to a string does not fail.
        let _ = write!(out, " {name} |");
    }
    let _ = writeln!(out, "\n|---|{}", "---:|".repeat(names.len()));
    for summary in &summaries {
        for figure in figures(summary) {
            let _ =
                writeln!(out, "| {}: {} |{}", summary.scenario, figure.title, cells(summary, figure, &names));
        }
    }
    let losses = names.iter().map(|name| lost(&losses(&summaries, name)));
    let _ = writeln!(
        out,
        "| all: lost, repeated, reordered, refused | {} |",
        losses.collect::<Vec<_>>().join(" | ")
    );
    if has_floor {
        out.push_str("\nIn brackets: the median of each round's ratio to the floor.\n");
    }
    let attacks = attacks(&summaries);
    if !attacks.is_empty() {
        let _ = write!(out, "\n{attacks}");
    }
    out
}

/// The main figures. If a scenario was run with several numbers of streams, its name ends with the number.
fn figures<'s>(summary: &'s Summary<'_>) -> impl Iterator<Item = &'static Figure> + 's {
    let scenario = match summary.scenario.rsplit_once('-') {
        Some((scenario, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => scenario,
        _ => summary.scenario,
    };
    let keys = MAIN.iter().find(|(name, _)| *name == scenario).map_or(&[][..], |(_, keys)| keys);
    let has = |figure: &&Figure| keys.contains(&figure.key) && summary.figures.contains(figure);
    FIGURES.iter().filter(has)
}

fn cells(summary: &Summary<'_>, figure: &Figure, names: &[&str]) -> String {
    let cell = |name: &&str| {
        let target = summary.targets.iter().find(|target| target.name == *name);
        let spread = target.and_then(|target| target.spread(figure));
        let Some(median) = spread.map(|spread| spread.median) else { return " – |".to_owned() };
        let ratio = target.filter(|target| !target.is_floor()).and_then(|target| target.ratio(figure));
        // Small ratios get another digit.
        let decimals = |ratio: f64| if ratio < 0.2 { 3 } else { 2 };
        let ratio = ratio.map(|ratio| format!(" ({ratio:.*})", decimals(ratio))).unwrap_or_default();
        format!(" {median:.*}{ratio} |", figure.decimals)
    };
    names.iter().map(cell).collect()
}

fn losses(summaries: &[Summary<'_>], name: &str) -> Losses {
    let mut all = Losses::default();
    let targets = summaries.iter().flat_map(|summary| &summary.targets);
    targets.filter(|target| target.name == name).for_each(|target| all.add(&target.losses));
    all
}

#[cfg(test)]
mod tests {
    use super::super::samples::outcome;
    use super::*;

    #[test]
    fn a_row_for_each_main_figure() {
        let mut lossy = outcome("axum", 1, &[("delivery_cpu_us", 20.0), ("p50_ms", 1.0)]);
        lossy.losses.missing = 2;
        let mut alone = outcome("axum", 1, &[("stream_bytes", 7.0), ("p50_ms", 1.0)]);
        "idle-10".clone_into(&mut alone.scenario);
        let expected = "\
| medians of 1 rounds | floor | axum |
|---|---:|---:|
| broadcast: server CPU per delivery, µs (s per million) | 10.000 | 20.000 (2.00) |
| idle-10: memory of the server per idle stream, B (PSS) | – | 7 |
| all: lost, repeated, reordered, refused | 0 | **2 missing** |

In brackets: the median of each round's ratio to the floor.
";
        assert_eq!(brief(&[outcome("floor", 1, &[("delivery_cpu_us", 10.0)]), lossy, alone]), expected);
    }

    #[test]
    fn what_scenarios_are_about_is_known() {
        use clap::ValueEnum as _;
        let scenarios: Vec<_> =
            crate::scenario::Scenario::value_variants().iter().map(|one| one.name()).collect();
        assert_eq!(MAIN.iter().map(|(name, _)| *name).collect::<Vec<_>>(), scenarios);
        let keys = MAIN.iter().flat_map(|(_, keys)| *keys);
        assert!(keys.into_iter().all(|key| FIGURES.iter().any(|figure| figure.key == *key)));
    }
}
