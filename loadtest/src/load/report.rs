//! What a load found, as it is written to JSON.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::plan::{Pace, Plan};
use super::tally::Tally;
use crate::machine::Machine;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) load: Load,
    /// Why the load ended before it was done; `null` when it was.
    pub(crate) stopped: Option<&'static str>,
    pub(crate) connect: Connect,
    pub(crate) memory: Option<Memory>,
    pub(crate) delivery: Delivery,
    /// From when an event was due, or in a closed loop published, to when a stream had it.
    pub(crate) latency: Latency,
    pub(crate) losses: Losses,
}

/// The options that the figures depend on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Load {
    pub(crate) streams: usize,
    pub(crate) events: usize,
    pub(crate) payload: usize,
    pub(crate) in_flight: Option<usize>,
    pub(crate) rate: Option<f64>,
    pub(crate) threads: usize,
}

/// `cpu` is CPU time, user and system, of the server with all its threads; `null` without `--pid`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Connect {
    pub(crate) opened: u64,
    pub(crate) seconds: f64,
    pub(crate) per_second: f64,
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) cpu_micros_each: Option<f64>,
}

/// Proportional set size of the server in bytes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Memory {
    pub(crate) before: u64,
    pub(crate) idle: u64,
    pub(crate) after_first_events: u64,
    /// Growth divided by the streams.
    pub(crate) idle_per_stream: f64,
    pub(crate) after_first_events_per_stream: f64,
}

/// The measured events only.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Delivery {
    pub(crate) deliveries: u64,
    pub(crate) seconds: f64,
    pub(crate) per_second: f64,
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) cpu_micros_each: Option<f64>,
    /// CPU time of this load tester for each delivery: near `1e6 / per_second` on one thread it is itself the limit.
    pub(crate) client_cpu_micros_each: f64,
    /// Publishes answered 429 or 503 and tried again.
    pub(crate) busy: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50_millis: f64,
    pub(crate) p90_millis: f64,
    pub(crate) p99_millis: f64,
    pub(crate) p99_9_millis: f64,
    pub(crate) max_millis: f64,
}

/// All zero in a clean run. Warm-up events count here too.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Losses {
    /// Streams that never got a first event.
    pub(crate) refused: u64,
    /// Open streams that ended before the load did.
    pub(crate) closed: u64,
    /// Events published that a stream has not got, whether or not a later one shows it.
    pub(crate) missing: u64,
    /// Of these, the ones that a later event shows.
    pub(crate) gaps: u64,
    pub(crate) repeats: u64,
    pub(crate) reorders: u64,
    /// Events that are not as they were published.
    pub(crate) damaged: u64,
    /// The first thing that went wrong with a stream.
    pub(crate) trouble: Option<String>,
}

impl Losses {
    pub(super) fn new(tally: &Tally, published: u64) -> Self {
        Self {
            refused: tally.refused,
            closed: tally.closed,
            missing: (tally.opened * published).saturating_sub(tally.received),
            gaps: tally.gaps,
            repeats: tally.repeats,
            reorders: tally.reorders,
            damaged: tally.damaged,
            trouble: tally.trouble.clone(),
        }
    }

    pub(crate) fn total(&self) -> u64 {
        // A gap is missing too.
        self.refused + self.closed + self.missing + self.repeats + self.reorders + self.damaged
    }
}

impl Report {
    /// Nothing lost, repeated, reordered or closed, and not stopped early.
    pub(crate) fn is_clean(&self) -> bool {
        self.stopped.is_none() && self.losses.total() == 0
    }
}

impl Load {
    pub(super) fn new(plan: &Plan) -> Self {
        let (in_flight, rate) = match plan.pace {
            Pace::InFlight(events) => (Some(events), None),
            Pace::Rate(rate) => (None, Some(rate)),
        };
        let Plan { streams, events, payload, threads, .. } = *plan;
        Self { streams, events, payload, in_flight, rate, threads }
    }
}

impl Connect {
    pub(super) fn new(opened: u64, took: Duration, cpu: Option<Duration>) -> Self {
        Self {
            opened,
            seconds: took.as_secs_f64(),
            per_second: ratio(opened as f64, took.as_secs_f64()),
            cpu_seconds: cpu.map(|cpu| cpu.as_secs_f64()),
            cpu_micros_each: cpu.map(|cpu| micros_each(cpu, opened)),
        }
    }
}

impl Memory {
    pub(super) fn new(before: u64, idle: u64, after_first_events: u64, streams: u64) -> Self {
        let per_stream = |bytes: u64| ratio(bytes as f64 - before as f64, streams as f64);
        Self {
            before,
            idle,
            after_first_events,
            idle_per_stream: per_stream(idle),
            after_first_events_per_stream: per_stream(after_first_events),
        }
    }
}

impl Delivery {
    pub(super) fn new(
        deliveries: u64,
        took: Duration,
        cpu: Option<Duration>,
        client_cpu: Duration,
        busy: u64,
    ) -> Self {
        Self {
            deliveries,
            seconds: took.as_secs_f64(),
            per_second: ratio(deliveries as f64, took.as_secs_f64()),
            cpu_seconds: cpu.map(|cpu| cpu.as_secs_f64()),
            cpu_micros_each: cpu.map(|cpu| micros_each(cpu, deliveries)),
            client_cpu_micros_each: micros_each(client_cpu, deliveries),
            busy,
        }
    }
}

impl Latency {
    pub(super) fn new(micros: &Histogram<u64>) -> Self {
        let quantile = |quantile| micros.value_at_quantile(quantile) as f64 / 1000.0;
        Self {
            p50_millis: quantile(0.5),
            p90_millis: quantile(0.9),
            p99_millis: quantile(0.99),
            p99_9_millis: quantile(0.999),
            max_millis: micros.max() as f64 / 1000.0,
        }
    }
}

fn micros_each(cpu: Duration, count: u64) -> f64 {
    ratio(cpu.as_secs_f64() * 1e6, count as f64)
}

/// 0 for nothing at all, which JSON can hold and a reader can tell.
fn ratio(of: f64, by: f64) -> f64 {
    if by > 0.0 { of / by } else { 0.0 }
}
