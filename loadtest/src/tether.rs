//! Child processes that the kernel kills when this process ends, however it ends.

use std::convert::Infallible;
use std::env;
use std::io::ErrorKind;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{self, Command, Stdio};

use anyhow::{Context as _, Error, Result, ensure};
use command_fds::{CommandFdExt as _, FdMapping};
use rlimit::Resource;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use crate::cli::TetherOptions;

/// The descriptor of the first listening socket that a service manager passes on: sd_listen_fds(3).
const FIRST_LISTENER: i32 = 3;

/// A command that runs `program` through this executable, which ties it to its parent first. It gets its own process
/// group, so that Ctrl-C in a terminal reaches only the parent: it still needs results of its children. `listener` is passed
/// on as a service manager does it. `descriptors` is its descriptor limit; `None` keeps the limit of this process.
pub(crate) fn command(
    program: &Path,
    listener: Option<OwnedFd>,
    descriptors: Option<u64>,
) -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("tether");
    if let Some(descriptors) = descriptors {
        command.args(["--descriptors", &descriptors.to_string()]);
    }
    if listener.is_some() {
        command.arg("--listener");
    }
    command.arg(process::id().to_string()).arg(program).process_group(0);
    command.stdin(listener.map_or_else(Stdio::null, Stdio::from));
    Ok(command)
}

/// Replaces this process by the program. Returns only on failure.
pub(crate) fn tie(options: &TetherOptions) -> Result<Infallible> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have ended before the call.
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    ensure!(parent == Some(options.parent), "the parent is gone");
    if let Some(descriptors) = options.descriptors {
        Resource::NOFILE.set(descriptors, descriptors)?;
    }
    let [program, arguments @ ..] = &*options.command else { unreachable!("an option that is required") };
    let mut command = Command::new(program);
    command.args(arguments);
    if options.listener {
        // Replaces whatever this process has under that number.
        let listener = std::io::stdin().as_fd().try_clone_to_owned()?;
        command.fd_mappings(vec![FdMapping { parent_fd: listener, child_fd: FIRST_LISTENER }])?;
        command.env("LISTEN_FDS", "1").env("LISTEN_PID", process::id().to_string()).stdin(Stdio::null());
    }
    let error = command.exec();
    let hint = match error.kind() {
        ErrorKind::NotFound => {
            ": those of this repository are made by `cargo build --release --workspace --bins --examples`, others must be on the path"
        }
        _ => "",
    };
    Err(Error::from(error)).with_context(|| format!("cannot run {}{hint}", program.display()))
}
