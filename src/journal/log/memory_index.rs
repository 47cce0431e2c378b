//! The index of a segment while it is being written.

use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;

use super::group::GroupHead;
use super::input::{put_block, put_number};
use super::key::{Query, is_matched, is_topic, keys_of};
use super::record::{AppendKey, RawRecord};
use super::scan::Visit;
use crate::event::Selector;

/// The records of a segment by whom they are for, in the order in which they were appended.
///
/// About 50 bytes for a record to a user of its own, 8 for one more to a known one.
#[derive(Debug)]
pub(super) struct MemoryIndex {
    /// Where the part of the segment ends that may be read.
    pub(super) end: u64,
    /// The seq behind the last record.
    pub(super) next: u64,
    /// When the last group was written.
    pub(super) last_ms: u64,
    hasher: RandomState,
    /// The keys one behind the other.
    text: Vec<u8>,
    keys: Vec<KeyEntry>,
    by_hash: HashTable<u32>,
    /// Those of `keys` that are topics.
    topics: Vec<u32>,
    postings: Vec<Posting>,
    marks: Vec<Mark>,
    /// The keys of appends, encoded.
    pub(super) append_keys: Vec<u8>,
}

#[derive(Debug)]
struct KeyEntry {
    start: u32,
    length: u32,
    /// The last of its postings.
    last: u32,
    newest: Newest,
}

#[derive(Clone, Copy, Debug)]
struct Posting {
    /// Where the record begins in the segment.
    offset: u32,
    /// The one before of the same key; its own number where there is none.
    before: u32,
}

/// The newest records of a key, which are lost when the segment goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Newest {
    /// Of those that have no time of their own; 0 where there is none.
    pub(super) lasting: u64,
    /// Of those that do.
    pub(super) mortal: u64,
    /// When the last of those expires.
    pub(super) expires_ms: u64,
}

/// A group, to begin a scan at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The seq of its first record.
    pub(super) seq: u64,
    /// Where it begins.
    pub(super) offset: u64,
    /// When it was written.
    pub(super) unix_ms: u64,
}

/// Where the records of a query are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offsets {
    /// In ascending order, each once.
    pub(super) offsets: Vec<u32>,
    /// Whether there may be more behind these.
    pub(super) more: bool,
    /// The last seq that was looked at, where there are no more.
    pub(super) through: u64,
}

/// Records between two marks, about.
const MARK_EVERY: u64 = 256;

impl Newest {
    fn note(&mut self, seq: u64, expires_ms: Option<u64>) {
        match expires_ms {
            None => self.lasting = seq,
            Some(at) => {
                self.mortal = seq;
                self.expires_ms = self.expires_ms.max(at);
            }
        }
    }

    /// The newest record that is lost when all are gone; what has expired by then is not. 0 where nothing is.
    pub(super) fn lost_at(&self, now_ms: u64) -> u64 {
        let mortal = if self.expires_ms > now_ms { self.mortal } else { 0 };
        self.lasting.max(mortal)
    }
}

impl MemoryIndex {
    /// Of a segment without records: the first comes at an offset, with a seq.
    pub(super) fn new(begin: u64, first: u64, unix_ms: u64) -> Self {
        Self {
            end: begin,
            next: first,
            last_ms: unix_ms,
            hasher: RandomState::new(),
            text: Vec::new(),
            keys: Vec::new(),
            by_hash: HashTable::new(),
            topics: Vec::new(),
            postings: Vec::new(),
            marks: Vec::new(),
            append_keys: Vec::new(),
        }
    }

    /// Adds the newest record.
    pub(super) fn insert(&mut self, offset: u64, seq: u64, to: &Selector, expires_ms: Option<u64>) {
        for key in keys_of(to) {
            let id = self.key(&key);
            let entry = &mut self.keys[id as usize];
            let number = self.postings.len() as u32;
            let before = if entry.newest == Newest::default() { number } else { entry.last };
            // A name that stands twice in an address.
            if before != number && u64::from(self.postings[before as usize].offset) == offset {
                continue;
            }
            entry.last = number;
            entry.newest.note(seq, expires_ms);
            self.postings.push(Posting { offset: offset as u32, before });
        }
        self.next = seq + 1;
    }

    /// Notes the key of an append, which begins with a record.
    pub(super) fn insert_append(&mut self, key: AppendKey<'_>, first: u64, count: u64, unix_ms: u64) {
        put_block(&mut self.append_keys, key.scope.as_bytes());
        put_block(&mut self.append_keys, key.key.as_bytes());
        self.append_keys.extend_from_slice(&key.body);
        [first, count, unix_ms].iter().for_each(|number| put_number(&mut self.append_keys, *number));
    }

