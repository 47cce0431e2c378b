//! A load's report for people.

use std::fmt::{Display, Formatter, Result};

use super::report::{Load, Report};

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { machine, load, connect, delivery, latency, losses, .. } = self;
        writeln!(f, "machine     {machine}")?;
        writeln!(f, "load        {load}")?;
        write!(
            f,
            "connect     {} streams in {:.3} s, {:.0}/s",
            connect.opened, connect.seconds, connect.per_second
        )?;
        writeln!(f, "{}", cpu(connect.cpu_seconds, connect.cpu_micros_each, "a connect"))?;
        if let Some(memory) = &self.memory {
            writeln!(
                f,
                "memory      PSS {} KiB before, {} KiB idle ({:.0} B a stream), {} KiB after the first events ({:.0} B)",
                memory.before / 1024,
                memory.idle / 1024,
                memory.idle_per_stream,
                memory.after_first_events / 1024,
                memory.after_first_events_per_stream,
            )?;
        }
        write!(
            f,
            "delivery    {} in {:.3} s, {:.0}/s",
            delivery.deliveries, delivery.seconds, delivery.per_second
        )?;
        writeln!(f, "{}", cpu(delivery.cpu_seconds, delivery.cpu_micros_each, "a delivery"))?;
        writeln!(
            f,
            "client      {:.2} µs CPU a delivery, {} publishes busy",
            delivery.client_cpu_micros_each, delivery.busy
        )?;
        writeln!(
            f,
            "latency     ms p50 {:.3}, p90 {:.3}, p99 {:.3}, p99.9 {:.3}, max {:.3}",
            latency.p50_millis,
            latency.p90_millis,
            latency.p99_millis,
            latency.p99_9_millis,
            latency.max_millis
        )?;
        writeln!(
            f,
            "losses      {} missing ({} gaps), {} repeats, {} reorders, {} damaged, {} closed, {} refused",
            losses.missing,
            losses.gaps,
            losses.repeats,
            losses.reorders,
            losses.damaged,
            losses.closed,
            losses.refused
        )?;
        if let Some(trouble) = &losses.trouble {
            writeln!(f, "trouble     {trouble}")?;
        }
        match self.stopped {
            Some(reason) => write!(f, "verdict     stopped early: {reason}"),
            None if self.is_clean() => write!(f, "verdict     clean"),
            None => write!(f, "verdict     NOT CLEAN"),
        }
    }
}

impl Display for Load {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} streams, {} events of {} B, ", self.streams, self.events, self.payload)?;
        match (self.in_flight, self.rate) {
            (_, Some(rate)) => write!(f, "{rate} a second")?,
            (in_flight, None) => write!(f, "{} under way", in_flight.unwrap_or_default())?,
        }
        write!(f, ", client threads {}", self.threads)
    }
}

fn cpu(seconds: Option<f64>, micros: Option<f64>, each: &str) -> String {
    match (seconds, micros) {
        (Some(seconds), Some(micros)) => format!("; server CPU {seconds:.3} s, {micros:.2} µs {each}"),
        _ => String::new(),
    }
}
