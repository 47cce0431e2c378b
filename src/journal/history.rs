//! The events that are held for clients to come back to.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::keys::Keys;
use super::losses::Losses;
use crate::wire::{ClientId, Profile, Record};

/// How much history is held, whichever is reached first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Events. Zero holds none.
    pub events: usize,
    /// Bytes of memory.
    pub bytes: usize,
    /// Time since they were published.
    pub age: Duration,
}

/// Events in the order of their ids, and by whom they are for.
#[derive(Debug)]
pub(super) struct History {
    limits: HistoryLimits,
    held: VecDeque<Held>,
    /// Of the held ones, those that are still there.
    events: usize,
    bytes: usize,
    keys: Keys,
    losses: Losses,
    /// Events with a life of their own, the next to go first.
    mortal: BinaryHeap<Reverse<(u64, u64)>>,
}

#[derive(Debug)]
struct Held {
    seq: u64,
    since_ms: u64,
    /// Gone where it did not live as long as its neighbours.
    record: Option<Arc<Record>>,
}

/// Some of what somebody missed.
pub(super) struct Found {
    pub(super) records: Vec<Arc<Record>>,
    /// The last event considered, where there are more. `None`: that is all.
    pub(super) more_after: Option<u64>,
}

/// Most events in one answer.
const ANSWER: usize = 256;
/// Gone events that may stand among the held ones before room is made.
const GONE: usize = 64;

impl History {
    pub(super) fn new(limits: HistoryLimits) -> Self {
        Self {
            limits,
            held: VecDeque::new(),
            events: 0,
            bytes: 0,
            keys: Keys::default(),
            losses: Losses::new(),
            mortal: BinaryHeap::new(),
        }
    }

    pub(super) fn events(&self) -> usize {
        self.events
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the newest event, and drops what is then too much.
    pub(super) fn insert(&mut self, record: Arc<Record>, now_ms: u64) {
        if !record.is_transient() {
            if let Some(ttl) = record.ttl_ms.filter(|ttl| *ttl < self.age_ms()) {
                self.mortal.push(Reverse((now_ms.saturating_add(ttl), record.seq)));
            }
            self.events += 1;
            self.bytes += record.size();
            self.keys.insert(record.seq, &record.target.to);
            self.held.push_back(Held { seq: record.seq, since_ms: now_ms, record: Some(record) });
        }
        self.expire(now_ms);
    }

    /// Drops what is too old or too much.
    pub(super) fn expire(&mut self, now_ms: u64) {
        while self.mortal.peek().is_some_and(|Reverse((at, _))| *at <= now_ms) {
            if let Some(Reverse((_, seq))) = self.mortal.pop() {
                self.bury(seq);
            }
        }
        let age_ms = self.age_ms();
        while let Some(oldest) = self.held.front() {
            let too_much = self.events > self.limits.events || self.bytes > self.limits.bytes;
            let too_old = now_ms.saturating_sub(oldest.since_ms) > age_ms;
            if oldest.record.is_some() && !too_much && !too_old {
                break;
            }
            if let Some(Held { seq, record: Some(record), .. }) = self.held.pop_front() {
                self.losses.add(seq, &record.target.to);
                self.forget(seq, &record);
            }
        }
        if self.mortal.len() > 2 * self.events + GONE {
            let oldest = self.held.front().map_or(u64::MAX, |held| held.seq);
            self.mortal.retain(|Reverse((_, seq))| *seq >= oldest);
        }
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.limits.age.as_millis()).unwrap_or(u64::MAX)
    }

    /// Its publisher gave it no longer to live, so nobody is told of a loss.
    fn bury(&mut self, seq: u64) {
        let at = self.held.partition_point(|held| held.seq < seq);
        let held = self.held.get_mut(at).filter(|held| held.seq == seq);
        if let Some(record) = held.and_then(|held| held.record.take()) {
            self.forget(seq, &record);
        }
        let gone = self.held.len() - self.events;
        if gone > GONE && gone > self.events {
            self.held.retain(|held| held.record.is_some());
        }
    }

    fn forget(&mut self, seq: u64, record: &Record) {
        self.events -= 1;
        self.bytes -= record.size();
        self.keys.remove(seq, &record.target.to);
    }

    /// Whether something after an event was dropped that a client may have seen.
    pub(super) fn has_lost(&self, after: u64, profile: &Profile, client: ClientId) -> bool {
        self.losses.newest(profile, client) > after
    }

    /// What came after an event that a client may see: up to about `budget` bytes, at least one event.
    pub(super) fn after(&self, after: u64, profile: &Profile, client: ClientId, budget: usize) -> Found {
        let mut records: Vec<Arc<Record>> = Vec::new();
        let mut bytes = 0;
        for seq in self.keys.after(after, profile, client) {
            let Some(record) = self.get(seq) else { continue };
            bytes += record.size();
            if !records.is_empty() && (bytes > budget || records.len() == ANSWER) {
                return Found { more_after: records.last().map(|last| last.seq), records };
            }
            records.push(record.clone());
        }
        Found { records, more_after: None }
    }

    fn get(&self, seq: u64) -> Option<&Arc<Record>> {
        let at = self.held.partition_point(|held| held.seq < seq);
        self.held.get(at).filter(|held| held.seq == seq)?.record.as_ref()
    }
}
