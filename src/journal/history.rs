//! The events that are held for clients to come back to.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::keys::Keys;
use super::losses::Losses;
use super::wanted::{Hasher, Wanted};
use crate::event::Record;

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
    /// Of these.
    bytes: usize,
    keys: Keys,
    losses: Losses,
    hasher: Hasher,
    /// Events with a life of their own, the next to go first.
    mortal: BinaryHeap<Reverse<(u64, u64)>>,
    /// The newest event that was dropped because of the limits, and when it was published; zeros where there is none.
    dropped: (u64, u64),
}

/// Events that were removed from history. Freeing their memory takes time, so the caller drops them after it has
/// released the journal's lock.
pub(super) type Gone = SmallVec<[Arc<Record>; 2]>;

#[derive(Debug)]
struct Held {
    seq: u64,
    /// When it was published, in ms since the start; never less than that of the event before.
    since_ms: u64,
    /// Gone where it did not live as long as its neighbours.
    record: Option<Arc<Record>>,
}

/// Limits of one answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portion {
    /// Maximum size of its events; the first one is always included.
    pub(super) bytes: usize,
    /// Maximum number of comparisons of its events with the client's patterns; the first event is always included.
    pub(super) effort: usize,
    /// The number of the client's patterns.
    pub(super) patterns: usize,
}

/// Events that may be for a client.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) records: Vec<Arc<Record>>,
    /// The last event considered, where there are more. `None`: that is all.
    pub(super) more_after: Option<u64>,
}

/// Most events in one answer.
const ANSWER: usize = 256;
/// Maximum number of events examined for one answer, including those that have expired.
const LOOKS: usize = 4 * ANSWER;
/// Number of steps, about one for each key of an event, after which a call stops removing expired events. After a long
/// silence all events may have expired: later calls remove the rest, which is no longer given to clients.
const EXPIRIES: usize = 256;
/// Gone events that may stand among the held ones before room is made.
const GONE: usize = 64;
/// Bytes of an event beside its record, about: a place in a ring that is at least half full, and the allocator's overhead
/// for the two pieces of the record.
const EVENT: usize = 2 * size_of::<Held>() + 48;
/// Additional bytes of an event with a shorter life, about.
const MORTAL: usize = 2 * size_of::<Reverse<(u64, u64)>>();

impl History {
    pub(super) fn new(limits: HistoryLimits, hasher: Hasher) -> Self {
        Self {
            limits,
            held: VecDeque::new(),
            events: 0,
            bytes: 0,
            keys: Keys::default(),
            losses: Losses::new(),
            hasher,
            mortal: BinaryHeap::new(),
            dropped: (0, 0),
        }
    }

    pub(super) fn events(&self) -> usize {
        self.events
    }

