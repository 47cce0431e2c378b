//! The inboxes of threads: one channel each, and a waker that is not called again while a wake is pending.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Sender, unbounded};
use mio::Waker;

use super::message::LoopMessage;
use crate::shard::{Command, Newest, ShardSender};

/// The sending end of a thread's inbox.
pub(super) struct Inbox<T> {
    sender: Sender<T>,
    wake: Arc<Wake>,
}

/// The receiving end.
pub(super) struct Receiver<T> {
    receiver: crossbeam_channel::Receiver<T>,
    wake: Arc<Wake>,
}

struct Wake {
    waker: Waker,
    pending: AtomicBool,
}

pub(super) fn inbox<T>(waker: Waker) -> (Inbox<T>, Receiver<T>) {
    let (sender, receiver) = unbounded();
    let wake = Arc::new(Wake { waker, pending: AtomicBool::new(false) });
    (Inbox { sender, wake: wake.clone() }, Receiver { receiver, wake })
}

impl<T> Inbox<T> {
    /// Sends a message and wakes the thread. False if the thread has ended; the message is dropped then.
    pub(super) fn send(&self, message: T) -> bool {
        let sent = self.put(message);
        if sent {
            self.wake();
        }
        sent
    }

    /// Sends a message that can wait until the thread is woken.
    fn put(&self, message: T) -> bool {
        self.sender.send(message).is_ok()
    }

    fn wake(&self) {
        if !self.wake.pending.swap(true, Ordering::AcqRel) {
            // It fails only if the poll is gone, and its thread with it.
            let _ = self.wake.waker.wake();
        }
    }
}

impl<T> Receiver<T> {
    /// Allows the next message to wake the thread again. Call it before receiving messages, so that none is missed
    /// between the last look and the wait.
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

/// Limits of what may wait for an event loop.
#[derive(Clone, Copy, Debug)]
pub(super) struct InboxLimits {
    /// Publications.
    pub(super) records: usize,
    /// Their bytes.
    pub(super) bytes: usize,
}

/// Counts the publications that wait for one event loop. The channel itself is unbounded, so that a refusal can be
/// decided for all loops before anything is sent; joins and commands are bounded by who can send them.
pub(super) struct InboxLoad {
    limits: InboxLimits,
    records: AtomicUsize,
    bytes: AtomicUsize,
    /// Threads that wait for room.
    waiting: AtomicUsize,
    lock: Mutex<()>,
    room: Condvar,
}

impl InboxLoad {
    pub(super) fn new(limits: InboxLimits) -> Self {
        let (records, bytes, waiting) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        Self { limits, records, bytes, waiting, lock: Mutex::new(()), room: Condvar::new() }
    }

    /// Number of waiting publications.
    pub(super) fn records(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }

    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// There is always room for one batch, however large, if nothing waits.
    fn has_room(&self, records: usize, bytes: usize) -> bool {
        let waiting = self.records.load(Ordering::SeqCst);
        let waiting_bytes = self.bytes.load(Ordering::SeqCst);
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
        // Before checking for waiting threads, which announce themselves before they read these counts.
        self.records.fetch_sub(records, Ordering::SeqCst);
        self.bytes.fetch_sub(bytes, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            drop(self.lock.lock());
            self.room.notify_all();
        }
    }

    fn wait_for_room(&self, records: usize, bytes: usize, at_most: Duration) -> bool {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        // Nothing under the lock can panic.
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |(): &mut ()| !self.has_room(records, bytes);
        let (guard, _) =
            self.room.wait_timeout_while(guard, at_most, is_full).unwrap_or_else(PoisonError::into_inner);
        drop(guard);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        self.has_room(records, bytes)
    }
}

fn weight(command: &Command) -> (usize, usize) {
    match command {
        Command::Publish(record) => (1, record.size()),
        Command::PublishBatch(records) => (records.len(), records.iter().map(|record| record.size()).sum()),
        _ => (0, 0),
    }
}

/// Bytes of publications that may wait for a loop before it is woken, even if the publisher has more to send and will
/// wake it at the end: handing these out takes longer than a wake.
const EARLY: usize = 64 * 1024;

/// The sending end of an event loop's inbox.
pub(super) struct LoopInbox {
    inbox: Inbox<LoopMessage>,
    pub(super) load: Arc<InboxLoad>,
    intake: Mutex<Intake>,
}

/// Whether publications are sent to the loop. Not while it has no stream: they must not fill the inbox, nor wake the
/// loop.
#[derive(Default)]
struct Intake {
    closed: bool,
    /// The newest event that was not sent.
    passed: Option<Newest>,
}

impl LoopInbox {
    pub(super) fn new(inbox: Inbox<LoopMessage>, load: Arc<InboxLoad>) -> Self {
        Self { inbox, load, intake: Mutex::default() }
    }

    pub(super) fn send(&self, message: LoopMessage) -> bool {
        self.inbox.send(message)
    }

    /// Called by the loop when it has no stream: from now on publications are not sent. False if some wait already.
    pub(super) fn close(&self) -> bool {
        let mut intake = self.intake();
        intake.closed = self.load.records() == 0;
        intake.closed
    }

    /// Called by the loop before it reads anything that may become a stream. Publications are sent again from now on;
    /// returns the newest event that was not, if there is one.
    pub(super) fn open(&self) -> Option<Newest> {
        let mut intake = self.intake();
        intake.closed = false;
        intake.passed.take()
    }

