//! Medians over rounds, and ratios to the floor's of the same rounds.

use std::collections::BTreeMap;

use crate::figure::{FIGURES, Figure};
use crate::latency::Times;
use crate::result::{Losses, Outcome};

/// The target that others are compared with.
const FLOOR: &str = "floor";

/// The results of one scenario under one load.
pub(super) struct Summary<'o> {
    pub(super) scenario: &'o str,
    pub(super) load: &'o str,
    pub(super) machine: String,
    pub(super) targets: Vec<Target<'o>>,
    /// The figures that any target has.
    pub(super) figures: Vec<&'static Figure>,
}

/// The results of one target.
pub(super) struct Target<'o> {
    pub(super) name: &'o str,
    pub(super) version: &'o str,
    /// Rounds that ran to the end.
    pub(super) rounds: usize,
    /// Rounds that were not.
    pub(super) stopped: Vec<&'o str>,
    pub(super) losses: Losses,
    spreads: BTreeMap<&'static str, Spread>,
    ratios: BTreeMap<&'static str, f64>,
    /// The times of all rounds together; `None` without times.
    pub(super) times: Option<Times>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) least: f64,
    pub(super) median: f64,
    pub(super) most: f64,
}

impl Target<'_> {
    pub(super) fn spread(&self, figure: &Figure) -> Option<Spread> {
        self.spreads.get(figure.key).copied()
    }

    /// The median of each round's ratio to the floor.
    pub(super) fn ratio(&self, figure: &Figure) -> Option<f64> {
        self.ratios.get(figure.key).copied()
    }

    /// Says how many rounds were left out, and why the first was; `None` if none was.
    pub(super) fn left_out(&self) -> Option<String> {
        let (first, count) = (self.stopped.first()?, self.stopped.len());
        Some(format!("{}: {count} rounds ended early and are left out: {first}.", self.name))
    }

    pub(super) fn is_floor(&self) -> bool {
        self.name == FLOOR
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (&least, &most) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(values[middle - 1], values[middle]),
            _ => values[middle],
        };
        Some(Self { least, median, most })
    }
}

/// One summary for each scenario and load, in the order in which they first appear.
pub(super) fn summaries(outcomes: &[Outcome]) -> Vec<Summary<'_>> {
    let mut groups: Vec<Vec<&Outcome>> = Vec::new();
    for outcome in outcomes {
        let same = |group: &&mut Vec<&Outcome>| {
            let first = group[0];
            (&first.scenario, &first.load) == (&outcome.scenario, &outcome.load)
                && first.machine == outcome.machine
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(outcome),
            None => groups.push(vec![outcome]),
        }
    }
    groups.into_iter().map(|group| summary(&group)).collect()
}

fn summary<'o>(outcomes: &[&'o Outcome]) -> Summary<'o> {
    let mut names: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !names.contains(&&*outcome.target) {
            names.push(&outcome.target);
        }
    }
    names.sort_by_key(|name| *name != FLOOR);
    let targets: Vec<Target<'o>> = names.into_iter().map(|name| target(name, outcomes)).collect();
    let has = |figure: &&Figure| targets.iter().any(|target| target.spreads.contains_key(figure.key));
    let first = outcomes[0];
    Summary {
        scenario: &first.scenario,
        load: &first.load,
        machine: first.machine.to_string(),
        figures: FIGURES.iter().filter(has).collect(),
        targets,
    }
}

