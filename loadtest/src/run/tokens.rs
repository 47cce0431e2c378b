//! The cost of a token: opens streams without tokens, with tokens that the server has not seen, and with the same again.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::audience::Audience;
use super::course::Course;
use super::stage::Stage;
use crate::clock;
use crate::figure::ratio;
use crate::latency::Buckets;
use crate::peer::Route;
use crate::publish::{Numbers, Pace, Publisher, Work};
use crate::swarm::Swarm;
use crate::template::Template;
use crate::usage::Cpu;

/// Repetitions of each trial in a round.
const TURNS: usize = 3;
/// Most publishes per second while streams open, one at a time.
pub(super) const PUBLISHES: f64 = 400.0;
/// The number of a user without streams.
const NOBODY: &str = "4000000000";
/// A server is at rest if it has used less than `LITTLE` CPU time within `WHILE`.
const LITTLE: Duration = Duration::from_millis(2);
const WHILE: Duration = Duration::from_millis(100);
const REST_AT_MOST: Duration = Duration::from_secs(10);

/// One kind of connects, and its figures.
struct Trial {
    cpu: &'static str,
    rate: &'static str,
    connect: [&'static str; 2],
    publish: [&'static str; 2],
}

const OPEN: Trial = Trial {
    cpu: "open_connect_cpu_us",
    rate: "open_connects_per_second",
    connect: ["open_connect_p50_ms", "open_connect_p99_ms"],
    publish: ["open_publish_p50_ms", "open_publish_p99_ms"],
};
const FIRST: Trial = Trial {
    cpu: "first_connect_cpu_us",
    rate: "first_connects_per_second",
    connect: ["first_connect_p50_ms", "first_connect_p99_ms"],
    publish: ["first_publish_p50_ms", "first_publish_p99_ms"],
};
const AGAIN: Trial = Trial {
    cpu: "again_connect_cpu_us",
    rate: "again_connects_per_second",
    connect: ["again_connect_p50_ms", "again_connect_p99_ms"],
    publish: ["again_publish_p50_ms", "again_publish_p99_ms"],
};

/// The sums of a trial over all repetitions.
#[derive(Default)]
struct Sum {
    opened: u64,
    seconds: f64,
    cpu: Option<Duration>,
    connecting: Buckets,
    publishing: Buckets,
}

/// Runs each trial twice per repetition: alone, for its cost, and while an honest client publishes.
pub(super) fn tokens(stage: &mut Stage<'_>, streams: usize) -> Result<()> {
    let access = stage.access.context("the server has no keys")?;
    let trials = [OPEN, FIRST, AGAIN];
    let mut sums = [Sum::default(), Sum::default(), Sum::default()];
    for turn in 0..TURNS {
        let quiet = access.tokens(streams, &format!("quiet-{turn}"))?;
        let busy = access.tokens(streams, &format!("busy-{turn}"))?;
        for (sum, has_tokens) in sums.iter_mut().zip([false, true, true]) {
            let (quiet, busy) = if has_tokens { (&*quiet, &*busy) } else { (&[][..], &[][..]) };
            connect(stage, streams, quiet, sum)?;
            connect_while_publishing(stage, streams, busy, sum)?;
            if stage.is_stopped() {
                return Ok(());
            }
        }
    }
    let mut worst = Vec::new();
    for (trial, sum) in trials.iter().zip(&sums) {
        stage.set(trial.rate, ratio(sum.opened as f64, sum.seconds));
        stage.set_each(trial.cpu, sum.cpu, sum.opened);
        for (buckets, keys) in [(&sum.connecting, trial.connect), (&sum.publishing, trial.publish)] {
            let times = buckets.times()?;
            keys.into_iter().zip([0.5, 0.99]).for_each(|(key, part)| stage.set(key, times.millis(part)));
        }
        worst.push(sum.publishing.times()?.millis(0.99));
    }
    for (key, trial) in [("first_publish_p99_ratio", 1), ("again_publish_p99_ratio", 2)] {
        stage.set(key, ratio(worst[trial], worst[0]));
    }
    Ok(())
}

fn connect(stage: &mut Stage<'_>, streams: usize, tokens: &[String], sum: &mut Sum) -> Result<()> {
    rest(stage)?;
    let (before, began) = (stage.cpu()?, clock::nanos());
    let swarm = start(stage, streams, tokens)?;
    swarm.wait_open(stage.stop, stage.options.patience)?;
    sum.seconds += clock::seconds(clock::nanos() - began);
    if let Some(cpu) = stage.cpu_since(before)? {
        *sum.cpu.get_or_insert_default() += cpu;
    }
    sum.opened += swarm.progress().view().opened;
    let connecting = finish(stage, swarm)?;
    sum.connecting = sum.connecting.with(&connecting)?;
    Ok(())
}

fn connect_while_publishing(
    stage: &mut Stage<'_>,
    streams: usize,
    tokens: &[String],
    sum: &mut Sum,
) -> Result<()> {
    rest(stage)?;
    let mut publisher = Publisher::connect(stage.server.address, 1)?;
    let swarm = start(stage, streams, tokens)?;
    let progress = swarm.progress();
    stage.route = Some(nobody(stage)?);
    let course = Course::measured(Pace::Spaced(PUBLISHES), 1);
    let work = Work { events: None, ..stage.work(course)? };
    let (mut seen, mut since) = (progress.view(), clock::now());
    let patience = stage.options.patience;
    let mut published = publisher.run(&work, &mut Numbers::new(1), stage.stop, |_| {
        progress.check()?;
        let view = progress.view();
        if view != seen {
            (seen, since) = (view, clock::now());
        }
        let is_over = view.unopened(streams) <= view.refused || clock::since(since) > patience;
        Ok((!is_over).then_some(0))
    })?;
    published.trouble.take().map_or(Ok(()), Err)?;
    sum.publishing = sum.publishing.with(&published.acknowledgement.buckets())?;
    finish(stage, swarm)?;
    Ok(())
}

fn start(stage: &mut Stage<'_>, streams: usize, tokens: &[String]) -> Result<Swarm> {
    stage.tokens = tokens.to_vec();
    Swarm::start(stage.plan(Audience::All, streams)?)
}

/// Ends the streams. How long each took to open.
fn finish(stage: &mut Stage<'_>, swarm: Swarm) -> Result<Buckets> {
    stage.closed_unopened += swarm.progress().view().unopened(swarm.plan().streams.len());
    let tally = swarm.finish()?;
    stage.tally.add(&tally)?;
    Ok(tally.connecting)
}

/// Publishes to a user who is not there: what is delivered would be the more the more streams are open.
fn nobody(stage: &Stage<'_>) -> Result<Route> {
    let route = stage.peer.user.as_ref().context("its file has no [user]")?;
    let fixed = |template: &Template| Template::parse(&template.source().replace("{n}", NOBODY));
    Ok(Route { stream: route.stream.clone(), publish: fixed(&route.publish), body: fixed(&route.body) })
}

/// Until the server has done with the streams that were closed.
fn rest(stage: &Stage<'_>) -> Result<()> {
    let began = clock::now();
    let mut before: Option<Cpu> = stage.cpu()?;
    while clock::since(began) < REST_AT_MOST && !stage.is_stopped() {
        thread::sleep(WHILE);
        if stage.cpu_since(before)?.is_none_or(|used| used < LITTLE) {
            break;
        }
        before = stage.cpu()?;
    }
    Ok(())
}
