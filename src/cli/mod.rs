//! The command line.

mod arguments;
mod backoff;
mod batch;
mod event_stream;
mod exit;
mod failure;
mod file;
mod history;
mod log;
mod message;
mod options;
mod printer;
mod proxy;
mod publish;
mod remote;
mod requests;
mod serve;
mod spool;
mod tail;
mod terminal;
mod value;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use fanfare::Engine;

use arguments::Stop;
use exit::{USAGE, fail};
use options::Command;

/// Parses, runs, and maps errors to an exit status: 2 for wrong usage, 1 for failures.
pub(crate) fn run() -> ExitCode {
    let args = arguments::with_default_command(std::env::args_os());
    match arguments::parse(args) {
        Ok(Command::Serve(options)) => serve::serve(*options),
        Ok(Command::Publish(options)) => publish::publish(*options),
        Ok(Command::Tail(options)) => tail::tail(*options),
        Ok(Command::History(options)) => history::history(*options),
        Ok(Command::Config) => print(file::DEFAULT),
        Ok(Command::Check { file }) => check(&file),
        Err(Stop::Help(text)) => print(&text),
        Err(Stop::Wrong(message)) => fail(USAGE, &message),
    }
}

/// Checks whether a server could start with this file.
fn check(path: &Path) -> ExitCode {
    let checked = arguments::parse_file(path).and_then(|options| {
        let builder = Engine::builder().config(options.resolve());
        builder.check().map_err(|error| format!("{}: {error}", path.display()))
    });
    match checked {
        Ok(()) => print(&format!("{}: ok\n", path.display())),
        Err(message) => fail(USAGE, &message),
    }
}

/// The reader may be gone.
fn print(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
