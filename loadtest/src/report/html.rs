//! A self-contained page with tables and charts.

use std::fmt::Write as _;

use super::chart::{bars, percentiles};
use super::escape::escape;
use super::markdown::{header, rows};
use super::summary::{Summary, Target, summaries};
use crate::result::Outcome;

const STYLE: &str = include_str!("page.css");

/// Every table and a chart for each figure.
pub(crate) fn html(outcomes: &[Outcome]) -> String {
    let summaries = summaries(outcomes);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>loadtest: results</title><style>{STYLE}</style><h1>Results</h1><nav><ul>"
    );
    for (number, summary) in summaries.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = write!(out, "<li><a href=\"#s{number}\">{}</a></li>", escape(summary.scenario));
    }
    out.push_str("</ul></nav>");
    for (number, summary) in summaries.iter().enumerate() {
        section(&mut out, number, summary);
    }
    out.push_str("</html>\n");
    out
}

fn section(out: &mut String, number: usize, summary: &Summary<'_>) {
    let Summary { scenario, load, machine, .. } = summary;
    let _ = write!(
        out,
        "<section id=\"s{number}\"><h2>{}</h2><p>{}. {}.</p><div class=\"wide\"><table><thead><tr>",
        escape(scenario),
        escape(machine),
        escape(load)
    );
    for cell in header(summary) {
        let _ = write!(out, "<th scope=\"col\">{}</th>", escape(&cell));
    }
    out.push_str("</tr></thead><tbody>");
    for row in rows(summary) {
        out.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let cell = escape(cell);
            let _ = match column {
                0 => write!(out, "<th scope=\"row\">{cell}</th>"),
                // Losses are bold in Markdown.
                _ if cell.starts_with("**") => {
                    write!(out, "<td class=\"lost\">{}</td>", cell.trim_matches('*'))
                }
                _ => write!(out, "<td>{cell}</td>"),
            };
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
    for left_out in summary.targets.iter().filter_map(Target::left_out) {
        let _ = write!(out, "<p>{}</p>", escape(&left_out));
    }
    out.push_str("<div class=\"charts\">");
    out.extend(percentiles(summary));
    out.extend(summary.figures.iter().map(|figure| bars(summary, figure)));
    out.push_str("</div></section>");
}

#[cfg(test)]
mod tests {
    use super::super::samples::outcome;
    use super::*;

    #[test]
    fn hostile_names_are_text() {
        let mut outcome = outcome("<script>alert(1)</script>", 1, &[("p50_ms", 1.0)]);
        outcome.scenario = "\"><img src=x>".to_owned();
        outcome.load = "<b>".to_owned();
        let page = html(&[outcome]);
        for tag in ["<script", "<img", "<b>", "<CPU>"] {
            assert!(!page.contains(tag), "{tag}");
        }
        assert!(page.contains("&lt;script&gt;alert(1)"));
    }

    #[test]
    fn a_page_has_its_tables_and_charts_and_nothing_from_elsewhere() {
        let mut lossy = outcome("fanfare", 1, &[("p50_ms", 2.0), ("p99_ms", 3.0)]);
        lossy.losses.missing = 7;
        let page = html(&[outcome("floor", 1, &[("p50_ms", 1.0)]), lossy]);
        assert_eq!((page.matches("<table>").count(), page.matches("<svg").count()), (1, 3));
        assert!(page.contains("<td class=\"lost\">7 missing</td>"));
        for outside in ["http:", "https:", "src=", "url(", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(html(&[]).ends_with("</html>\n"));
    }
}
