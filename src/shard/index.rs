//! Finds the streams of a user, session, topic or piece of metadata.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::names::{Name, Names};
use super::trie::PatternTrie;
use crate::event::{Profile, Selector, Topic};

/// The admitted streams of one shard, by what they can be addressed by.
///
/// A publication to one user costs its matches, not the number of connections. Names are hashed with SipHash, since
/// they come from clients. `profile` returns the profile of the stream in a slot, if there is one.
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

    /// Appends the streams that have a name.
    pub(super) fn of_name<'p>(
        &self,
        name: Name<'_>,
        profile: impl Fn(u32) -> Option<&'p Profile>,
        out: &mut Vec<u32>,
    ) {
        let has = |slot| profile(slot).is_some_and(|profile| name.is_of(profile));
        self.kind(name).collect(self.hash(name), name, has, out);
    }

    /// Finds the streams that have one of the names in a selector, sorted and without duplicates. If it has conditions
    /// on metadata, only those streams that have the rarest member; the others are not checked. `None` if it selects
    /// everyone.
    pub(super) fn candidates<'p>(
        &self,
        selector: &Selector,
        profile: impl Fn(u32) -> Option<&'p Profile>,
        out: &mut Vec<u32>,
    ) -> Option<()> {
        out.clear();
        let rarest = self.rarest(selector, &profile);
        if let Some((_, 0)) = rarest {
            return Some(());
        }
        if selector.everyone {
            self.of_name(rarest?.0, &profile, out);
        } else {
            selector.users.iter().for_each(|user| self.of_name(Name::User(user), &profile, out));
            selector.sessions.iter().for_each(|session| self.of_name(Name::Session(session), &profile, out));
            let mut enough = MANY;
            for topic in &selector.topics {
                self.of_topic(topic, &profile, out);
                // A stream may be found by many patterns, and again for each topic.
                if out.len() > enough {
                    out.sort_unstable();
                    out.dedup();
                    enough = MANY + 2 * out.len();
                }
            }
        }
        out.sort_unstable();
        out.dedup();
        if let Some((name, count)) = rarest.filter(|(_, count)| *count < out.len()) {
            let mut having = Vec::with_capacity(count);
            self.of_name(name, &profile, &mut having);
            having.retain(|slot| out.binary_search(slot).is_ok());
            having.sort_unstable();
            *out = having;
        }
        Some(())
    }

    /// The member of a selector's metadata that the fewest streams have, and their number.
    fn rarest<'n, 'p>(
        &self,
        selector: &'n Selector,
        profile: impl Fn(u32) -> Option<&'p Profile>,
    ) -> Option<(Name<'n>, usize)> {
        let counted = selector.meta.iter().map(|(key, value)| {
            let name = Name::Meta(key, value);
            let has = |slot| profile(slot).is_some_and(|profile| name.is_of(profile));
            (name, self.meta.count(self.hash(name), name, has))
        });
        counted.min_by_key(|(_, count)| *count)
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

/// Number of found streams above which duplicates are removed.
const MANY: usize = 4096;

/// All names of a profile that a table can find it by.
fn names(profile: &Profile) -> impl Iterator<Item = Name<'_>> {
    let user = profile.user.as_deref().map(Name::User);
    let session = profile.session.as_deref().map(Name::Session);
    let literals = profile.topics.iter().filter(|pattern| pattern.is_literal());
    let topics = literals.map(|pattern| Name::Topic(pattern.as_str()));
    let meta = profile.meta.iter().map(|(key, value)| Name::Meta(key, value));
    user.into_iter().chain(session).chain(topics).chain(meta)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Pattern, Target};

    /// A hundred streams: all in English, half with a user of two, each fifth in a room, one of them the host.
    fn profiles() -> Vec<Profile> {
        let profile = |n: usize| {
            let mut meta = vec![("lang".into(), "en".into())];
            meta.extend((n.is_multiple_of(5)).then(|| ("room".into(), "1".into())));
            meta.extend((n == 35).then(|| ("seat".into(), "host".into())));
            let topics = [Pattern::parse("news.*").unwrap()].into();
            let user = (n.is_multiple_of(2)).then(|| if n < 50 { "ada" } else { "grace" }.into());
            Profile { user, topics, meta: meta.into(), ..Profile::default() }
        };
        (0..100).map(profile).collect()
    }

    #[test]
    fn metadata_is_looked_up_by_the_rarest_of_it_wherever_it_stands() {
        let profiles = profiles();
        let of = |slot: u32| profiles.get(slot as usize);
        let mut index = Index::default();
        (0..100).for_each(|slot| index.insert(slot, &profiles[slot as usize], of));
        let mut common = Target::all();
        for n in 0..60 {
            // What nobody would ask for twice, but may.
            common = common
                .with_meta("lang", "en")
                .with_meta(if n == 30 { "room" } else { "lang" }, if n == 30 { "1" } else { "en" });
        }
        let news = || Target::topic(crate::event::Topic::parse("news.eu").unwrap());
        let cases = [
            (Target::all().with_meta("lang", "en"), 100),
            (Target::all().with_meta("lang", "en").with_meta("room", "1"), 20),
            (Target::all().with_meta("room", "1").with_meta("lang", "en"), 20),
            (Target::all().with_meta("lang", "en").with_meta("room", "1").with_meta("seat", "host"), 1),
            (Target::all().with_meta("lang", "en").with_meta("room", "2"), 0),
            (common, 20),
            (news().with_meta("lang", "en").with_meta("room", "1"), 20),
            (news().with_meta("lang", "en").with_meta("seat", "host"), 1),
            (Target::user("ada").with_meta("lang", "en"), 25),
            (Target::user("ada").with_meta("lang", "en").with_meta("room", "1"), 5),
            (Target::user("ada").with_meta("seat", "host"), 0),
            (Target::user("nobody").with_meta("room", "1"), 0),
        ];
        for (target, candidates) in cases {
            let mut found = Vec::new();
            index.candidates(&target.to, of, &mut found).unwrap();
            assert_eq!(found.len(), candidates, "{target:?}");
            assert!(found.is_sorted());
        }
        let everywhere = (0..100)
            .fold(news(), |to, n| to.or_topic(crate::event::Topic::parse(&format!("news.{n}")).unwrap()));
        let mut found = Vec::new();
        index.candidates(&everywhere.to, of, &mut found).unwrap();
        assert_eq!(found, (0..100).collect::<Vec<_>>());
        assert!(found.capacity() <= 2 * (MANY + 300), "what is found again and again is put together");
        (0..100).for_each(|slot| index.remove(slot, &profiles[slot as usize]));
        assert!(index.is_empty());
    }
}
