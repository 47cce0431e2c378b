//! Exit statuses, and messages on standard error.

use std::io::{self, Write};
use std::process::ExitCode;

use super::terminal::one_line;

/// Exit status: asked for what cannot be.
pub(super) const USAGE: u8 = 2;
/// Exit status: the operation failed.
pub(super) const FAILED: u8 = 1;

/// Tells what went wrong on standard error, and returns the exit status.
pub(super) fn fail(status: u8, message: &str) -> ExitCode {
    notice(message);
    ExitCode::from(status)
}

/// Tells something on standard error, in one line.
pub(super) fn notice(message: &str) {
    // Not with eprintln!, which panics where nobody reads.
    let _ = writeln!(io::stderr(), "fanfare: {}", one_line(message));
}
