//! A table of attacks: the effect on honest clients, the cost for the server, and the attackers' counts.

use std::fmt::Write as _;

use super::summary::{Summary, Target};
use crate::figure::FIGURES;

/// Whether the summary is of an attack.
pub(super) fn is_attack(summary: &Summary<'_>) -> bool {
    summary.figures.iter().any(|figure| figure.key == "attack_connections")
}

/// A row for each attack and target; empty without any.
pub(super) fn attacks(summaries: &[Summary<'_>]) -> String {
    let mut out = String::new();
    let all = summaries.iter().filter(|summary| is_attack(summary));
    for (summary, target) in all.flat_map(|summary| summary.targets.iter().map(move |one| (summary, one))) {
        if out.is_empty() {
            out.push_str(
                "| p50 / p99 / max, ms | publish before | during | delivery before | during | memory, MiB | attackers got |\n\
                 |---|---:|---:|---:|---:|---:|---|\n",
            );
        }
        let times = |what: &str| {
            let part = |part: &str| value(target, &format!("{what}_{part}_ms"));
            let text = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), millis);
            ["p50", "p99", "max"].map(|name| text(part(name))).join(" / ")
        };
        let times = ["publish_before", "publish_during", "delivery_before", "delivery_during"].map(times);
        let memory = value(target, "memory_peak_bytes").map_or_else(|| "–".to_owned(), mebibytes);
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "| {}, {} | {} | {memory} | {} |",
            summary.scenario,
            target.name,
            times.join(" | "),
            got(target)
        );
    }
    out
}

fn value(target: &Target<'_>, key: &str) -> Option<f64> {
    let figure = FIGURES.iter().find(|figure| figure.key == key)?;
    Some(target.spread(figure)?.median)
}

/// Formats to two or three digits.
fn millis(value: f64) -> String {
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.decimals$}")
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.1}", bytes / f64::from(1 << 20))
}

fn got(target: &Target<'_>) -> String {
    const STATUS: &str = "attack_status_";
    let count = |key: &str| value(target, key).filter(|&count| count > 0.0);
    let statuses = FIGURES.iter().filter_map(|figure| {
        let status = figure.key.strip_prefix(STATUS)?;
        Some(format!("{} × {status}", count(figure.key)?))
    });
    let others =
        [("attack_refused", "refused for now"), ("attack_closed", "closed"), ("attack_held", "held")];
    let others = others.into_iter().filter_map(|(key, what)| Some(format!("{} {what}", count(key)?)));
    let all: Vec<String> = statuses.chain(others).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::super::samples::outcome;
    use super::super::summary::summaries;
    use super::*;

    #[test]
    fn a_row_for_each_attack() {
        let figures = [
            ("publish_before_p50_ms", 0.123),
            ("publish_before_p99_ms", 1.5),
            ("publish_before_max_ms", 12.34),
            ("publish_during_p50_ms", 1750.4),
            ("memory_peak_bytes", 1_572_864.0),
            ("attack_connections", 16.0),
            ("attack_status_401", 300.0),
            ("attack_status_503", 0.0),
            ("attack_closed", 2.0),
        ];
        let outcomes = [outcome("fanfare", 1, &figures), outcome("other", 1, &[("attack_connections", 1.0)])];
        let text = attacks(&summaries(&outcomes));
        let rows: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            rows[0],
            "| broadcast, fanfare | 0.12 / 1.50 / 12.3 | 1750 / – / – | – / – / – | – / – / – | 1.5 | 300 × 401, 2 closed |"
        );
        assert!(rows[1].ends_with("| – | nothing |"), "{text}");
        assert_eq!(attacks(&summaries(&[outcome("floor", 1, &[("p50_ms", 1.0)])])), "");
    }
}
