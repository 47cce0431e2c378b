//! The inbox of a shard, which keeps what it is sent.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanfare::shard::{Command, ShardSender};

#[derive(Default)]
pub(crate) struct Inbox {
    commands: Mutex<VecDeque<Command>>,
}

impl Inbox {
    pub(crate) fn next(&self) -> Option<Command> {
        self.commands().pop_front()
    }

    fn commands(&self) -> MutexGuard<'_, VecDeque<Command>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way into it, for one journal: what an earlier one sends after its end goes nowhere.
pub(crate) struct Sender {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) is_open: Arc<AtomicBool>,
}

impl ShardSender for Sender {
    fn has_room(&self, _: usize, _: usize) -> bool {
        true
    }

    fn wait_for_room(&self, _: usize, _: usize, _: Duration) -> bool {
        true
    }

    fn send(&self, command: Command) {
        if self.is_open.load(Ordering::Relaxed) {
            self.inbox.commands().push_back(command);
        }
    }

    fn wake(&self) {}
}
