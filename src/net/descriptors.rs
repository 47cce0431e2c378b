//! File descriptors: their limit, and the few held in reserve.

use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};

/// Descriptors held in reserve, so that connections can still be refused properly when all others are in use.
const RESERVE: usize = 8;

/// Raises the soft limit of the process to the hard limit, and returns it.
pub(crate) fn raise_limit() -> io::Result<u64> {
    rlimit::increase_nofile_limit(rlimit::INFINITY)
}

/// The number of streams that a descriptor limit allows, less what everything else needs: listeners, polls, publishers,
/// and connections whose request is not known yet.
pub(crate) fn streams_within(limit: u64) -> usize {
    let others = (limit / 50).clamp(64, 1024);
    usize::try_from(limit.saturating_sub(others).max(1)).unwrap_or(usize::MAX)
}

/// The number of descriptors that the process has open. `None` if the kernel does not tell it at once, as Linux does
/// since 6.2: counting them one by one would block an event loop.
pub(super) fn open() -> Option<u64> {
    std::fs::metadata("/proc/self/fd").ok().map(|folder| folder.len()).filter(|open| *open > 0)
}

/// The same, counted one by one if necessary. Only for when there are few.
pub(super) fn count_open() -> Option<usize> {
    if let Some(open) = open() {
        return usize::try_from(open).ok();
    }
    // One of them belongs to the folder itself.
    ["/proc/self/fd", "/dev/fd"]
        .iter()
        .find_map(|path| Some(std::fs::read_dir(path).ok()?.count().saturating_sub(1)))
}

/// The limit of descriptors of the process.
pub(super) fn limit() -> Option<u64> {
    rlimit::Resource::NOFILE.get_soft().ok()
}

/// Whether an error says that the process or the machine is out of descriptors.
pub(super) fn are_exhausted(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// The descriptors held in reserve.
#[derive(Debug)]
pub(super) struct Reserve(Mutex<Vec<File>>);

impl Reserve {
    pub(super) fn new() -> Self {
        let reserve = Self(Mutex::default());
        reserve.refill();
        reserve
    }

    /// Closes one, so that it can be used at once. False if none is left.
    pub(super) fn lend(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().is_some()
    }

    /// Opens as many again as possible; true if at least one is in reserve.
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
