//! Processes that do not outlive this one, however it ends.

use std::convert::Infallible;
use std::env;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{self, Command};

use anyhow::{Context as _, Error, Result, ensure};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use crate::cli::LeashOptions;

/// Runs `program` through this one, which ties it to its parent first. It has a process group of its own, so that
/// a Ctrl-C in a terminal reaches only the parent, which wants what its children have before they end.
pub(crate) fn command(program: &Path) -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("leash").arg(process::id().to_string()).arg(program).process_group(0);
    Ok(command)
}

/// Becomes the program.
pub(crate) fn tie(options: &LeashOptions) -> Result<Infallible> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before that.
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    ensure!(parent == Some(options.parent), "the parent is gone");
    let [program, arguments @ ..] = &*options.command else { unreachable!("an option that is required") };
    let error = Command::new(program).args(arguments).exec();
    let hint = match error.kind() {
        ErrorKind::NotFound => {
            ": those of this repository are made by `cargo build --release --workspace --bins --examples`, others are to be on the path"
        }
        _ => "",
    };
    Err(Error::from(error)).with_context(|| format!("cannot run {}{hint}", program.display()))
}
