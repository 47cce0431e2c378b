//! What is to be published, and how fast.

use std::time::Duration;

use anyhow::Result;

use crate::payload;
use crate::template::Template;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// Closed loop over the streams: so many events under way at most, until every stream has them.
    InFlight(u64),
    /// Open loop: events a second, whether or not the server keeps up.
    Rate(f64),
    /// Events a second, and no more than one without an answer: latency counts from when an event was due only where the
    /// answer to the one before it was not there by then, and else from when it was sent.
    Steady(f64),
    /// Events a second at most, each some time after the one before it was sent and not before the answer to that; latency
    /// counts from when it was sent.
    Spaced(f64),
    /// As fast as they are acknowledged.
    Acknowledged,
}

/// How one publishes to a server.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) method: String,
    pub(crate) host: String,
    /// Path and query, for a series.
    pub(crate) target: Template,
    pub(crate) headers: Vec<String>,
    pub(crate) body: Template,
}

#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) door: Door,
    pub(crate) pace: Pace,
    /// Events in all; `None`: until the run is to stop.
    pub(crate) events: Option<u64>,
    /// Bytes of an event's data.
    pub(crate) payload: usize,
    /// Whether the events say when they were due.
    pub(crate) is_measured: bool,
    pub(crate) connections: usize,
    /// Each request has a connection of its own; one that is closed without an answer is sent again.
    pub(crate) is_single: bool,
    /// Requests without an answer on one connection.
    pub(crate) window: usize,
    /// Events in one request, as lines.
    pub(crate) batch: usize,
    /// A server that does not answer for so long never will.
    pub(crate) patience: Duration,
}

impl Work {
    pub(crate) fn check(&self, series: usize) -> Result<()> {
        payload::check_bytes(self.payload, u32::try_from(series)?)
    }
}

/// The numbers of what has been published, series by series.
pub(crate) struct Numbers {
    /// The last number of each series.
    published: Vec<u64>,
    /// Counts the events; says whose turn it is.
    turn: u64,
}

/// Coprime to every count of series that does not have it as a factor: neighbours in time are not neighbours in the
/// server's memory.
const STRIDE: u64 = 7919;

impl Numbers {
    pub(crate) fn new(series: usize) -> Self {
        Self { published: vec![0; series], turn: 0 }
    }

    /// The series of the next event, without taking it.
    pub(super) fn peek(&self) -> usize {
        let series = self.published.len() as u64;
        usize::try_from(self.turn.wrapping_mul(STRIDE) % series).unwrap_or_default()
    }

    /// Series and number of the next event.
    pub(super) fn take(&mut self) -> (usize, u64) {
        let series = self.peek();
        self.turn += 1;
        self.published[series] += 1;
        (series, self.published[series])
    }

    pub(crate) fn series(&self) -> usize {
        self.published.len()
    }

    /// The last number of a series; 0 before the first.
    pub(crate) fn last(&self, series: u32) -> u64 {
        self.published.get(series as usize).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_has_its_turn() {
        for series in [1, 7, 1000, 10_000] {
            let mut numbers = Numbers::new(series);
            for round in 1..=3 {
                for _ in 0..series {
                    assert_eq!(numbers.take().1, round);
                }
            }
            assert!((0..series).all(|series| numbers.last(u32::try_from(series).unwrap()) == 3));
        }
        assert_eq!(Numbers::new(2).last(5), 0);
    }
}