    /// Bytes of memory, about: of the events and of their index.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.keys.bytes()
    }

    /// Age of the oldest event that has not expired, in ms; 0 if there is none.
    pub(super) fn age_at(&self, now_ms: u64) -> u64 {
        let young = self.held.range(self.first_young(now_ms)..);
        let oldest = young.into_iter().find(|held| held.record.is_some());
        oldest.map_or(0, |held| now_ms.saturating_sub(held.since_ms))
    }

    /// Adds the newest event, and drops what is then too much.
    pub(super) fn insert(&mut self, record: Arc<Record>, now_ms: u64, gone: &mut Gone) {
        let since_ms = self.held.back().map_or(now_ms, |newest| newest.since_ms.max(now_ms));
        if !record.is_transient() {
            if let Some(ttl) = self.own_life_ms(&record) {
                self.mortal.push(Reverse((since_ms.saturating_add(ttl), record.position)));
            }
            self.events += 1;
            self.bytes += self.weight(&record);
            self.keys.insert(record.position, &record.target.to, &self.hasher);
            self.held.push_back(Held { seq: record.position, since_ms, record: Some(record) });
        }
        self.expire(since_ms, gone);
        // This removes about as much as was added.
        while self.events > self.limits.events || self.bytes() > self.limits.bytes {
            self.drop_oldest(since_ms, gone);
        }
    }

    /// Removes events that have expired; if there are many, some of them.
    pub(super) fn expire(&mut self, now_ms: u64, gone: &mut Gone) {
        let mut left = EXPIRIES;
        while left > 0
            && let Some(Reverse((at, seq))) = self.mortal.peek().copied()
            && at <= now_ms
        {
            self.mortal.pop();
            left = left.saturating_sub(self.bury(seq, gone));
        }
        while left > 0
            && let Some(oldest) = self.held.front()
            && (oldest.record.is_none() || self.is_old(oldest, now_ms))
        {
            left = left.saturating_sub(self.drop_oldest(now_ms, gone));
        }
        if self.mortal.len() > 2 * self.events + GONE {
            let oldest = self.held.front().map_or(u64::MAX, |held| held.seq);
            self.mortal.retain(|Reverse((_, seq))| *seq >= oldest);
        }
    }

    /// How long it is kept, if its publisher wants less than the limit.
    fn own_life_ms(&self, record: &Record) -> Option<u64> {
        record.ttl_ms.filter(|ttl| *ttl < self.age_ms())
    }

    /// Bytes of memory of an event without its index entries, about.
    fn weight(&self, record: &Record) -> usize {
        let own_life = self.own_life_ms(record).map_or(0, |_| MORTAL);
        record.size() + EVENT + own_life
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.limits.age.as_millis()).unwrap_or(u64::MAX)
    }

    fn is_old(&self, held: &Held, now_ms: u64) -> bool {
        now_ms.saturating_sub(held.since_ms) > self.age_ms()
    }

    /// Whether an event's own time to live is over.
    fn is_dead(&self, record: &Record, since_ms: u64, now_ms: u64) -> bool {
        self.own_life_ms(record).is_some_and(|ttl| since_ms.saturating_add(ttl) <= now_ms)
    }

    /// The index of the first event that is not too old.
    fn first_young(&self, now_ms: u64) -> usize {
        match self.held.front() {
            Some(oldest) if self.is_old(oldest, now_ms) => {
                self.held.partition_point(|held| self.is_old(held, now_ms))
            }
            _ => 0,
        }
    }

    /// Removes the oldest event. Returns the number of steps.
    fn drop_oldest(&mut self, now_ms: u64, gone: &mut Gone) -> usize {
        let Some(Held { seq, since_ms, record: Some(record) }) = self.held.pop_front() else { return 0 };
        if !self.is_dead(&record, since_ms, now_ms) {
            self.losses.add(seq, &record.target.to, &self.hasher);
            self.dropped = (seq, since_ms);
        }
        self.forget(seq, record, gone)
    }

    /// Removes an event whose own time to live is over, which is not a loss. Returns the number of steps.
    fn bury(&mut self, seq: u64, gone: &mut Gone) -> usize {
        let held = self.place_of(0, seq).and_then(|at| self.held.get_mut(at));
        let steps =
            held.and_then(|held| held.record.take()).map_or(1, |record| self.forget(seq, record, gone));
        let holes = self.held.len() - self.events;
        if holes > GONE && holes > self.events {
            self.held.retain(|held| held.record.is_some());
        }
        steps
    }

    fn forget(&mut self, seq: u64, record: Arc<Record>, gone: &mut Gone) -> usize {
        self.events -= 1;
        self.bytes -= self.weight(&record);
        let steps = self.keys.remove(seq, &record.target.to, &self.hasher);
        gone.push(record);
        steps
    }

    /// Whether a client has lost an event after a position: one that was removed, or is too old and will be.
    pub(super) fn has_lost(&self, after: u64, wanted: &Wanted, now_ms: u64) -> bool {
        self.losses.newest(wanted) > after || self.is_losing(after, wanted, now_ms)
    }

    /// Whether one of the events that are too old, but not removed yet, may be for a client.
    fn is_losing(&self, after: u64, wanted: &Wanted, now_ms: u64) -> bool {
        let young = self.first_young(now_ms);
        if young == 0 {
            return false;
        }
        let end = self.held.get(young).map_or(u64::MAX, |held| held.seq);
        let (mut place, mut looks) = (0, 0);
        for seq in self.keys.after(after, wanted).take_while(|seq| *seq < end) {
            let Some((at, record)) = self.find(place, seq) else { continue };
            (place, looks) = (at, looks + 1);
            // Events with a shorter life have ended by themselves; after many of these a loss is assumed.
            if self.own_life_ms(record).is_none() || looks == LOOKS {
                return true;
            }
        }
        false
    }

    /// Whether an event after a position was dropped, whomever it was for.
    pub(super) fn has_dropped(&self, after: u64) -> bool {
        self.dropped.0 > after
    }

    /// The position after which everything was published at a time or later, in ms since the start. Where some of that was
    /// dropped, it is 0, so that who has lost something of it is told, or of what was published before.
    pub(super) fn before_time(&self, since_ms: u64, newest: u64) -> u64 {
        if since_ms == 0 || (self.dropped.0 > 0 && self.dropped.1 >= since_ms) {
            return 0;
        }
        let first = self.held.partition_point(|held| held.since_ms < since_ms);
        self.held.get(first).map_or(newest, |held| held.seq - 1)
    }

    /// The events after a position that have not expired, with the time at which each was published, in ms since the start.
    pub(super) fn held_after(&self, after: u64, now_ms: u64) -> impl Iterator<Item = (&Arc<Record>, u64)> {
        let behind = self.held.partition_point(|held| held.seq <= after);
        self.held.range(behind.max(self.first_young(now_ms))..).filter_map(move |held| {
            let record = held.record.as_ref()?;
            (!self.is_dead(record, held.since_ms, now_ms)).then_some((record, held.since_ms))
        })
    }

    /// The events after a position that may be for a client, up to the limits of an answer.
    ///
    /// This runs under the lock that publishers wait for, so it compares nothing with patterns. The shard does that with
    /// the events of the answer; `effort` limits how long that takes.
    pub(super) fn after(&self, after: u64, wanted: &Wanted, portion: Portion, now_ms: u64) -> Found {
        let mut records: Vec<Arc<Record>> = Vec::new();
        let (mut bytes, mut effort, mut looks) = (0_usize, 0_usize, 0);
        let mut place = self.first_young(now_ms);
        let Some(first) = self.held.get(place) else { return Found { records, more_after: None } };
        for seq in self.keys.after(after.max(first.seq - 1), wanted) {
            let Some((at, record)) = self.find(place, seq) else { continue };
            (place, looks) = (at, looks + 1);
            if self.held.get(at).is_some_and(|held| self.is_dead(record, held.since_ms, now_ms)) {
                if looks >= LOOKS {
                    return Found { more_after: Some(seq), records };
                }
                continue;
            }
            bytes = bytes.saturating_add(record.size());
            effort = effort.saturating_add(record.target.effort(portion.patterns));
            let is_full = bytes > portion.bytes || effort > portion.effort || records.len() == ANSWER;
            if is_full && !records.is_empty() {
                return Found { more_after: records.last().map(|last| last.position), records };
            }
            records.push(record.clone());
        }
        Found { records, more_after: None }
    }

    /// Finds the event with a sequence number, at the index `from` or behind it; returns its index, too.
    fn find(&self, from: usize, seq: u64) -> Option<(usize, &Arc<Record>)> {
        let at = from + self.place_of(from, seq)?;
        Some((at, self.held.get(at)?.record.as_ref()?))
    }

    /// Relative to `from`. Mostly no event is missing in between, which gives its place.
    fn place_of(&self, from: usize, seq: u64) -> Option<usize> {
        let first = self.held.get(from)?.seq;
        let at_most = usize::try_from(seq.checked_sub(first)?).ok()?;
        if self.held.get(from + at_most).is_some_and(|held| held.seq == seq) {
            return Some(at_most);
        }
        let end = self.held.len().min(from + at_most + 1);
        let (mut low, mut high) = (from, end);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.held.get(middle) {
                Some(held) if held.seq < seq => low = middle + 1,
                _ => high = middle,
            }
        }
        self.held.get(low).filter(|held| held.seq == seq).map(|_| low - from)
    }
}

#[cfg(test)]
mod tests;
