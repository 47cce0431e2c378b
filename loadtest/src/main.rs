//! A load tester for SSE servers, and the bare send loop ("floor") that they are measured against.
//!
//! It shares no code with the server and knows only the protocol, so that what both get wrong is not
//! wrong in the same way.
//!
//! # Layout
//!
//! - `swarm`: many streams on a server: opened, read, each event checked.
//! - `publish`: publishing to a server, as fast as acknowledged or at a rate.
//! - `attack`: what a stranger does to a server while others use it.
//! - `floor`: the physical limit. Accepts, writes a fixed head, and on a publish does one bare `send`
//!   for each stream.
//! - `run`: scenarios, played in turns on the floor and on servers, each a process of its own.
//! - `peer`: a server to load, described by a file.
//! - `result`, `figure`, `latency`: what a run writes down. `report`: tables and charts of it.
//! - `payload`, `template`, `token`: what is in an event, and in a request.
//! - `dial`, `http`, `sse`: the client's side of the protocol, fed at any cut.
//! - `leash`: processes that end with this one.
//! - `usage`, `machine`: what `/proc` says about processes and about this machine.
//! - `buffers`: what the kernel holds for each socket.

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
mod leash;
mod machine;
mod payload;
mod peer;
mod publish;
mod report;
mod result;
mod run;
mod sse;
mod stop;
mod swarm;
mod template;
mod token;
mod usage;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use cli::{Cli, Command};

/// Exit status: 0 when every stream got every event once and in order, 1 when not or when the run
/// could not be done, 2 for a bad option.
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
        Command::Crew => swarm::serve_crews().map(|()| true),
        Command::Leash(options) => leash::tie(&options).map(|never| match never {}),
    }
}
