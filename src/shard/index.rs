//! Who wants what: from a user, session, topic or piece of metadata to the streams.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::names::{Name, Names};
use super::trie::PatternTrie;
use crate::wire::{Profile, Selector, Topic};

/// The admitted streams of one shard by what they can be addressed by.
///
/// A publication to one user costs its matches, not the connections. Names are hashed with SipHash, since they
/// come from clients. `profile` tells that of the stream in a slot, if there is one.
#[derive(Debug, Default)]
pub(super) struct Index {
    users: Names,
    sessions: Names,
    literals: Names,
    wildcards: PatternTrie,
    meta: Names,
    hashes: RandomState,
}

impl Index {
    pub(super) fn insert<'p>(
        &mut self,
        slot: u32,
        of: &Profile,
        profile: impl Fn(u32) -> Option<&'p Profile>,
    ) {
        for name in names(of) {
            let hash = self.hash(name);
            let has = |slot| profile(slot).is_some_and(|profile| name.is_of(profile));
            self.kind_mut(name).insert(hash, name, slot, has);
        }
        for pattern in of.topics.iter().filter(|pattern| !pattern.is_literal()) {
            self.wildcards.insert(pattern, slot);
        }
    }

    pub(super) fn remove(&mut self, slot: u32, of: &Profile) {
        for name in names(of) {
            let hash = self.hash(name);
            self.kind_mut(name).remove(hash, name, slot);
        }
        for pattern in of.topics.iter().filter(|pattern| !pattern.is_literal()) {
            self.wildcards.remove(pattern, slot);
        }
    }

    /// Appends the streams of a name.
    pub(super) fn of_name<'p>(
        &self,
        name: Name<'_>,
        profile: impl Fn(u32) -> Option<&'p Profile>,
        out: &mut Vec<u32>,
    ) {
        let has = |slot| profile(slot).is_some_and(|profile| name.is_of(profile));
        self.kind(name).collect(self.hash(name), name, has, out);
    }

    /// Streams that the names in a selector may mean, in order and each once. What else it asks for is not
    /// looked at. `None`: it names everyone, so there is no shorter list than all.
    pub(super) fn candidates<'p>(
        &self,
        selector: &Selector,
        profile: impl Fn(u32) -> Option<&'p Profile>,
        out: &mut Vec<u32>,
    ) -> Option<()> {
        out.clear();
        if selector.everyone {
            let (key, value) = selector.meta.first()?;
            self.of_name(Name::Meta(key, value), &profile, out);
        } else {
            selector.users.iter().for_each(|user| self.of_name(Name::User(user), &profile, out));
            selector.sessions.iter().for_each(|session| self.of_name(Name::Session(session), &profile, out));
            selector.topics.iter().for_each(|topic| self.of_topic(topic, &profile, out));
        }
        out.sort_unstable();
        out.dedup();
        Some(())
    }

    fn of_topic<'p>(&self, topic: &Topic, profile: impl Fn(u32) -> Option<&'p Profile>, out: &mut Vec<u32>) {
        self.of_name(Name::Topic(topic.as_str()), profile, out);
        self.wildcards.visit(topic, |slot| out.push(slot));
    }

    pub(super) fn is_empty(&self) -> bool {
        let kinds = [&self.users, &self.sessions, &self.literals, &self.meta];
        self.wildcards.is_empty() && kinds.into_iter().all(Names::is_empty)
    }

    fn hash(&self, name: Name<'_>) -> u32 {
        self.hashes.hash_one(name) as u32
    }

    fn kind(&self, name: Name<'_>) -> &Names {
        match name {
            Name::User(_) => &self.users,
            Name::Session(_) => &self.sessions,
            Name::Topic(_) => &self.literals,
            Name::Meta(..) => &self.meta,
        }
    }

    fn kind_mut(&mut self, name: Name<'_>) -> &mut Names {
        match name {
            Name::User(_) => &mut self.users,
            Name::Session(_) => &mut self.sessions,
            Name::Topic(_) => &mut self.literals,
            Name::Meta(..) => &mut self.meta,
        }
    }
}

/// All that a profile can be found by in a table.
fn names(profile: &Profile) -> impl Iterator<Item = Name<'_>> {
    let user = profile.user.as_deref().map(Name::User);
    let session = profile.session.as_deref().map(Name::Session);
    let literals = profile.topics.iter().filter(|pattern| pattern.is_literal());
    let topics = literals.map(|pattern| Name::Topic(pattern.as_str()));
    let meta = profile.meta.iter().map(|(key, value)| Name::Meta(key, value));
    user.into_iter().chain(session).chain(topics).chain(meta)
}
