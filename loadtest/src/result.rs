//! What a scenario found out about a target in one round: a line of JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::latency::Buckets;
use crate::machine::Machine;

/// One line of a results file. Lines of several runs may be in one file; a report takes medians over the rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Of the run that this line belongs to: seconds since 1970 at which it began.
    pub(crate) run: u64,
    pub(crate) scenario: String,
    /// What was under load: `floor`, `fanfare`, or the name that a peer's file gives.
    pub(crate) target: String,
    /// What the target says of its version; empty if it says nothing.
    pub(crate) version: String,
    /// Counts from 1.
    pub(crate) round: usize,
    pub(crate) machine: Machine,
    /// The options that the figures depend on, in words: `10000 streams, 128 B`.
    pub(crate) load: String,
    /// By the keys of `figure::FIGURES`.
    pub(crate) figures: BTreeMap<String, f64>,
    /// From when an event was due to when a stream had it, where the scenario measures that.
    pub(crate) latency: Option<Buckets>,
    pub(crate) losses: Losses,
    /// Why the round ended before it was done; `null` when it was.
    pub(crate) stopped: Option<String>,
}

/// All zero in a clean round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Losses {
    /// Streams that never got a first event.
    pub(crate) refused: u64,
    /// Open streams that the server ended.
    pub(crate) closed: u64,
    /// Events published that a stream has not got, whether or not a later one shows it.
    pub(crate) missing: u64,
    /// Of these, the ones that a later event shows.
    pub(crate) gaps: u64,
    pub(crate) repeats: u64,
    pub(crate) reorders: u64,
    /// Events that are not as they were published, or not for the stream that got them.
    pub(crate) damaged: u64,
    /// The first thing that went wrong with a stream.
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

    /// Counts streams as refused that were never told so either.
    pub(crate) fn add_unopened(&mut self, unopened: u64) {
        if unopened > self.refused {
            self.refused = unopened;
            self.trouble.get_or_insert_with(|| "a stream got no first event".to_owned());
        }
    }

    pub(crate) fn total(&self) -> u64 {
        // What a gap shows is missing, too.
        let Self { refused, closed, missing, repeats, reorders, damaged, .. } = self;
        refused + closed + missing + repeats + reorders + damaged
    }
}

impl Outcome {
    pub(crate) fn is_clean(&self) -> bool {
        self.stopped.is_none() && self.losses.total() == 0
    }
}
