//! Charts as SVG.

use std::fmt::Write as _;

use super::escape::escape;
use super::summary::{Summary, Target};
use crate::figure::{Better, Figure};

const WIDTH: f64 = 640.0;
/// Start of the bars, after the names.
const LEFT: f64 = 150.0;
/// Space after the longest bar, for its number.
const RIGHT: f64 = 90.0;
const BAR: f64 = 22.0;
const GAP: f64 = 8.0;
/// If figures differ by more than this factor, bars are logarithmic.
const LINEAR_UP_TO: f64 = 20.0;
/// Height of the plot of percentiles, and its margins.
const HEIGHT: f64 = 260.0;
const MARGIN: f64 = 50.0;
/// The highest percentile on the axis: 1 in this many.
const NINES: f64 = 4.0;

/// A chart with a bar for each target.
pub(super) fn bars(summary: &Summary<'_>, figure: &Figure) -> String {
    let values: Vec<(&Target<'_>, f64)> =
        summary.targets.iter().filter_map(|target| Some((target, target.spread(figure)?.median))).collect();
    let most = values.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let least = values.iter().map(|(_, value)| *value).filter(|value| *value > 0.0).fold(most, f64::min);
    let is_log = least > 0.0 && most / least > LINEAR_UP_TO;
    let better = match figure.better {
        Better::Lower => ", less is better",
        Better::Higher => ", more is better",
        Better::Neither => "",
    };
    let scale = if is_log { ", logarithmic" } else { "" };
    let title = format!("{}{better}{scale}", figure.title);
    let height = values.len() as f64 * (BAR + GAP) + GAP;
    let mut out = open(&title, height);
    for (row, (target, value)) in values.iter().enumerate() {
        let share = match is_log {
            // Even the shortest bar is visible.
            true => (value.max(least) / least * 2.0).ln() / (most / least * 2.0).ln(),
            false if most > 0.0 => value / most,
            false => 0.0,
        };
        let (y, length) = (GAP + row as f64 * (BAR + GAP), share * (WIDTH - LEFT - RIGHT));
        let (middle, decimals) = (y + BAR * 0.7, figure.decimals);
        // Writing to a string does not fail.
        let _ = write!(
            out,
            r#"<text x="{:.0}" y="{middle:.1}" text-anchor="end">{}</text><rect class="{}" x="{LEFT:.0}" y="{y:.1}" width="{length:.1}" height="{BAR}" rx="3"/><text x="{:.1}" y="{middle:.1}">{value:.decimals$}</text>"#,
            LEFT - 8.0,
            escape(target.name),
            class(summary, target),
            LEFT + length + 6.0,
        );
    }
    out.push_str("</svg></figure>");
    out
}

/// A chart of latency over percentiles, with a line for each target; `None` without times.
pub(super) fn percentiles(summary: &Summary<'_>) -> Option<String> {
    let lines: Vec<(&Target<'_>, Vec<(f64, f64)>)> = summary
        .targets
        .iter()
        .filter_map(|target| {
            let times = target.times.as_ref()?;
            // x counts nines: 0 for none, 1 for 90 %, 2 for 99 %.
            let points = (0..=80).map(|step| f64::from(step) * NINES / 80.0);
            Some((target, points.map(|x| (x, times.millis(1.0 - 10f64.powf(-x)))).collect()))
        })
        .collect();
    let most = lines.iter().flat_map(|(_, points)| points).map(|(_, millis)| *millis).fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let (plot, floor) = (WIDTH - MARGIN - RIGHT, HEIGHT - MARGIN);
    let x_of = |nines: f64| MARGIN + nines / NINES * plot;
    let y_of = |millis: f64| floor - millis / most * (floor - 20.0);
    let mut out = open("latency, ms, by percentile", HEIGHT);
    for (nines, label) in [(0.0, "0"), (0.301, "50"), (1.0, "90"), (2.0, "99"), (3.0, "99.9"), (4.0, "99.99")]
    {
        let x = x_of(nines);
        let _ = write!(
            out,
            r#"<line class="grid" x1="{x:.1}" y1="20" x2="{x:.1}" y2="{floor:.1}"/><text x="{x:.1}" y="{:.1}" text-anchor="middle">{label} %</text>"#,
            floor + 18.0
        );
    }
    for share in [0.0, 0.5, 1.0] {
        let (y, millis) = (y_of(most * share), most * share);
        let _ = write!(
            out,
            r#"<line class="grid" x1="{MARGIN}" y1="{y:.1}" x2="{:.1}" y2="{y:.1}"/><text x="{:.1}" y="{:.1}" text-anchor="end">{millis:.1}</text>"#,
            MARGIN + plot,
            MARGIN - 6.0,
            y + 4.0
        );
    }
    for (row, (target, points)) in lines.iter().enumerate() {
        let path: Vec<String> =
            points.iter().map(|&(x, millis)| format!("{:.1},{:.1}", x_of(x), y_of(millis))).collect();
        let class = class(summary, target);
        let _ = write!(
            out,
            r#"<polyline class="{class}" points="{}"/><text class="{class}" x="{:.1}" y="{:.1}">{}</text>"#,
            path.join(" "),
            MARGIN + plot + 8.0,
            36.0 + row as f64 * 18.0,
            escape(target.name),
        );
    }
    out.push_str("</svg></figure>");
    Some(out)
}

fn open(title: &str, height: f64) -> String {
    let title = escape(title);
    format!(
        r#"<figure><figcaption>{title}</figcaption><svg role="img" aria-label="{title}" viewBox="0 0 {WIDTH} {height}">"#
    )
}

/// The colour of a target, the same in all charts of a scenario.
fn class(summary: &Summary<'_>, target: &Target<'_>) -> String {
    let index = summary.targets.iter().position(|one| one.name == target.name).unwrap_or_default();
    format!("t{}", index % 6)
}

#[cfg(test)]
mod tests {
    use super::super::samples::outcome;
    use super::super::summary::summaries;
    use super::*;
    use crate::figure::figure;

    #[test]
    fn bars_are_as_long_as_their_figures() {
        let outcomes = [
            outcome("floor", 1, &[("connect_cpu_us", 10.0)]),
            outcome("a<b", 1, &[("connect_cpu_us", 20.0)]),
        ];
        let chart = bars(&summaries(&outcomes)[0], figure("connect_cpu_us").unwrap());
        assert!(chart.contains(r#"width="200.0""#) && chart.contains(r#"width="400.0""#), "{chart}");
        assert!(chart.contains("a&lt;b") && !chart.contains("a<b"));
        assert!(chart.contains("less is better") && !chart.contains("logarithmic"));
    }

    #[test]
    fn figures_far_apart_are_drawn_by_their_logarithms() {
        let outcomes =
            [outcome("floor", 1, &[("stream_bytes", 3.0)]), outcome("go", 1, &[("stream_bytes", 25_000.0)])];
        let chart = bars(&summaries(&outcomes)[0], figure("stream_bytes").unwrap());
        assert!(chart.contains("logarithmic") && chart.contains(r#"width="400.0""#), "{chart}");
    }

    #[test]
    fn lines_of_percentiles() {
        let mut without = outcome("floor", 1, &[]);
        without.latency = None;
        assert_eq!(percentiles(&summaries(&[without.clone()])[0]), None);
        let chart = percentiles(&summaries(&[without, outcome("fanfare", 1, &[])])[0]).unwrap();
        assert_eq!(chart.matches("<polyline").count(), 1);
        assert!(chart.contains("99.99 %") && chart.contains(">100.0</text>"), "{chart}");
    }
}
