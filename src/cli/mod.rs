//! The command line.

mod options;
mod serve;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use options::Command;

/// Parses, runs, and maps what went wrong to an exit status: 2 for what was asked for, 1 for what happened.
pub(crate) fn run() -> ExitCode {
    match Command::try_parse_from(options::with_default_command(std::env::args_os())) {
        Ok(Command::Serve(options)) => serve::serve(*options),
        Err(error) if error.use_stderr() => {
            let text = error.to_string();
            fail(USAGE, &in_one_line(&text))
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

/// What was wrong, and which values there are, without the usage that follows: one line is what logs and
/// people read.
fn in_one_line(text: &str) -> String {
    let is_own = |line: &&str| !line.starts_with("Usage:") && !line.starts_with("For more information");
    let own: Vec<&str> =
        text.lines().map(str::trim).take_while(is_own).filter(|line| !line.is_empty()).collect();
    let line = own.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

fn fail(status: u8, message: &str) -> ExitCode {
    // Not with eprintln!, which panics where nobody reads.
    let _ = writeln!(io::stderr(), "fanfare: {message}");
    ExitCode::from(status)
}
