//! The syncer: brings to the disk what the kernel holds, while more is committed.

use crossbeam_channel::Receiver;

use crate::journal::log::Unsynced;

/// Waits for the disk where events are synced some time after they were published.
#[derive(Debug)]
pub struct Syncer {
    from: Receiver<Unsynced>,
}

impl Syncer {
    pub(super) fn new(from: Receiver<Unsynced>) -> Self {
        Self { from }
    }

    /// Syncs what it is given, until the committer has ended.
    pub(super) fn run(self) {
        for unsynced in &self.from {
            sync(unsynced);
        }
    }

    /// Syncs what it was given.
    pub fn turn(&mut self) {
        self.from.try_iter().for_each(sync);
    }
}

fn sync(unsynced: Unsynced) {
    // From now on all is refused.
    if let Err(error) = unsynced.sync() {
        tracing::error!(%error, "the history could not be synced; nothing is published until a restart");
    }
}
