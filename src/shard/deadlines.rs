//! When a shard has to act.

use std::collections::{BTreeSet, VecDeque};

use super::connection::Connection;

/// The deadlines of a shard's connections. [`sweep`](super::Shard::sweep) acts on them.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// Connections that have sent nothing yet.
    pub(super) silent: DeadlineQueue,
    /// Incomplete request heads.
    pub(super) head: DeadlineQueue,
    /// Requests for streams that wait for a decision.
    pub(super) decision: DeadlineQueue,
    /// Clients that were told the end and have not closed.
    pub(super) linger: DeadlineQueue,
    /// When the permissions of streams expire, with their slots. A stream that ends is removed.
    pub(super) expiry: BTreeSet<(u64, u32)>,
}

/// Deadlines of one kind. All are equally far off, so they are due in the order of their insertion.
///
/// A deadline stays until it is due, even if its connection has left or has moved on. So it remembers slot and serial.
#[derive(Debug, Default)]
pub(super) struct DeadlineQueue(VecDeque<Deadline>);

/// When something is due, in ms since the start, and for which connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    pub(super) at_ms: u64,
    pub(super) slot: u32,
    pub(super) serial: u32,
}

impl Deadlines {
    /// The earliest of all.
    pub(super) fn next_ms(&self) -> Option<u64> {
        let queues = [&self.silent, &self.head, &self.decision, &self.linger];
        let expiry_ms = self.expiry.first().map(|(at_ms, _)| *at_ms);
        queues.into_iter().filter_map(DeadlineQueue::next_ms).chain(expiry_ms).min()
    }

    /// The queues of connections that have not opened a stream, nor been handed over, yet.
    pub(super) fn unopened(&mut self) -> [&mut DeadlineQueue; 3] {
        [&mut self.silent, &mut self.head, &mut self.decision]
    }

    /// Removes and returns the slot of a stream whose permission has expired.
    pub(super) fn pop_expired(&mut self, now_ms: u64) -> Option<u32> {
        let (at_ms, _) = self.expiry.first()?;
        if *at_ms > now_ms {
            return None;
        }
        self.expiry.pop_first().map(|(_, slot)| slot)
    }
}

impl DeadlineQueue {
    pub(super) fn push<S>(&mut self, at_ms: u64, slot: u32, connection: &Connection<S>) {
        self.0.push_back(Deadline { at_ms, slot, serial: connection.serial });
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        self.0.front().map(|deadline| deadline.at_ms)
    }

    /// Removes and returns the next deadline that is due.
    pub(super) fn pop_due(&mut self, now_ms: u64) -> Option<Deadline> {
        self.0.pop_front_if(|deadline| deadline.at_ms <= now_ms)
    }

    /// Removes and returns the next deadline, due or not.
    pub(super) fn pop(&mut self) -> Option<Deadline> {
        self.0.pop_front()
    }

    /// Removes the deadlines at the front that no longer count.
    pub(super) fn skip_while(&mut self, is_over: impl Fn(&Deadline) -> bool) {
        while self.0.pop_front_if(|deadline| is_over(deadline)).is_some() {}
    }

    /// Whether it holds the deadline of this connection.
    pub(super) fn has<S>(&self, slot: u32, connection: &Connection<S>) -> bool {
        self.0.iter().any(|deadline| (deadline.slot, deadline.serial) == (slot, connection.serial))
    }
}
