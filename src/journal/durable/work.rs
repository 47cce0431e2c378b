//! What a durable journal has threads for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::event::Now;

/// The clocks of the machine.
pub trait Clock: Send + Sync {
    /// One reading of both.
    fn now(&self) -> Now;

    /// Time since the start of the engine, at the precision of the machine. For measurements only.
    fn elapsed(&self) -> Duration;
}

/// Something that waits for the disk, for a thread of its own. It returns once the journal is closed.
pub struct Work {
    /// What it does, in one word.
    pub name: &'static str,
    run: Box<dyn FnOnce(Arc<dyn Clock>) + Send>,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Work {
    pub(super) fn new(name: &'static str, run: impl FnOnce(Arc<dyn Clock>) + Send + 'static) -> Self {
        Self { name, run: Box::new(run) }
    }

    /// Does it, on this thread.
    pub fn run(self, clock: Arc<dyn Clock>) {
        (self.run)(clock);
    }
}
