//! A load tester for SSE servers, and the bare send loop ("floor") that they are measured against.
//!
//! It shares no code with the server and knows only the protocol, so that what both get wrong is not
//! wrong in the same way.
//!
//! # Layout
//!
//! - `floor`: the physical limit. Accepts, writes a fixed head, and on a publish does one bare `send`
//!   for each stream.
//! - `load`: opens streams on a server, publishes, checks that each stream gets each event once and in
//!   order, and measures both sides.
//! - `compare`: runs `load` in turns against the floor and a server, each a process of its own.
//! - `http`, `sse`: the client's side of the protocol, fed at any cut.
//! - `usage`, `machine`: what `/proc` says about a process and about this machine.

mod cli;
mod clock;
mod compare;
mod endpoint;
mod floor;
mod http;
mod load;
mod machine;
mod sse;
mod stop;
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
        Command::Floor(options) => floor::run(&options).map(|()| true),
        Command::Load(options) => load::command(&options),
        Command::Compare(options) => compare::command(&options),
    }
}
