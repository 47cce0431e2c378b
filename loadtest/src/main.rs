//! A load tester for SSE servers, and the bare send loop (the "floor") that they are compared with.
//!
//! It shares no code with the server and knows only the protocol: a shared mistake would go unnoticed.
//!
//! # Layout
//!
//! - `swarm`: opens many streams on a server, reads them, and checks each event.
//! - `publish`: publishes to a server, as fast as it acknowledges or at a rate.
//! - `attack`: attacks a server while others use it.
//! - `floor`: the lower bound: a server that writes a fixed response head, and does one `send` per event
//!   and stream.
//! - `scenario`: the scenarios by name. `run`: runs them on the floor and on servers in turn, each server in
//!   its own process.
//! - `cli`: the command line, which the commands take their options from.
//! - `peer`: a server to load, described by a file.
//! - `result`, `figure`, `latency`: the results of a run. `report`: tables and charts of them.
//! - `payload`, `template`, `token`: the contents of events and requests.
//! - `dial`, `http`, `sse`: the client side of the protocol; input may be split anywhere.
//! - `tether`: child processes that end with this process.
//! - `usage`, `machine`: CPU time and memory of processes, and this machine, from `/proc`.
//! - `buffers`: kernel memory of each socket's send buffer.

mod attack;
mod buffers;
mod cli;
mod clock;
mod dial;
mod endpoint;
mod figure;
mod floor;
mod http;
mod latency;
mod machine;
mod payload;
mod peer;
mod publish;
mod report;
mod result;
mod run;
mod scenario;
mod sse;
mod stop;
mod swarm;
mod template;
mod tether;
mod token;
mod usage;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use cli::{Cli, Command};

/// Exit status: 0 if every stream received every event once and in order, 1 if not or if the run failed, 2 for an
/// invalid option.
fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the run was clean.
fn run(command: Command) -> Result<bool> {
    // A stream costs one descriptor on either side, and the soft limit is often 1024.
    rlimit::increase_nofile_limit(u64::MAX)?;
    match command {
        Command::Swarm(options) => swarm::command(&options),
        Command::Publish(options) => publish::command(&options),
        Command::Floor(options) => floor::run(&options).map(|()| true),
        Command::Run(options) => run::command(&options),
        Command::Report(options) => report::command(&options),
        Command::Worker => swarm::serve_workers().map(|()| true),
        Command::Tether(options) => tether::tie(&options).map(|never| match never {}),
    }
}
