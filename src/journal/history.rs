//! The events that are held for clients to come back to.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::keys::Keys;
use super::losses::Losses;
use super::wanted::{Hasher, Wanted};
use crate::wire::Record;

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
}

/// Events that history no longer holds. To free their memory takes time, so they are dropped once the lock that
/// publishers wait for is released.
pub(super) type Gone = SmallVec<[Arc<Record>; 2]>;

#[derive(Debug)]
struct Held {
    seq: u64,
    /// Never less than that of the one before.
    since_ms: u64,
    /// Gone where it did not live as long as its neighbours.
    record: Option<Arc<Record>>,
}

/// How much of history is looked at for one answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portion {
    /// Bytes of events, at least those of one.
    pub(super) bytes: usize,
    /// Comparisons that whoever is given the events will need to tell which of them are for it, at least those of
    /// one event.
    pub(super) effort: usize,
    /// How many patterns it has.
    pub(super) patterns: usize,
}

/// Some of what may be for somebody.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) records: Vec<Arc<Record>>,
    /// The last event considered, where there are more. `None`: that is all.
    pub(super) more_after: Option<u64>,
}

/// Most events in one answer.
const ANSWER: usize = 256;
/// Events that are looked at for one answer; some of them may be at the end of their life.
const LOOKS: usize = 4 * ANSWER;
/// Steps in which events whose time has come are dropped at once: one for each name of each. After a long silence
/// it has come for all: what is left goes next time, and is given to nobody meanwhile.
const EXPIRIES: usize = 256;
/// Gone events that may stand among the held ones before room is made.
const GONE: usize = 64;
/// About what an event takes beside its record: a place in a ring that is half full or more, and what the allocator
/// keeps of the record's two pieces.
const EVENT: usize = 2 * size_of::<Held>() + 48;
/// About what an event with a life of its own takes more.
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
        }
    }

    pub(super) fn events(&self) -> usize {
        self.events
    }

    /// Bytes of memory taken, about: of the events, and of what they are found by.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.keys.bytes()
    }

    /// How old the oldest event is that is given to anybody, in ms; 0 where there is none.
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
                self.mortal.push(Reverse((since_ms.saturating_add(ttl), record.seq)));
            }
            self.events += 1;
            self.bytes += self.weight(&record);
            self.keys.insert(record.seq, &record.target.to, &self.hasher);
            self.held.push_back(Held { seq: record.seq, since_ms, record: Some(record) });
        }
        self.expire(since_ms, gone);
        // About as much as was added.
        while self.events > self.limits.events || self.bytes() > self.limits.bytes {
            self.drop_oldest(since_ms, gone);
        }
    }

    /// Drops what is too old: some of it, where it is much.
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

    /// How long it is held, where its publisher wants that to be less than for others.
    fn own_life_ms(&self, record: &Record) -> Option<u64> {
        record.ttl_ms.filter(|ttl| *ttl < self.age_ms())
    }

    /// Bytes of memory that an event takes, about, beside what it is found by.
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

    /// Whether its publisher gave an event no longer to live.
    fn is_dead(&self, record: &Record, since_ms: u64, now_ms: u64) -> bool {
        self.own_life_ms(record).is_some_and(|ttl| since_ms.saturating_add(ttl) <= now_ms)
    }

    /// The place of the first event that is not too old.
    fn first_young(&self, now_ms: u64) -> usize {
        match self.held.front() {
            Some(oldest) if self.is_old(oldest, now_ms) => {
                self.held.partition_point(|held| self.is_old(held, now_ms))
            }
            _ => 0,
        }
    }

    /// Drops the oldest event. Returns in how many steps.
    fn drop_oldest(&mut self, now_ms: u64, gone: &mut Gone) -> usize {
        let Some(Held { seq, since_ms, record: Some(record) }) = self.held.pop_front() else { return 0 };
        if !self.is_dead(&record, since_ms, now_ms) {
            self.losses.add(seq, &record.target.to, &self.hasher);
        }
        self.forget(seq, record, gone)
    }

    /// Its publisher gave it no longer to live, so nobody is told of a loss. Returns in how many steps.
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

    /// Whether something after an event was dropped that a client may have seen, or is about to be.
    pub(super) fn has_lost(&self, after: u64, wanted: &Wanted, now_ms: u64) -> bool {
        self.losses.newest(wanted) > after || self.is_losing(after, wanted, now_ms)
    }

    /// Whether one of the events that are too old, but not dropped yet, may be for a client.
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
            // One with a life of its own had less than the others; of many it is not told apart.
            if self.own_life_ms(record).is_none() || looks == LOOKS {
                return true;
            }
        }
        false
    }

    /// What came after an event that may be for a client: a portion of it.
    ///
    /// All of this happens under the lock that publishers wait for, so nothing is compared with patterns here:
    /// whoever is given the events looks closer, and `effort` bounds how much it has to.
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
                return Found { more_after: records.last().map(|last| last.seq), records };
            }
            records.push(record.clone());
        }
        Found { records, more_after: None }
    }

    /// The event of a count, at that place among the held ones or behind it, and where it is.
    fn find(&self, from: usize, seq: u64) -> Option<(usize, &Arc<Record>)> {
        let at = from + self.place_of(from, seq)?;
        Some((at, self.held.get(at)?.record.as_ref()?))
    }

    /// Counted from `from`. As a rule nothing is missing in between, so it is where it would be then.
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
