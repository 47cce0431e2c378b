//! Runs scenarios on several servers in turn, over several rounds: only figures of one run on one machine are comparable.

mod abuse;
mod access;
mod audience;
mod course;
mod execution;
mod figures;
mod folder;
mod large;
mod measure;
mod restart;
mod server;
mod stage;
mod tokens;
mod wildcards;

use std::fs::OpenOptions;
use std::io::Write as _;

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::RunOptions;
use crate::clock;
use crate::machine::Machine;
use crate::peer::Peer;
use crate::report;
use crate::result::Outcome;
use crate::scenario::Scenario;
use crate::stop::Stop;
use access::Access;
use folder::Folder;
use stage::{Setting, Stage};

struct Target {
    peer: Peer,
    version: String,
}

/// One scenario with one number of streams.
struct Piece {
    scenario: Scenario,
    streams: usize,
    name: String,
}

/// Runs the scenarios, writes a line for each, and prints the tables. Returns whether every round was clean.
pub(crate) fn command(options: &RunOptions) -> Result<bool> {
    let stop = Stop::after(options.deadline)?;
    let targets = targets(options)?;
    let pieces = pieces(options);
    let mut file = match &options.out {
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            Some(file.with_context(|| format!("cannot write {}", path.display()))?)
        }
        None => None,
    };
    let bar = bar(pieces.len() * options.rounds * targets.len());
    let mut outcomes = Vec::new();
    let played = play_all(options, &targets, &pieces, &stop, &bar, &mut |outcome| {
        if let Some(file) = &mut file {
            writeln!(file, "{}", serde_json::to_string(&outcome)?)?;
        }
        outcomes.push(outcome);
        Ok(())
    });
    bar.finish_and_clear();
    if !outcomes.is_empty() {
        println!("{}", report::tables(&outcomes, options.brief));
    }
    // Results are printed even if the run ends early.
    played?;
    Ok(!outcomes.is_empty() && outcomes.iter().all(Outcome::is_clean))
}

/// Ends early when the run is to stop, or when a server cannot be started: it would fail in each round.
fn play_all(
    options: &RunOptions,
    targets: &[Target],
    pieces: &[Piece],
    stop: &Stop,
    bar: &ProgressBar,
    sink: &mut impl FnMut(Outcome) -> Result<()>,
) -> Result<()> {
    let (run, machine) = (clock::unix_seconds(), Machine::this());
    for piece in pieces {
        for round in 1..=options.rounds {
            for target in in_turn(targets, round) {
                let name = &target.peer.name;
                if let Some(why) = piece.scenario.excludes(&target.peer) {
                    bar.suspend(|| eprintln!("{}: {name} is skipped: {why}", piece.name));
                    bar.inc(1);
                    continue;
                }
                bar.set_message(format!("{}, round {round}: {name}", piece.name));
                if bar.is_hidden() {
                    eprintln!("{}, round {round} of {}: {name}", piece.name, options.rounds);
                }
                let played = play(options, piece, target, stop);
                if stop.reason().is_some() && played.is_err() {
                    return Ok(());
                }
                let played = played.with_context(|| format!("{}, round {round}, {name}", piece.name))?;
                let outcome = Outcome { run, round, machine: machine.clone(), ..played };
                if !outcome.is_clean() {
                    let Outcome { losses, stopped, .. } = &outcome;
                    let why = stopped.as_deref().unwrap_or("done");
                    bar.suspend(|| eprintln!("{}, {name}: NOT CLEAN: {why}, {losses:?}", piece.name));
                }
                sink(outcome)?;
                bar.inc(1);
                if stop.reason().is_some() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Every second round is in reverse order, so that no target always follows the same one.
fn in_turn(targets: &[Target], round: usize) -> Vec<&Target> {
    let mut all: Vec<&Target> = targets.iter().collect();
    if round.is_multiple_of(2) {
        all.reverse();
    }
    all
}

fn play(options: &RunOptions, piece: &Piece, target: &Target, stop: &Stop) -> Result<Outcome> {
    let Target { peer, version } = target;
    let scenario = piece.scenario;
    let mut more = scenario.arguments(peer);
    let own = match &*peer.name {
        "floor" => &options.floor_args,
        "fanfare" => &options.server_args,
        _ => "",
    };
    more.extend(own.split_ascii_whitespace().map(str::to_owned));
    let _folder = Folder::name_in(&mut more)?;
    let access = scenario.is_secured().then(|| Access::new(peer)).transpose()?;
    more.extend(access.iter().flat_map(Access::arguments));
    let setting = Setting {
        arguments: &more,
        payload: scenario.payload(options),
        is_restarted: scenario == Scenario::Restart,
        access: access.as_ref(),
        descriptors: scenario.descriptors(),
    };
    let mut stage = Stage::new(peer, options, &setting, stop)?;
    let played = scenario.play(&mut stage, options, piece.streams);
    // A server that fails is a result; the run continues with the next.
    let stopped = match (stop.reason(), played) {
        (Some(reason), _) => Some(reason.to_owned()),
        (None, Err(error)) => Some(format!("failed: {error:#}")),
        (None, Ok(())) => None,
    };
    let (figures, latency, losses) = stage.finish(scenario.is_whole() && stopped.is_none())?;
    Ok(Outcome {
        run: 0,
        scenario: piece.name.clone(),
        target: peer.name.clone(),
        version: version.clone(),
        round: 0,
        machine: Machine::this(),
        load: scenario.load(options, piece.streams),
        figures,
        latency,
        losses,
        stopped,
    })
}

/// The named targets, and those described by files.
fn targets(options: &RunOptions) -> Result<Vec<Target>> {
    let mut peers = [&options.target[..], &options.peer].concat();
    if peers.is_empty() {
        peers = vec![Peer::built_in("floor")?, Peer::built_in("fanfare")?];
    }
    let target = |peer| Target { version: server::version(&peer), peer };
    Ok(peers.into_iter().map(target).collect())
}

fn pieces(options: &RunOptions) -> Vec<Piece> {
    let scenarios = options.scenarios();
    let piece = |scenario: Scenario, streams: usize| {
        let name = match options.streams.len() {
            1 => scenario.name(),
            _ => format!("{}-{streams}", scenario.name()),
        };
        Piece { scenario, streams, name }
    };
    let counts = &options.streams;
    scenarios.iter().flat_map(|&one| counts.iter().map(move |&streams| piece(one, streams))).collect()
}

fn bar(length: usize) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    // The template is a constant; a bar without style is still a bar.
    if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar
}
