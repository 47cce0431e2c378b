//! Tables and charts of results.

mod attacks;
mod brief;
mod chart;
mod escape;
mod html;
mod markdown;
mod summary;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use crate::cli::ReportOptions;
use crate::result::Outcome;
use brief::brief;
use html::html;
use markdown::markdown;

/// Tables in Markdown: one for each scenario, or one for all.
pub(crate) fn tables(outcomes: &[Outcome], is_brief: bool) -> String {
    if is_brief { brief(outcomes) } else { markdown(outcomes) }
}

/// Prints tables, and writes a page if one is requested. Returns whether every round was clean.
pub(crate) fn command(options: &ReportOptions) -> Result<bool> {
    let outcomes = read(&options.files)?;
    ensure!(!outcomes.is_empty(), "there are no results");
    println!("{}", tables(&outcomes, options.brief));
    if let Some(path) = &options.html {
        fs::write(path, html(&outcomes)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(outcomes.iter().all(Outcome::is_clean))
}

/// Reads the results from these files, or from standard input.
fn read(paths: &[PathBuf]) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    if paths.is_empty() {
        read_lines(std::io::stdin().lock(), "standard input", &mut outcomes)?;
    }
    for path in paths {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
        read_lines(BufReader::new(file), &name, &mut outcomes)?;
    }
    Ok(outcomes)
}

fn read_lines(input: impl BufRead, name: &str, outcomes: &mut Vec<Outcome>) -> Result<()> {
    for (number, line) in input.lines().enumerate() {
        let line = line.with_context(|| format!("cannot read {name}"))?;
        if !line.trim().is_empty() {
            let outcome = serde_json::from_str(&line);
            outcomes.push(outcome.with_context(|| format!("{name}, line {}, is no result", number + 1))?);
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod samples {
    use super::*;
    use crate::latency::Times;
    use crate::machine::Machine;
    use crate::result::Losses;

    /// A result of the scenario `broadcast`, with these figures.
    pub(super) fn outcome(target: &str, round: usize, figures: &[(&str, f64)]) -> Outcome {
        let mut times = Times::new().unwrap();
        (1..=100).for_each(|millis| times.record_nanos(millis * 1_000_000));
        Outcome {
            run: 1,
            scenario: "broadcast".to_owned(),
            target: target.to_owned(),
            version: format!("{target} 1.0"),
            round,
            machine: Machine { cores: 2, kernel: "6.18".to_owned(), cpu: "A <CPU>".to_owned() },
            load: "10 streams".to_owned(),
            figures: figures.iter().map(|&(key, value)| (key.to_owned(), value)).collect(),
            latency: Some(times.buckets()),
            losses: Losses::default(),
            stopped: None,
        }
    }

    #[test]
    fn lines_that_are_no_results() {
        let good = serde_json::to_string(&outcome("floor", 1, &[])).unwrap();
        let mut outcomes = Vec::new();
        read_lines(format!("{good}\n\n{good}\n").as_bytes(), "a", &mut outcomes).unwrap();
        assert_eq!(outcomes.len(), 2);
        let error = read_lines(format!("{good}\n{{}}\n").as_bytes(), "a", &mut outcomes).unwrap_err();
        assert!(format!("{error:#}").starts_with("a, line 2, is no result: "), "{error:#}");
    }
}
