//! The command line.

mod options;
mod serve;

use std::process::ExitCode;

use clap::Parser;

use options::Command;

/// Parses, runs, and maps what went wrong to an exit status: 2 for what was asked for, 1 for what happened.
pub(crate) fn run() -> ExitCode {
    match Command::try_parse_from(options::with_default_command(std::env::args_os())) {
        Ok(Command::Serve(options)) => serve::serve(*options),
        Err(error) if error.use_stderr() => {
            let text = error.to_string();
            fail(USAGE, first_line(&text))
        }
        // Help and version are errors to the parser; whoever asked may have stopped reading.
        Err(help) => {
            let _ = help.print();
            ExitCode::SUCCESS
        }
    }
}

/// Asked for what cannot be.
const USAGE: u8 = 2;

/// What was wrong, without the hints that follow it: one line is what logs and people read.
fn first_line(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line)
}

fn fail(status: u8, message: &str) -> ExitCode {
    eprintln!("fanfare: {message}");
    ExitCode::from(status)
}
