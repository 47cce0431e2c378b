//! What to publish, and how fast.

use std::time::Duration;

use anyhow::Result;

use crate::payload;
use crate::template::Template;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// Closed loop over the streams: at most this many events that not every stream has.
    InFlight(u64),
    /// Open loop: events per second, whether or not the server keeps up.
    Rate(f64),
    /// Events per second, and at most one unanswered. Latency counts from when an event was due if the previous answer was
    /// late, otherwise from when it was sent.
    Steady(f64),
    /// At most this many events per second, each sent after the previous answer. Latency counts from when an event was sent.
    Spaced(f64),
    /// As fast as the server acknowledges.
    Acknowledged,
}

/// How to publish to a server.
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
    /// Total number of events; `None` until the run is to stop.
    pub(crate) events: Option<u64>,
    /// Bytes of an event's data.
    pub(crate) payload: usize,
    /// Whether the events carry the time at which they were due.
    pub(crate) is_measured: bool,
    pub(crate) connections: usize,
    /// Each request has its own connection; a request whose connection closes without an answer is sent again.
    pub(crate) is_single: bool,
    /// Most unanswered requests on one connection.
    pub(crate) window: usize,
    /// Events in one request, one per line.
    pub(crate) batch: usize,
    /// Time after which an answer is no longer expected.
    pub(crate) patience: Duration,
}

impl Work {
    pub(crate) fn check(&self, series: usize) -> Result<()> {
        payload::check_bytes(self.payload, u32::try_from(series)?)
    }
}

/// The numbers of the published events, by series.
pub(crate) struct Numbers {
    /// The last number of each series.
    published: Vec<u64>,
    /// Counts the events, and so determines the next series.
    turn: u64,
}

/// Step between the series of successive events, so that these are not neighbours in the server's memory. A prime, so
/// that every series has its turn.
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
