//! Who wants what: from a user, session, topic or piece of metadata to the streams.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use super::trie::PatternTrie;
use crate::wire::{Pattern, Profile, Selector, Topic};

/// The admitted streams of one shard by what they can be addressed by.
///
/// A publication to one user costs its matches, not the connections. Keys are hashed with SipHash, since they
/// come from clients.
#[derive(Debug, Default)]
pub(super) struct Index {
    users: HashMap<Arc<str>, Slots>,
    sessions: HashMap<Arc<str>, Slots>,
    literals: HashMap<Pattern, Slots>,
    wildcards: PatternTrie,
    meta: HashMap<Arc<str>, HashMap<Arc<str>, Slots>>,
}

/// Slots in order; most keys have one.
#[derive(Debug)]
enum Slots {
    One(u32),
    #[expect(
        clippy::box_collection,
        reason = "nearly every name is one stream: the entry of a map is to be small"
    )]
    Many(Box<BTreeSet<u32>>),
}

impl Index {
    pub(super) fn insert(&mut self, slot: u32, profile: &Profile) {
        if let Some(user) = &profile.user {
            insert(&mut self.users, user, slot);
        }
        if let Some(session) = &profile.session {
            insert(&mut self.sessions, session, slot);
        }
        for pattern in &profile.topics {
            match pattern.is_literal() {
                true => insert(&mut self.literals, pattern, slot),
                false => self.wildcards.insert(pattern, slot),
            }
        }
        for (key, value) in &profile.meta {
            let values = match self.meta.get_mut(key) {
                Some(values) => values,
                None => self.meta.entry(key.clone()).or_default(),
            };
            insert(values, value, slot);
        }
    }

    pub(super) fn remove(&mut self, slot: u32, profile: &Profile) {
        if let Some(user) = &profile.user {
            remove(&mut self.users, user, slot);
        }
        if let Some(session) = &profile.session {
            remove(&mut self.sessions, session, slot);
        }
        for pattern in &profile.topics {
            match pattern.is_literal() {
                true => remove(&mut self.literals, pattern, slot),
                false => self.wildcards.remove(pattern, slot),
            }
        }
        for (key, value) in &profile.meta {
            let Some(values) = self.meta.get_mut(key) else { continue };
            remove(values, value, slot);
            if values.is_empty() {
                self.meta.remove(key);
            }
        }
    }

    /// The streams of a user.
    pub(super) fn of_user(&self, user: &str, out: &mut Vec<u32>) {
        collect(self.users.get(user), out);
    }

    /// Streams that the names in a selector may mean, in order and each once. What else it asks for is not
    /// looked at. `None`: it names everyone, so there is no shorter list than all.
    pub(super) fn candidates(&self, selector: &Selector, out: &mut Vec<u32>) -> Option<()> {
        out.clear();
        if selector.everyone {
            let (key, value) = selector.meta.first()?;
            collect(self.meta.get(&**key).and_then(|values| values.get(&**value)), out);
            return Some(());
        }
        selector.users.iter().for_each(|user| collect(self.users.get(&**user), out));
        selector.sessions.iter().for_each(|session| collect(self.sessions.get(&**session), out));
        selector.topics.iter().for_each(|topic| self.of_topic(topic, out));
        out.sort_unstable();
        out.dedup();
        Some(())
    }

    fn of_topic(&self, topic: &Topic, out: &mut Vec<u32>) {
        collect(self.literals.get(topic.as_str()), out);
        self.wildcards.visit(topic, |slot| out.push(slot));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty()
            && self.sessions.is_empty()
            && self.literals.is_empty()
            && self.wildcards.is_empty()
            && self.meta.is_empty()
    }
}

fn insert<K: Hash + Eq + Clone>(map: &mut HashMap<K, Slots>, key: &K, slot: u32) {
    match map.get_mut(key) {
        Some(Slots::Many(slots)) => drop(slots.insert(slot)),
        Some(one @ Slots::One(_)) => {
            let Slots::One(first) = *one else { return };
            *one = Slots::Many(Box::new(BTreeSet::from([first, slot])));
        }
        None => drop(map.insert(key.clone(), Slots::One(slot))),
    }
}

fn remove<K: Hash + Eq>(map: &mut HashMap<K, Slots>, key: &K, slot: u32) {
    let is_last = match map.get_mut(key) {
        Some(Slots::One(only)) => *only == slot,
        Some(Slots::Many(slots)) => {
            slots.remove(&slot);
            slots.is_empty()
        }
        None => false,
    };
    if is_last {
        map.remove(key);
    }
}

fn collect(slots: Option<&Slots>, out: &mut Vec<u32>) {
    match slots {
        Some(Slots::One(slot)) => out.push(*slot),
        Some(Slots::Many(slots)) => out.extend(&**slots),
        None => {}
    }
}
