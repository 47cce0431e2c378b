//! What stands between the journal and a shard, as an event loop's inbox does.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fanfare::shard::{Command, Newest, ShardSender};

/// An inbox of a shard; publications that wait are limited.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) commands: Mutex<VecDeque<Command>>,
    limit: usize,
    /// Publications pass it by, and the newest that did: as an event loop's while it has no stream.
    closed: AtomicBool,
    passed: Mutex<Option<Newest>>,
}

impl ShardSender for Inbox {
    fn has_room(&self, records: usize, _: usize) -> bool {
        self.commands.lock().unwrap().len() + records <= self.limit
    }

    fn send(&self, command: Command) {
        if let Some(newest) = command.newest().filter(|_| self.closed.load(Ordering::Relaxed)) {
            *self.passed.lock().unwrap() = Some(newest);
            return;
        }
        self.commands.lock().unwrap().push_back(command);
    }

    fn wait_for_room(&self, records: usize, bytes: usize, _: Duration) -> bool {
        self.has_room(records, bytes)
    }

    fn wake(&self) {}
}

impl Inbox {
    pub(crate) fn with_limit(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Publications of which a shard without streams need not know pass it by from now on.
    pub(crate) fn close_unless(&self, has_streams: bool) {
        let is_waiting =
            |command: &Command| matches!(command, Command::Publish(_) | Command::PublishBatch(_));
        let waiting = self.commands.lock().unwrap().iter().any(is_waiting);
        self.closed.store(!waiting && !has_streams, Ordering::Relaxed);
    }

    /// None passes it by any more; the newest that did, if it was closed.
    pub(crate) fn open(&self) -> Option<Newest> {
        self.closed.swap(false, Ordering::Relaxed).then(|| self.passed.lock().unwrap().take()).flatten()
    }
}
