//! The command line.

mod options;
mod serve;

use std::process::ExitCode;

use clap::Parser;

use options::Command;

/// Parses, runs, and maps what went wrong to an exit status: 2 for what was asked for, 1 for what happened.
pub(crate) fn run() -> ExitCode {
    let command = Command::parse_from(options::with_default_command(std::env::args_os()));
    match command {
        Command::Serve(options) => serve::serve(*options),
    }
}
