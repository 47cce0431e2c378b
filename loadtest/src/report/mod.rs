use std::fmt::Write as _;

use crate::figure::FIGURES;
use crate::result::Outcome;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn markdown(outcomes: &[Outcome]) -> String {
    let mut out = String::new();
    let mut scenarios: Vec<&str> = Vec::new();
    let mut targets: Vec<&str> = Vec::new();
    for one in outcomes {
        if !scenarios.contains(&&*one.scenario) {
            scenarios.push(&one.scenario);
        }
        if !targets.contains(&&*one.target) {
            targets.push(&one.target);
        }
    }
    for scenario in scenarios {
        let _ = writeln!(out, "## {scenario}: {:?}", targets);
        for figure in FIGURES {
            let of = |target: &str| {
                let rounds = outcomes.iter().filter(|one| one.scenario == scenario && one.target == target);
                median(rounds.filter_map(|one| one.figures.get(figure.key).copied()).collect())
            };
            let values: Vec<f64> = targets.iter().map(|target| of(target)).collect();
            if values.iter().all(|value| value.is_nan()) {
                continue;
            }
            let _ = write!(out, "{:44}", figure.title);
            for value in &values {
                let _ = write!(out, " {value:>12.*}", figure.decimals);
            }
            let _ = writeln!(out, "   ratio {:.3}", values.last().unwrap_or(&0.0) / values[0]);
        }
    }
    out
}

pub(crate) fn command(_: &crate::cli::ReportOptions) -> anyhow::Result<bool> {
    Ok(true)
}
