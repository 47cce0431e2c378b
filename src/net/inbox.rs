//! The ways into the threads: a channel each, and a wake that is not repeated while one is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::Waker;

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
    /// Puts a letter in. One to a thread that has ended is dropped; false says so.
    pub(super) fn send(&self, letter: T) -> bool {
        let sent = self.sender.send(letter).is_ok();
        if sent && !self.wake.pending.swap(true, Ordering::AcqRel) {
            // It fails only where the poll is gone, and its thread with it.
            let _ = self.wake.waker.wake();
        }
        sent
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

/// The way into one event loop.
pub(super) struct LoopInbox {
    pub(super) inbox: Inbox<super::worker::Letter>,
    pub(super) gauge: Arc<Gauge>,
}

impl Outlet for LoopInbox {
    fn has_room(&self, records: usize, bytes: usize) -> bool {
        self.gauge.has_room(records, bytes)
    }

    fn send(&self, command: Command) {
        let weight = weight(&command);
        self.gauge.enter(weight);
        if !self.inbox.send(super::worker::Letter::Command(command)) {
            // The loop has ended; what is for its streams must not count against others.
            self.gauge.leave_weight(weight);
        }
    }
}