    fn intake(&self) -> MutexGuard<'_, Intake> {
        // Nothing under the lock can panic.
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publications do not wake the loop: after many are sent, it is woken once.
    fn put(&self, command: Command, newest: Newest) {
        let mut intake = self.intake();
        if intake.closed {
            intake.passed = Some(newest);
            return;
        }
        let weight = weight(&command);
        self.load.enter(weight);
        if !self.inbox.put(LoopMessage::Command(command)) {
            // The loop has ended; messages to its streams must not count against others.
            self.load.leave_weight(weight);
        } else if self.load.bytes() > EARLY {
            self.inbox.wake();
        }
    }
}

impl ShardSender for LoopInbox {
    fn has_room(&self, records: usize, bytes: usize) -> bool {
        let has_room = self.load.has_room(records, bytes);
        if !has_room {
            // The publisher that is refused will try again, and there should be room then.
            self.inbox.wake();
        }
        has_room
    }

    fn wait_for_room(&self, records: usize, bytes: usize, at_most: Duration) -> bool {
        self.has_room(records, bytes) || self.load.wait_for_room(records, bytes, at_most)
    }

    fn send(&self, command: Command) {
        match command.newest() {
            Some(newest) => self.put(command, newest),
            None => drop(self.inbox.send(LoopMessage::Command(command))),
        }
    }

    fn wake(&self) {
        if self.load.records() > 0 {
            self.inbox.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Draft, Event, EventId, Publication, Record, Target};

    fn record(seq: u64, bytes: usize) -> Arc<Record> {
        let event = Event::text("message", &"x".repeat(bytes)).expect("an event");
        Arc::new(Draft::from(Publication::new(event, Target::all())).seal(seq, EventId { epoch: 1, seq }))
    }

    struct Loop {
        poll: mio::Poll,
        inbox: LoopInbox,
        messages: Receiver<LoopMessage>,
    }

    impl Loop {
        fn new() -> Self {
            let poll = mio::Poll::new().expect("a poll");
            let waker = Waker::new(poll.registry(), mio::Token(0)).expect("a waker");
            let (inbox, messages) = inbox(waker);
            let limits = InboxLimits { records: 100, bytes: 4 * EARLY };
            Self { poll, inbox: LoopInbox::new(inbox, Arc::new(InboxLoad::new(limits))), messages }
        }

        fn give(&self, command: Command) {
            ShardSender::send(&self.inbox, command);
        }

        /// Whether it was woken since the last time.
        fn is_woken(&mut self) -> bool {
            let mut events = mio::Events::with_capacity(1);
            self.poll.poll(&mut events, Some(std::time::Duration::ZERO)).expect("a look");
            self.messages.rearm();
            !events.is_empty()
        }

        fn take(&self) -> Vec<u64> {
            let mut seqs = Vec::new();
            while let Some(LoopMessage::Command(command)) = self.messages.next() {
                self.inbox.load.leave(&command);
                if let Command::Publish(record) = command {
                    seqs.push(record.position);
                }
            }
            seqs
        }
    }

    #[test]
    fn a_closed_inbox_holds_nothing_and_tells_what_passed() {
        let mut event_loop = Loop::new();
        event_loop.give(Command::Publish(record(1, 10)));
        assert!(!event_loop.inbox.close(), "what waits must be taken first");
        assert_eq!(event_loop.take(), [1]);
        assert!(event_loop.inbox.close());
        event_loop.give(Command::Publish(record(2, 10)));
        for seq in 3..200 {
            assert!(event_loop.inbox.has_room(1, EARLY), "there is always room where nothing is held");
            event_loop.give(Command::Publish(record(seq, 10)));
        }
        event_loop.inbox.wake();
        assert!(!event_loop.is_woken(), "nothing concerns the loop");
        assert_eq!((event_loop.take().len(), event_loop.inbox.load.records()), (0, 0));
        let batch = [record(200, 10), record(201, 10)].into_iter().collect();
        event_loop.give(Command::PublishBatch(batch));
        assert_eq!(event_loop.inbox.open().map(|newest| newest.position), Some(201));
        event_loop.give(Command::Publish(record(202, 10)));
        event_loop.inbox.wake();
        assert!(event_loop.is_woken());
        assert_eq!(event_loop.take(), [202]);
    }

    #[test]
    fn who_waits_for_room_goes_on_as_soon_as_there_is_some() {
        let event_loop = Loop::new();
        (1..=100).for_each(|seq| event_loop.give(Command::Publish(record(seq, 10))));
        assert!(!event_loop.inbox.wait_for_room(1, 10, Duration::from_millis(1)));
        let inbox = &event_loop.inbox;
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| inbox.wait_for_room(40, 10, Duration::from_secs(600)));
            while inbox.load.waiting.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            assert_eq!(event_loop.take().len(), 100);
            assert!(waiting.join().expect("no panic"));
        });
        assert_eq!(inbox.load.waiting.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_loop_is_woken_early_for_many_bytes_and_when_it_has_no_room() {
        let mut event_loop = Loop::new();
        event_loop.give(Command::Publish(record(1, EARLY / 2)));
        assert!(!event_loop.is_woken());
        event_loop.give(Command::Publish(record(2, EARLY / 2)));
        assert!(event_loop.is_woken());
        assert!(event_loop.inbox.has_room(1, EARLY) && !event_loop.is_woken());
        assert!(!event_loop.inbox.has_room(1, 4 * EARLY) && event_loop.is_woken());
    }
}
