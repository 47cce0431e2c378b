//! `loadtest swarm`.

use std::time::Duration;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{Follow, Plan, Swarm, Tally};
use crate::cli::SwarmOptions;
use crate::clock;
use crate::result::Losses;
use crate::stop::{self, Stop};
use crate::token::Signer;
use crate::usage::{self, Cpu};

const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

#[derive(Serialize)]
struct Summary {
    streams: usize,
    opened: u64,
    connect_seconds: f64,
    connects_per_second: f64,
    /// Time from a stream's connect to its first event.
    connect_p50_ms: f64,
    connect_p99_ms: f64,
    /// Events of a load tester, counted once per stream.
    received: u64,
    /// Events of other publishers.
    foreign: u64,
    heartbeats: u64,
    reopened: u64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// With `--pid`: the server's CPU time since the first connect, and its memory at the end.
    server_cpu_seconds: Option<f64>,
    server_bytes: Option<u64>,
    losses: Losses,
    stopped: Option<&'static str>,
}

/// Holds the streams until it is told to stop. Returns whether nothing was lost.
pub(crate) fn command(options: &SwarmOptions) -> Result<bool> {
    // Before the clock starts: signing takes as long as connecting.
    let plan = plan(options)?;
    let stop = Stop::after(options.duration.unwrap_or(FOR_EVER))?;
    let servers = options.pid.map(usage::family);
    let before = servers.as_deref().map(Cpu::of).transpose()?;
    let began = clock::now();
    let swarm = Swarm::start(plan)?;
    let bar = bar(options.streams as u64);
    let mut opened_after = None;
    while stop.reason().is_none() {
        swarm.progress().wait(&stop, stop::CHECK_EVERY, |_| false)?;
        let view = swarm.progress().view();
        bar.set_position(view.opened);
        bar.set_message(format!("{} events, {} refused", view.received, view.refused));
        if opened_after.is_none() && view.unopened(options.streams) <= view.refused {
            let time = clock::since(began);
            opened_after = Some(time);
            if bar.is_hidden() {
                eprintln!(
                    "{} of {} streams open after {:.3} s",
                    view.opened,
                    options.streams,
                    time.as_secs_f64()
                );
            }
        }
    }
    bar.finish_and_clear();
    let view = swarm.progress().view();
    // The server may have ended; its streams are reported anyway.
    let cpu = servers.as_deref().and_then(|pids| Cpu::of(pids).ok());
    let connect_seconds = opened_after.unwrap_or_else(|| clock::since(began)).as_secs_f64();
    let tally = swarm.finish()?;
    let mut losses = Losses { missing: tally.losses.gaps, ..tally.losses.clone() };
    // After an interrupt, unopened streams are no loss: there was no time for them.
    if opened_after.is_none() && !stop.is_interrupted() {
        losses.add_unopened(view.unopened(options.streams));
    }
    let (times, connecting) = (tally.latency.times()?, tally.connecting.times()?);
    let summary = Summary {
        streams: options.streams,
        opened: view.opened,
        connect_seconds,
        connects_per_second: view.opened as f64 / connect_seconds.max(1e-9),
        connect_p50_ms: connecting.millis(0.5),
        connect_p99_ms: connecting.millis(0.99),
        received: tally.received,
        foreign: tally.foreign,
        heartbeats: tally.heartbeats,
        reopened: tally.reopened,
        p50_ms: times.millis(0.5),
        p99_ms: times.millis(0.99),
        max_ms: times.max_millis(),
        server_cpu_seconds: cpu.zip(before).map(|(now, before)| now.since(&before).as_secs_f64()),
        server_bytes: servers.as_deref().and_then(|pids| usage::pss(pids).ok()),
        losses,
        stopped: stop.reason().filter(|_| stop.is_interrupted()),
    };
    print(&summary, &tally, options.json)?;
    Ok(summary.losses.total() == 0)
}

fn plan(options: &SwarmOptions) -> Result<Plan> {
    let address = options.url.address;
    let accept = "Accept: text/event-stream".to_owned();
    let tokens = match (&options.token, &options.token_key) {
        (Some(token), _) => vec![token.clone()],
        (None, Some(key)) => Signer::read(key, options.token_alg, &options.token_claims)?.tokens(
            options.first,
            options.streams,
            "",
        )?,
        (None, None) => Vec::new(),
    };
    Ok(Plan {
        address,
        host: options.url.host.clone(),
        target: options.url.target.clone(),
        headers: [vec![accept], options.header.clone()].concat(),
        tokens,
        streams: options.first..options.first + options.streams,
        follow: options.group.map_or(Follow::One, Follow::Groups),
        payload: options.payload,
        greeting: None,
        ping: None,
        threads: options.threads,
        sources: Plan::sources(address, options.streams, options.sources.map(usize::from)),
        connecting: options.connecting,
        ramp: options.ramp,
        is_first: false,
        resumes: options.reconnect,
        reopens: options.reconnect,
    })
}

fn print(summary: &Summary, tally: &Tally, is_json: bool) -> Result<()> {
    if is_json {
        println!("{}", serde_json::to_string(summary)?);
        return Ok(());
    }
    let Summary { streams, opened, connect_seconds, connects_per_second, .. } = summary;
    println!("streams   {opened} of {streams} open after {connect_seconds:.3} s, {connects_per_second:.0}/s");
    let Summary { connect_p50_ms, connect_p99_ms, .. } = summary;
    println!("          first event after p50 {connect_p50_ms:.3}, p99 {connect_p99_ms:.3} ms");
    let Summary { received, foreign, heartbeats, reopened, .. } = summary;
    println!(
        "events    {received} ours, {foreign} of others, {heartbeats} heartbeats; {reopened} streams opened again"
    );
    if tally.measured > 0 {
        println!(
            "latency   p50 {:.3}, p99 {:.3}, max {:.3} ms",
            summary.p50_ms, summary.p99_ms, summary.max_ms
        );
    }
    if let Some((cpu, bytes)) = summary.server_cpu_seconds.zip(summary.server_bytes) {
        println!("server    {cpu:.3} s CPU, {} KiB (PSS)", bytes / 1024);
    }
    let Losses { refused, closed, gaps, repeats, reorders, damaged, trouble, .. } = &summary.losses;
    println!(
        "losses    {refused} refused, {closed} closed, {gaps} missing, {repeats} repeats, {reorders} reorders, {damaged} damaged"
    );
    if let Some(trouble) = trouble {
        println!("trouble   {trouble}");
    }
    Ok(())
}

fn bar(streams: u64) -> ProgressBar {
    let bar = ProgressBar::new(streams);
    // The template is a constant; a bar without style is still a bar.
    if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} open, {msg}") {
        bar.set_style(style);
    }
    bar
}
