//! History by what events are addressed to, so that a replay costs what it returns.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::hash::{Hash, RandomState};
use std::ops::Bound;

use hashbrown::HashMap;

use crate::wire::{ClientId, Pattern, Profile, Selector, Topic};

/// The counts of the events held, by user, session, topic and client, and of those that may go to anybody.
#[derive(Debug, Default)]
pub(super) struct Keys {
    anybody: VecDeque<u64>,
    users: Lists<Box<str>>,
    sessions: Lists<Box<str>>,
    clients: Lists<ClientId>,
    topics: BTreeMap<Topic, VecDeque<u64>>,
}

/// That of `hashbrown`, since it copies a name only where it is new. SipHash, since names come from outside.
type Lists<K> = HashMap<K, VecDeque<u64>, RandomState>;

/// Topics in history up to which a wildcard is held against each.
const MANY_TOPICS: usize = 128;

impl Keys {
    /// Adds the newest event.
    pub(super) fn insert(&mut self, seq: u64, to: &Selector) {
        if to.everyone {
            return push(&mut self.anybody, seq);
        }
        to.users.iter().for_each(|key| push(self.users.entry_ref(key).or_default(), seq));
        to.sessions.iter().for_each(|key| push(self.sessions.entry_ref(key).or_default(), seq));
        to.clients.iter().for_each(|key| push(self.clients.entry(*key).or_default(), seq));
        to.topics.iter().for_each(|key| push(self.topics.entry(key.clone()).or_default(), seq));
    }

    /// Removes an event.
    pub(super) fn remove(&mut self, seq: u64, to: &Selector) {
        if to.everyone {
            return take(&mut self.anybody, seq);
        }
        to.users.iter().for_each(|key| remove(&mut self.users, key, seq));
        to.sessions.iter().for_each(|key| remove(&mut self.sessions, key, seq));
        to.clients.iter().for_each(|key| remove(&mut self.clients, key, seq));
        for key in &to.topics {
            if let Some(list) = self.topics.get_mut(key) {
                take(list, seq);
                if list.is_empty() {
                    self.topics.remove(key);
                }
            }
        }
    }

    /// Whether wildcards would have to be held against very many topics.
    pub(super) fn is_broad(&self, profile: &Profile) -> bool {
        self.topics.len() > MANY_TOPICS && profile.topics.iter().any(|pattern| !pattern.is_literal())
    }

    /// The events after `after` that may be for somebody, in order, each once.
    pub(super) fn after<'k>(
        &'k self,
        after: u64,
        profile: &Profile,
        client: ClientId,
    ) -> impl Iterator<Item = u64> + 'k {
        let mut lists = vec![&self.anybody];
        lists.extend(profile.user.as_ref().and_then(|user| self.users.get(&**user)));
        lists.extend(profile.session.as_ref().and_then(|session| self.sessions.get(&**session)));
        lists.extend(self.clients.get(&client));
        profile.topics.iter().for_each(|pattern| self.add_topics(pattern, &mut lists));
        Merge::new(lists, after)
    }

    fn add_topics<'k>(&'k self, pattern: &Pattern, lists: &mut Vec<&'k VecDeque<u64>>) {
        if pattern.is_literal() {
            return lists.extend(self.topics.get(pattern.as_str()));
        }
        // Topics that share what stands before the first wildcard lie together.
        let wildcard = pattern.as_str().find(['*', '>']).unwrap_or(0);
        let prefix = &pattern.as_str()[..wildcard];
        let range = self.topics.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let candidates = range.take_while(|(topic, _)| topic.as_str().starts_with(prefix));
        lists.extend(candidates.filter(|(topic, _)| pattern.matches(topic)).map(|(_, list)| list));
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.anybody.is_empty()
            && self.users.is_empty()
            && self.sessions.is_empty()
            && self.clients.is_empty()
            && self.topics.is_empty()
    }
}

/// An address may name the same key twice.
fn push(list: &mut VecDeque<u64>, seq: u64) {
    if list.back() != Some(&seq) {
        list.push_back(seq);
    }
}

/// The oldest goes first as a rule, so this is cheap but for events with a shorter life of their own.
fn take(list: &mut VecDeque<u64>, seq: u64) {
    // As a rule the oldest goes.
    if list.front() == Some(&seq) {
        list.pop_front();
    } else if let Ok(at) = list.binary_search(&seq) {
        list.remove(at);
    }
}

fn remove<K: Hash + Eq>(map: &mut Lists<K>, key: &K, seq: u64) {
    if let Some(list) = map.get_mut(key) {
        take(list, seq);
        if list.is_empty() {
            map.remove(key);
        }
    }
}

/// Several ordered lists as one.
struct Merge<'k> {
    lists: Vec<(&'k VecDeque<u64>, usize)>,
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    last: u64,
}

impl<'k> Merge<'k> {
    fn new(lists: Vec<&'k VecDeque<u64>>, after: u64) -> Self {
        let lists: Vec<_> =
            lists.into_iter().map(|list| (list, list.partition_point(|seq| *seq <= after))).collect();
        let heads = lists
            .iter()
            .enumerate()
            .filter_map(|(n, (list, at))| Some(Reverse((*list.get(*at)?, n))))
            .collect();
        Self { lists, heads, last: after }
    }
}

impl Iterator for Merge<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        loop {
            let Reverse((seq, n)) = self.heads.pop()?;
            let (list, at) = &mut self.lists[n];
            *at += 1;
            self.heads.extend(list.get(*at).map(|next| Reverse((*next, n))));
            if seq > self.last {
                self.last = seq;
                return Some(seq);
            }
        }
    }
}
