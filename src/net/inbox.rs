//! The ways into the threads: a channel each, and a wake that is not repeated while one is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::Waker;

use super::worker::Letter;
use crate::shard::{Command, Outlet};

/// Where letters for one thread are put.
pub(super) struct Inbox<T> {
    sender: Sender<T>,
    wake: Arc<Wake>,
}

/// Where that thread takes them out.
pub(super) struct Letters<T> {
    receiver: Receiver<T>,
    wake: Arc<Wake>,
}

struct Wake {
    waker: Waker,
    pending: AtomicBool,
}

pub(super) fn inbox<T>(waker: Waker) -> (Inbox<T>, Letters<T>) {
    let (sender, receiver) = unbounded();
    let wake = Arc::new(Wake { waker, pending: AtomicBool::new(false) });
    (Inbox { sender, wake: wake.clone() }, Letters { receiver, wake })
}

impl<T> Inbox<T> {
    /// Puts a letter in and wakes the thread. One to a thread that has ended is dropped; false says so.
    pub(super) fn send(&self, letter: T) -> bool {
        let sent = self.put(letter);
        if sent {
            self.wake();
        }
        sent
    }

    /// Puts a letter in that can wait until the thread is woken.
    fn put(&self, letter: T) -> bool {
        self.sender.send(letter).is_ok()
    }

    fn wake(&self) {
        if !self.wake.pending.swap(true, Ordering::AcqRel) {
            // It fails only where the poll is gone, and its thread with it.
            let _ = self.wake.waker.wake();
        }
    }
}

impl<T> Letters<T> {
    /// Lets the next letter wake the thread again; to be called before letters are taken out, so that none is
    /// put in unseen between the last look and the wait.
    pub(super) fn rearm(&self) {
        self.wake.pending.swap(false, Ordering::AcqRel);
    }

    pub(super) fn next(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }
}

/// What may wait for an event loop.
#[derive(Clone, Copy, Debug)]
pub(super) struct InboxLimits {
    /// Publications.
    pub(super) records: usize,
    /// Their bytes.
    pub(super) bytes: usize,
}

/// Counts the publications that wait for one event loop. The channel itself is unbounded, so that a refusal can
/// be decided for all loops before anything is sent; joins and commands are bounded by who can send one.
pub(super) struct Gauge {
    limits: InboxLimits,
    records: AtomicUsize,
    bytes: AtomicUsize,
}

impl Gauge {
    pub(super) fn new(limits: InboxLimits) -> Self {
        Self { limits, records: AtomicUsize::new(0), bytes: AtomicUsize::new(0) }
    }

    /// Publications that wait.
    pub(super) fn records(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }

    /// Always room for one batch, however large, where nothing waits.
    fn has_room(&self, records: usize, bytes: usize) -> bool {
        let (waiting, waiting_bytes) = (self.records(), self.bytes.load(Ordering::Relaxed));
        waiting == 0
            || (waiting + records <= self.limits.records && waiting_bytes + bytes <= self.limits.bytes)
    }

    fn enter(&self, (records, bytes): (usize, usize)) {
        self.records.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn leave(&self, command: &Command) {
        self.leave_weight(weight(command));
    }

    fn leave_weight(&self, (records, bytes): (usize, usize)) {
        self.records.fetch_sub(records, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn weight(command: &Command) -> (usize, usize) {
    match command {
        Command::Publish(record) => (1, record.size()),
        Command::PublishBatch(records) => (records.len(), records.iter().map(|record| record.size()).sum()),
        _ => (0, 0),
    }
}

/// Publications that a loop without streams is left to sleep through.
const SLEPT_THROUGH: usize = 1024;

/// The way into one event loop.
pub(super) struct LoopInbox {
    inbox: Inbox<Letter>,
    pub(super) gauge: Arc<Gauge>,
    /// It has no stream, and looks here before it opens one: publications need not wake it.
    idle: AtomicBool,
}

impl LoopInbox {
    pub(super) fn new(inbox: Inbox<Letter>, gauge: Arc<Gauge>) -> Self {
        Self { inbox, gauge, idle: AtomicBool::new(false) }
    }

    pub(super) fn send(&self, letter: Letter) -> bool {
        self.inbox.send(letter)
    }

    /// Wakes the loop if publications wait that concern it.
    pub(super) fn wake(&self) {
        let records = self.gauge.records();
        let is_slept_through = records < SLEPT_THROUGH && self.idle.load(Ordering::SeqCst);
        if records > 0 && !is_slept_through {
            self.inbox.wake();
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.idle.load(Ordering::Relaxed)
    }

    /// For the loop itself. After `false` it has to look into its inbox before it sleeps: what was put in before did
    /// not wake it.
    pub(super) fn set_idle(&self, idle: bool) {
        self.idle.store(idle, Ordering::SeqCst);
    }
}

impl Outlet for LoopInbox {
    fn has_room(&self, records: usize, bytes: usize) -> bool {
        self.gauge.has_room(records, bytes)
    }

    /// Publications do not wake the loop: many are put in, and then it is woken once.
    fn send(&self, command: Command) {
        let weight = weight(&command);
        self.gauge.enter(weight);
        let sent = match command {
            Command::Publish(_) | Command::PublishBatch(_) => self.inbox.put(Letter::Command(command)),
            _ => self.inbox.send(Letter::Command(command)),
        };
        if !sent {
            // The loop has ended; what is for its streams must not count against others.
            self.gauge.leave_weight(weight);
        }
    }
}
