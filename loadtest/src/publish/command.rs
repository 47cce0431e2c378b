//! `loadtest publish`.

use std::time::Duration;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{Door, Numbers, Pace, Published, Publisher, Work};
use crate::cli::PublishOptions;
use crate::clock;
use crate::stop::Stop;
use crate::template::Template;

/// Without a limit, only a signal ends a run: a year is as good as none.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);
const TICK: Duration = Duration::from_millis(200);

#[derive(Serialize)]
struct Summary {
    accepted: u64,
    /// Publishes answered 429 or 503, and published again.
    busy: u64,
    seconds: f64,
    events_per_second: f64,
    /// Time from when a request was due to its acceptance.
    ack_p50_ms: f64,
    ack_p99_ms: f64,
    ack_max_ms: f64,
}

/// Publishes until it is done or told to stop. Returns whether everything was accepted.
pub(crate) fn command(options: &PublishOptions) -> Result<bool> {
    let stop = Stop::after(options.duration.unwrap_or(FOR_EVER))?;
    let work = work(options);
    let mut numbers = Numbers::new(options.series);
    let mut publisher = Publisher::connect(options.url.address, options.connections)?;
    let bar = bar(options.events);
    let mut published = publisher.run(&work, &mut numbers, &stop, |accepted| {
        bar.set_position(accepted);
        Ok(Some(0))
    })?;
    bar.finish_and_clear();
    let trouble = published.trouble.take();
    let summary = Summary::new(&published);
    if options.json {
        println!("{}", serde_json::to_string(&summary)?);
    } else {
        println!(
            "{} events accepted in {:.3} s, {:.0}/s; {} busy; acknowledged after p50 {:.3}, p99 {:.3}, max {:.3} ms",
            summary.accepted,
            summary.seconds,
            summary.events_per_second,
            summary.busy,
            summary.ack_p50_ms,
            summary.ack_p99_ms,
            summary.ack_max_ms
        );
    }
    // The figures are printed before the error.
    trouble.map_or(Ok(()), Err)?;
    Ok(options.events.is_none_or(|events| published.accepted == events))
}

fn bar(events: Option<u64>) -> ProgressBar {
    let (bar, template) = match events {
        Some(events) => (ProgressBar::new(events), "{elapsed_precise} {bar:30} {pos}/{len} accepted"),
        None => (ProgressBar::new_spinner(), "{elapsed_precise} {spinner} {pos} accepted"),
    };
    // The template is a constant; a bar without style is still a bar.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}

fn work(options: &PublishOptions) -> Work {
    let door = Door {
        method: options.method.clone(),
        host: options.url.host.clone(),
        target: Template::parse(&options.url.target),
        headers: options.header.clone(),
        body: Template::parse(&options.body),
    };
    Work {
        door,
        pace: options.rate.map_or(Pace::Acknowledged, Pace::Rate),
        events: options.events,
        payload: options.payload,
        is_measured: true,
        connections: options.connections,
        is_single: false,
        window: if options.rate.is_some() { usize::MAX } else { options.window },
        batch: options.batch,
        patience: options.patience,
    }
}

impl Summary {
    fn new(published: &Published) -> Self {
        let seconds = clock::seconds(published.ended.saturating_sub(published.began));
        let times = &published.acknowledgement;
        Self {
            accepted: published.accepted,
            busy: published.busy,
            seconds,
            events_per_second: if seconds > 0.0 { published.accepted as f64 / seconds } else { 0.0 },
            ack_p50_ms: times.millis(0.5),
            ack_p99_ms: times.millis(0.99),
            ack_max_ms: times.max_millis(),
        }
    }
}
