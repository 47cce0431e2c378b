//! Tables in Markdown.

use std::fmt::Write as _;

use super::summary::{Spread, Summary, Target, summaries};
use crate::figure::Figure;
use crate::result::{Losses, Outcome};

/// A table for each scenario: medians with their ranges, and ratios to the floor.
pub(crate) fn markdown(outcomes: &[Outcome]) -> String {
    summaries(outcomes).iter().map(table).collect::<Vec<_>>().join("\n")
}

fn table(summary: &Summary<'_>) -> String {
    let Summary { scenario, load, machine, .. } = summary;
    let rounds = summary.targets.iter().map(|target| target.rounds).max().unwrap_or_default();
    let mut out = format!("### {scenario}\n\n{machine}; {load}; median [range] of {rounds} rounds\n\n|");
    for cell in header(summary) {
        // Writing to a string does not fail.
        let _ = write!(out, " {cell} |");
    }
    out.push_str("\n|---|");
    out.push_str(&"---:|".repeat(header(summary).len() - 1));
    out.push('\n');
    for row in rows(summary) {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    for left_out in summary.targets.iter().filter_map(Target::left_out) {
        // The version is a server's text, and may contain anything.
        let _ = writeln!(out, "\n{}", left_out.replace(char::is_control, " "));
    }
    out
}

/// The first row of a table.
pub(super) fn header(summary: &Summary<'_>) -> Vec<String> {
    let mut cells = vec![String::new()];
    for target in &summary.targets {
        let is_named = target.version.is_empty() || target.version.contains(target.name);
        let version = if target.version.is_empty() { target.name } else { target.version };
        cells.push(if is_named { version.to_owned() } else { format!("{} ({version})", target.name) });
        if has_ratios(summary) && !target.is_floor() {
            cells.push("to the floor".to_owned());
        }
    }
    cells
}

/// The other rows: one for each figure, and the losses.
pub(super) fn rows(summary: &Summary<'_>) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = summary.figures.iter().map(|figure| row(summary, figure)).collect();
    let mut losses = vec!["lost, repeated, reordered, refused".to_owned()];
    for target in &summary.targets {
        losses.push(lost(&target.losses));
        if has_ratios(summary) && !target.is_floor() {
            losses.push("–".to_owned());
        }
    }
    rows.push(losses);
    rows
}

fn row(summary: &Summary<'_>, figure: &Figure) -> Vec<String> {
    let mut cells = vec![figure.title.to_owned()];
    for target in &summary.targets {
        cells.push(target.spread(figure).map_or_else(|| "–".to_owned(), |spread| cell(figure, spread)));
        if has_ratios(summary) && !target.is_floor() {
            cells.push(target.ratio(figure).map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}")));
        }
    }
    cells
}

fn has_ratios(summary: &Summary<'_>) -> bool {
    summary.targets.iter().any(super::summary::Target::is_floor)
}

fn cell(figure: &Figure, Spread { least, median, most }: Spread) -> String {
    let decimals = figure.decimals;
    if least == most {
        return format!("{median:.decimals$}");
    }
    format!("{median:.decimals$} [{least:.decimals$}–{most:.decimals$}]")
}

/// The losses, by kind.
pub(super) fn lost(losses: &Losses) -> String {
    if losses.total() == 0 {
        return "0".to_owned();
    }
    let Losses { refused, closed, missing, repeats, reorders, damaged, .. } = losses;
    let kinds = [
        (missing, "missing"),
        (repeats, "repeated"),
        (reorders, "reordered"),
        (damaged, "damaged"),
        (closed, "closed"),
        (refused, "refused"),
    ];
    let some = kinds.iter().filter(|(count, _)| **count > 0).map(|(count, kind)| format!("{count} {kind}"));
    format!("**{}**", some.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::samples::outcome;
    use super::*;

    #[test]
    fn a_small_table() {
        let mut lossy = outcome("axum", 1, &[("delivery_cpu_us", 20.0)]);
        (lossy.losses.missing, lossy.losses.closed) = (2, 1);
        let outcomes = [
            outcome("floor", 1, &[("delivery_cpu_us", 10.0), ("stream_bytes", 3.0)]),
            outcome("floor", 2, &[("delivery_cpu_us", 12.0), ("stream_bytes", 3.0)]),
            lossy,
        ];
        let expected = "\
### broadcast

2 cores of A <CPU>, Linux 6.18; 10 streams; median [range] of 2 rounds

|  | floor 1.0 | axum 1.0 | to the floor |
|---|---:|---:|---:|
| memory of the server per idle stream, B (PSS) | 3 | – | – |
| server CPU per delivery, µs (s per million) | 11.000 [10.000–12.000] | 20.000 | 2.00 |
| lost, repeated, reordered, refused | 0 | **2 missing, 1 closed** | – |
";
        assert_eq!(markdown(&outcomes), expected);
    }

    #[test]
    fn without_a_floor_there_are_no_ratios() {
        let mut stopped = outcome("axum", 1, &[("p50_ms", 20.0)]);
        stopped.stopped = Some("deadline".to_owned());
        let text = markdown(&[outcome("fanfare", 1, &[("p50_ms", 1.0)]), stopped]);
        assert!(text.contains("| latency p50, ms | 1.00 | – |"), "{text}");
        assert!(text.contains("axum: 1 rounds ended early and are left out: deadline."), "{text}");
        assert_eq!(markdown(&[]), "");
    }
}