fn target<'o>(name: &'o str, outcomes: &[&'o Outcome]) -> Target<'o> {
    let all: Vec<&Outcome> = outcomes.iter().copied().filter(|outcome| outcome.target == name).collect();
    let whole: Vec<&Outcome> = all.iter().copied().filter(|outcome| outcome.stopped.is_none()).collect();
    let floors: BTreeMap<(u64, usize), &Outcome> = outcomes
        .iter()
        .filter(|outcome| outcome.target == FLOOR && outcome.stopped.is_none())
        .map(|outcome| ((outcome.run, outcome.round), *outcome))
        .collect();
    let (mut spreads, mut ratios, mut losses) = (BTreeMap::new(), BTreeMap::new(), Losses::default());
    for figure in FIGURES {
        let value =
            |outcome: &Outcome| outcome.figures.get(figure.key).copied().filter(|value| value.is_finite());
        if let Some(spread) = Spread::of(whole.iter().filter_map(|outcome| value(outcome)).collect()) {
            spreads.insert(figure.key, spread);
        }
        let to_floor = |outcome: &&Outcome| {
            let floor = value(floors.get(&(outcome.run, outcome.round))?).filter(|&floor| floor > 0.0)?;
            Some(value(outcome)? / floor)
        };
        if let Some(spread) = Spread::of(whole.iter().filter_map(to_floor).collect())
            && figure.has_ratio
            && name != FLOOR
        {
            ratios.insert(figure.key, spread.median);
        }
    }
    all.iter().for_each(|outcome| losses.add(&outcome.losses));
    Target {
        name,
        version: &all[0].version,
        rounds: whole.len(),
        stopped: all.iter().filter_map(|outcome| outcome.stopped.as_deref()).collect(),
        losses,
        spreads,
        ratios,
        times: times(&whole),
    }
}

fn times(outcomes: &[&Outcome]) -> Option<Times> {
    let mut sum = Times::new().ok()?;
    let mut buckets = outcomes.iter().filter_map(|outcome| outcome.latency.as_ref()).peekable();
    buckets.peek()?;
    buckets.try_for_each(|buckets| sum.add(buckets)).ok()?;
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::super::samples::outcome;
    use super::*;

    fn figure(key: &str) -> &'static Figure {
        crate::figure::figure(key).unwrap()
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        // The machine is half as fast in the second round: the ratios do not see it.
        let outcomes = [
            outcome("fanfare", 1, &[("delivery_cpu_us", 5.0)]),
            outcome("floor", 1, &[("delivery_cpu_us", 10.0)]),
            outcome("fanfare", 2, &[("delivery_cpu_us", 10.0)]),
            outcome("floor", 2, &[("delivery_cpu_us", 20.0)]),
        ];
        let summaries = summaries(&outcomes);
        let [floor, fanfare] = &*summaries[0].targets else { panic!("not two") };
        assert_eq!((floor.name, fanfare.name, fanfare.rounds), ("floor", "fanfare", 2));
        let figure = figure("delivery_cpu_us");
        assert_eq!(fanfare.spread(figure), Some(Spread { least: 5.0, median: 7.5, most: 10.0 }));
        assert_eq!((fanfare.ratio(figure), floor.ratio(figure)), (Some(0.5), None));
    }

    #[test]
    fn rounds_that_were_stopped_count_only_as_such() {
        let mut stopped = outcome("fanfare", 2, &[("p50_ms", 1000.0)]);
        stopped.stopped = Some("interrupted".to_owned());
        stopped.losses.missing = 3;
        let outcomes = [outcome("fanfare", 1, &[("p50_ms", 1.0)]), stopped];
        let summary = &summaries(&outcomes)[0];
        let target = &summary.targets[0];
        assert_eq!((target.rounds, &*target.stopped, target.losses.total()), (1, &["interrupted"][..], 3));
        assert_eq!(target.spread(figure("p50_ms")).map(|spread| spread.median), Some(1.0));
        assert_eq!(target.spread(figure("p99_ms")), None);
        assert_eq!(summary.figures, [figure("p50_ms")]);
    }

    #[test]
    fn other_loads_are_other_summaries() {
        let mut other = outcome("fanfare", 1, &[]);
        other.load = "20 streams".to_owned();
        let outcomes = [outcome("fanfare", 1, &[]), other, outcome("fanfare", 2, &[])];
        let loads: Vec<_> =
            summaries(&outcomes).iter().map(|one| (one.load, one.targets[0].rounds)).collect();
        assert_eq!(loads, [("10 streams", 2), ("20 streams", 1)]);
        assert!(summaries(&[]).is_empty());
    }
}
