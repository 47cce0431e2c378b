//! The index of history by address, so that a replay costs about what it returns.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use super::wanted::{Hasher, Key, Wanted};
use crate::event::Selector;

/// The sequence numbers of the events in history, by each key of their address.
///
/// It keeps hashes instead of names, and two names with the same hash share a list: what it finds *may* be for a client.
#[derive(Debug, Default)]
pub(super) struct Keys {
    anybody: Seqs,
    /// Events with topics, for patterns that begin with a wildcard.
    any_topic: Seqs,
    /// By hash. A tree, since a hash table would sometimes be reallocated as a whole while publishers wait for the lock.
    lists: BTreeMap<u64, Seqs>,
    bytes: usize,
}

/// Sequence numbers in ascending order; mostly one.
#[derive(Debug)]
pub(super) enum Seqs {
    One(u64),
    Many(VecDeque<u64>),
}

/// Bytes of a key, about: the nodes of the tree are at least half full.
pub(super) const KEY: usize = 2 * size_of::<(u64, Seqs)>();
/// Bytes of an event in a list of several, about: the list is at least half full.
pub(super) const SEQ: usize = 2 * size_of::<u64>();

/// Number of list entries that can be moved in about the time of a look-up.
const STEP: usize = 512;

impl Keys {
    /// Adds the newest event.
    pub(super) fn insert(&mut self, seq: u64, to: &Selector, hasher: &Hasher) {
        if to.everyone {
            self.bytes += self.anybody.push(seq);
            return;
        }
        if !to.topics.is_empty() {
            self.bytes += self.any_topic.push(seq);
        }
        for key in Key::of(to) {
            match self.lists.entry(hasher.hash(key)) {
                Entry::Occupied(mut list) => self.bytes += list.get_mut().push(seq),
                Entry::Vacant(place) => {
                    place.insert(Seqs::One(seq));
                    self.bytes += KEY;
                }
            }
        }
    }

    /// Removes an event. Returns the number of steps: one for each key, more if it is in the middle of a long list.
    pub(super) fn remove(&mut self, seq: u64, to: &Selector, hasher: &Hasher) -> usize {
        if to.everyone {
            let (bytes, steps) = self.anybody.take(seq);
            self.bytes -= bytes;
            return steps;
        }
        let mut all = 0;
        if !to.topics.is_empty() {
            let (bytes, steps) = self.any_topic.take(seq);
            (self.bytes, all) = (self.bytes - bytes, steps);
        }
        for key in Key::of(to) {
            let Entry::Occupied(mut list) = self.lists.entry(hasher.hash(key)) else { continue };
            let (bytes, steps) = match list.get_mut() {
                Seqs::One(only) if *only == seq => {
                    list.remove();
                    (KEY, 1)
                }
                seqs => seqs.take(seq),
            };
            (self.bytes, all) = (self.bytes - bytes, all + steps);
        }
        all
    }

    /// Bytes of memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The events after `after` that may be for somebody, in order, each once.
    pub(super) fn after(&self, after: u64, wanted: &Wanted) -> Merge<'_> {
        let topics = wanted.any_topic.then_some(&self.any_topic);
        let lists = wanted.keys.iter().filter_map(|key| self.lists.get(key));
        Merge::new([&self.anybody].into_iter().chain(topics).chain(lists), after)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let none = |seqs: &Seqs| matches!(seqs, Seqs::Many(seqs) if seqs.is_empty());
        none(&self.anybody) && none(&self.any_topic) && self.lists.is_empty() && self.bytes == 0
    }
}

/// An empty list without memory.
impl Default for Seqs {
    fn default() -> Self {
        Self::Many(VecDeque::new())
    }
}

impl Seqs {
    /// Adds the newest; does nothing if an address has the same key twice. Returns the bytes that this takes.
    fn push(&mut self, seq: u64) -> usize {
        let before = self.bytes();
        match self {
            Self::One(only) if *only == seq => {}
            Self::One(only) => *self = Self::Many([*only, seq].into()),
            Self::Many(seqs) if seqs.is_empty() => *self = Self::One(seq),
            Self::Many(seqs) if seqs.back() == Some(&seq) => {}
            Self::Many(seqs) => seqs.push_back(seq),
        }
        self.bytes() - before
    }

    /// Removes one. Returns the bytes that this frees, and the number of steps.
    fn take(&mut self, seq: u64) -> (usize, usize) {
        let (before, mut steps) = (self.bytes(), 1);
        match self {
            Self::One(only) if *only == seq => *self = Self::default(),
            Self::One(_) => {}
            Self::Many(seqs) => {
                // Mostly it is the oldest.
                if seqs.front() == Some(&seq) {
                    seqs.pop_front();
                } else if let Ok(at) = seqs.binary_search(&seq) {
                    steps += at.min(seqs.len() - at) / STEP;
                    seqs.remove(at);
                }
                match seqs.front() {
                    Some(only) if seqs.len() == 1 => *self = Self::One(*only),
                    _ if seqs.len() < seqs.capacity() / 4 => seqs.shrink_to(2 * seqs.len()),
                    _ => {}
                }
            }
        }
        (before - self.bytes(), steps)
    }

    /// Bytes of memory beside the list's own place, about.
    fn bytes(&self) -> usize {
        match self.len() {
            1 => 0,
            len => len * SEQ,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(seqs) => seqs.len(),
        }
    }

    fn get(&self, at: usize) -> Option<u64> {
        match self {
            Self::One(only) => (at == 0).then_some(*only),
            Self::Many(seqs) => seqs.get(at).copied(),
        }
    }

    /// The index of the first that is greater than `after`.
    fn place_after(&self, after: u64) -> usize {
        match self {
            Self::One(only) => usize::from(*only <= after),
            Self::Many(seqs) => seqs.partition_point(|seq| *seq <= after),
        }
    }
}

/// Several ordered lists as one.
pub(super) struct Merge<'k> {
    lists: Vec<(&'k Seqs, usize)>,
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    last: u64,
}

impl<'k> Merge<'k> {
    fn new(lists: impl Iterator<Item = &'k Seqs>, after: u64) -> Self {
        let lists: Vec<_> = lists.map(|seqs| (seqs, seqs.place_after(after))).collect();
        let head = |(n, (seqs, at)): (usize, &(&Seqs, usize))| Some(Reverse((seqs.get(*at)?, n)));
        let heads = lists.iter().enumerate().filter_map(head).collect();
        Self { lists, heads, last: after }
    }
}

impl Iterator for Merge<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        loop {
            let Reverse((seq, n)) = self.heads.pop()?;
            let (seqs, at) = &mut self.lists[n];
            *at += 1;
            self.heads.extend(seqs.get(*at).map(|next| Reverse((next, n))));
            if seq > self.last {
                self.last = seq;
                return Some(seq);
            }
        }
    }
}
