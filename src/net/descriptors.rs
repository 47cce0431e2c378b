//! File descriptors: how many there may be, and the few kept back.

use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};

/// Descriptors kept back so that connections can still be refused in good form when all others are used.
const RESERVE: usize = 8;

/// Raises the soft limit of the process to the hard one, and tells it.
pub(crate) fn raise_limit() -> io::Result<u64> {
    rlimit::increase_nofile_limit(rlimit::INFINITY)
}

/// How many streams a descriptor limit allows, less what all else needs: listeners, polls, publishers, and
/// connections whose request is not known yet.
pub(crate) fn streams_within(limit: u64) -> usize {
    let others = (limit / 50).clamp(64, 1024);
    usize::try_from(limit.saturating_sub(others).max(1)).unwrap_or(usize::MAX)
}

/// How many descriptors the process has open. `None` where the kernel does not tell it at once, as Linux does from 6.2
/// on: to count them one by one would keep an event loop.
pub(super) fn open() -> Option<u64> {
    std::fs::metadata("/proc/self/fd").ok().map(|folder| folder.len()).filter(|open| *open > 0)
}

/// The same, counted one by one where it must be. Only for when there are few.
pub(super) fn count_open() -> Option<usize> {
    if let Some(open) = open() {
        return usize::try_from(open).ok();
    }
    // One of them is the folder's own.
    ["/proc/self/fd", "/dev/fd"]
        .iter()
        .find_map(|path| Some(std::fs::read_dir(path).ok()?.count().saturating_sub(1)))
}

/// How many it may have.
pub(super) fn limit() -> Option<u64> {
    rlimit::Resource::NOFILE.get_soft().ok()
}

/// Whether an error says that there are no descriptors left, for the process or the machine.
pub(super) fn are_exhausted(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// The descriptors kept back.
#[derive(Debug)]
pub(super) struct Reserve(Mutex<Vec<File>>);

impl Reserve {
    pub(super) fn new() -> Self {
        let reserve = Self(Mutex::default());
        reserve.refill();
        reserve
    }

    /// Gives one back to the system, to be used at once. False where there is none left.
    pub(super) fn lend(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().is_some()
    }

    /// Takes back as many as can be had; true if that is at least one.
    pub(super) fn refill(&self) -> bool {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while files.len() < RESERVE {
            match File::open("/dev/null") {
                Ok(file) => files.push(file),
                Err(_) => break,
            }
        }
        !files.is_empty()
    }
}
