//! The result of a scenario on one target in one round: a line of JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::latency::Buckets;
use crate::machine::Machine;

/// One line of a results file. Lines of several runs may be in one file; a report takes medians over the rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// When the run began, in seconds since 1970; the same for all its results.
    pub(crate) run: u64,
    pub(crate) scenario: String,
    /// The target: `floor`, `fanfare`, or the name in a peer's file.
    pub(crate) target: String,
    /// The target's version; empty if unknown.
    pub(crate) version: String,
    /// Counts from 1.
    pub(crate) round: usize,
    pub(crate) machine: Machine,
    /// The options that the figures depend on, in words: `10000 streams, 128 B`.
    pub(crate) load: String,
    /// The figures, by the keys of `figure::FIGURES`.
    pub(crate) figures: BTreeMap<String, f64>,
    /// Time from when an event was due to its arrival, if the scenario measures it.
    pub(crate) latency: Option<Buckets>,
    pub(crate) losses: Losses,
    /// Why the round ended before it was done; `null` when it was.
    pub(crate) stopped: Option<String>,
}

/// Losses; all zero in a clean round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Losses {
    /// Streams that failed before their first event.
    pub(crate) refused: u64,
    /// Open streams that the server ended.
    pub(crate) closed: u64,
    /// Published events that a stream has not received, whether or not a later event shows it.
    pub(crate) missing: u64,
    /// Those of them that a later event shows.
    pub(crate) gaps: u64,
    pub(crate) repeats: u64,
    pub(crate) reorders: u64,
    /// Events that differ from what was published, or that were meant for other streams.
    pub(crate) damaged: u64,
    /// The first error of a stream.
    pub(crate) trouble: Option<String>,
}

impl Losses {
    pub(crate) fn add(&mut self, other: &Self) {
        self.refused += other.refused;
        self.closed += other.closed;
        self.missing += other.missing;
        self.gaps += other.gaps;
        self.repeats += other.repeats;
        self.reorders += other.reorders;
        self.damaged += other.damaged;
        if self.trouble.is_none() {
            self.trouble.clone_from(&other.trouble);
        }
    }

    /// Counts streams as refused that did not open without being refused.
    pub(crate) fn add_unopened(&mut self, unopened: u64) {
        if unopened > self.refused {
            self.refused = unopened;
            self.trouble.get_or_insert_with(|| "a stream got no first event".to_owned());
        }
    }

    pub(crate) fn total(&self) -> u64 {
        // Gaps are among the missing.
        let Self { refused, closed, missing, repeats, reorders, damaged, .. } = self;
        refused + closed + missing + repeats + reorders + damaged
    }
}

impl Outcome {
    pub(crate) fn is_clean(&self) -> bool {
        self.stopped.is_none() && self.losses.total() == 0
    }
}
