//! What the engine tells Prometheus, at `GET /metrics`.
//!
//! Counters only grow from the engine's start. Units are seconds, bytes and streams. Everything that streams
//! count is counted by their own event loop in plain integers, and added up when it is asked for: a scrape costs
//! each loop one look at its streams, as `{base}/stats` does.
//!
#![doc = include_str!("metrics.md")]

mod exposition;
mod family;
mod histogram;
mod tally;

pub(crate) use exposition::{Exposition, Format};
pub(crate) use histogram::Histogram;
pub(crate) use tally::{Label, Tally};