    /// Notes where a group begins.
    pub(super) fn mark(&mut self, offset: u64, seq: u64, unix_ms: u64) {
        if self.marks.last().is_none_or(|last| seq >= last.seq + MARK_EVERY) {
            self.marks.push(Mark { seq, offset, unix_ms });
        }
        self.last_ms = self.last_ms.max(unix_ms);
    }

    pub(super) fn marks(&self) -> &[Mark] {
        &self.marks
    }

    fn key(&mut self, key: &[u8]) -> u32 {
        let hash = self.hasher.hash_one(key);
        let text = |keys: &[KeyEntry], id: u32| {
            let KeyEntry { start, length, .. } = keys[id as usize];
            start as usize..(start + length) as usize
        };
        let known = self.by_hash.find(hash, |id| self.text[text(&self.keys, *id)] == *key);
        if let Some(id) = known {
            return *id;
        }
        let id = self.keys.len() as u32;
        let (start, length) = (self.text.len() as u32, key.len() as u32);
        self.text.extend_from_slice(key);
        self.keys.push(KeyEntry { start, length, last: 0, newest: Newest::default() });
        if is_topic(key) {
            self.topics.push(id);
        }
        let rehash = |id: &u32| self.hasher.hash_one(&self.text[text(&self.keys, *id)]);
        self.by_hash.insert_unique(hash, id, rehash);
        id
    }

    fn text(&self, id: u32) -> &[u8] {
        let KeyEntry { start, length, .. } = self.keys[id as usize];
        &self.text[start as usize..(start + length) as usize]
    }

    /// Where the records of a query are, from an offset on: the first of them, about `limit`.
    pub(super) fn offsets(&self, query: &Query, from: u64, limit: usize) -> Offsets {
        let mut offsets = Vec::new();
        for key in &query.keys {
            let hash = self.hasher.hash_one(&**key);
            if let Some(id) = self.by_hash.find(hash, |id| self.text(*id) == &**key) {
                offsets.extend(self.postings(*id).take_while(|offset| u64::from(*offset) >= from));
            }
        }
        for id in &self.topics {
            if query.patterns.iter().any(|pattern| is_matched(pattern, self.text(*id))) {
                offsets.extend(self.postings(*id).take_while(|offset| u64::from(*offset) >= from));
            }
        }
        Offsets::of(offsets, false, limit, self.next - 1)
    }

    /// The offsets of a key's records, the newest first.
    fn postings(&self, id: u32) -> impl Iterator<Item = u32> {
        let mut next = Some(self.keys[id as usize].last);
        std::iter::from_fn(move || {
            let number = next?;
            let Posting { offset, before } = self.postings[number as usize];
            next = (before != number).then_some(before);
            Some(offset)
        })
    }

    /// Every key with its newest records and all its offsets, sorted by key.
    pub(super) fn each_key(&self, mut visit: impl FnMut(&[u8], Newest, &[u32])) {
        let mut ids: Vec<u32> = (0..self.keys.len() as u32).collect();
        ids.sort_unstable_by_key(|id| self.text(*id));
        let mut offsets = Vec::new();
        for id in ids {
            offsets.clear();
            offsets.extend(self.postings(id));
            offsets.reverse();
            visit(self.text(id), self.keys[id as usize].newest, &offsets);
        }
    }
}

impl Visit for MemoryIndex {
    fn group(&mut self, offset: u64, head: &GroupHead) {
        self.mark(offset, head.first, head.unix_ms);
    }

    fn record(&mut self, offset: u64, record: RawRecord<'_>) -> bool {
        if let Some((key, count)) = record.key {
            self.insert_append(key, record.seq, count, record.unix_ms);
        }
        if let Some(event) = record.event
            && let Some(target) = event.target()
        {
            let expires_ms = event.ttl_ms.map(|ttl| record.unix_ms.saturating_add(ttl));
            self.insert(offset, record.seq, &target.to, expires_ms);
        }
        self.next = record.seq + 1;
        true
    }
}

impl Offsets {
    /// The first of several lists together.
    pub(super) fn of(mut offsets: Vec<u32>, more: bool, limit: usize, through: u64) -> Self {
        // Runs that are in order, for which this sort is made.
        offsets.sort();
        offsets.dedup();
        let more = more || offsets.len() > limit;
        offsets.truncate(limit);
        Self { offsets, more, through }
    }
}

/// The last mark at or before a seq.
pub(super) fn mark_before(marks: &[Mark], seq: u64) -> Option<Mark> {
    let behind = marks.partition_point(|mark| mark.seq <= seq);
    behind.checked_sub(1).map(|at| marks[at])
}
