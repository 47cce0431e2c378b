//! What a durable journal has threads for.

use std::fmt;
use std::sync::Arc;

use crate::event::Now;

/// Reads the clocks.
pub type ReadNow = Arc<dyn Fn() -> Now + Send + Sync>;

/// Something that waits for the disk, for a thread of its own. It returns once the journal is closed.
pub struct Work {
    /// What it does, in one word.
    pub name: &'static str,
    run: Box<dyn FnOnce(ReadNow) + Send>,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Work {
    pub(super) fn new(name: &'static str, run: impl FnOnce(ReadNow) + Send + 'static) -> Self {
        Self { name, run: Box::new(run) }
    }

    /// Does it, on this thread.
    pub fn run(self, read_now: ReadNow) {
        (self.run)(read_now);
    }
}
