//! Finds the streams of a name, in eight bytes a name.

use std::collections::BTreeSet;

use hashbrown::HashTable;
use slab::Slab;

use crate::event::Profile;

/// Something that a stream can be addressed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Name<'n> {
    User(&'n str),
    Session(&'n str),
    /// A pattern without wildcards.
    Topic(&'n str),
    Meta(&'n str, &'n str),
}

impl Name<'_> {
    /// Whether a stream with this profile has it.
    pub(super) fn is_of(self, profile: &Profile) -> bool {
        match self {
            Self::User(user) => profile.user.as_deref() == Some(user),
            Self::Session(session) => profile.session.as_deref() == Some(session),
            Self::Topic(topic) => profile.topics.iter().any(|pattern| pattern.as_str() == topic),
            Self::Meta(key, value) => profile.meta(key) == Some(value),
        }
    }
}

/// The streams of one kind of name.
///
/// Nearly every name belongs to one stream, which holds the text, so an entry holds only a hash and the slot. Only
/// names that several streams share are kept here, once. Two names of one stream may have the same hash; their entries
/// are then equal, and either serves for both.
///
/// `has` returns whether the stream in a slot has the wanted name.
#[derive(Debug, Default)]
pub(super) struct Names {
    table: HashTable<Entry>,
    shared: Slab<SharedName>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    owner: Owner,
}

/// The slot of the one stream, or with [`SHARED`] the key of a [`SharedName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner(u32);

const SHARED: u32 = 1 << 31;

/// The streams, in order, that share a name.
#[derive(Debug)]
struct SharedName {
    /// The name. All names in a table are of one kind.
    name: (Box<str>, Box<str>),
    slots: BTreeSet<u32>,
}

impl Names {
    /// Adds a stream. It must not have this name already.
    pub(super) fn insert(&mut self, hash: u32, name: Name<'_>, slot: u32, has: impl Fn(u32) -> bool) {
        // An equal entry is that of another name of the same stream with the same hash.
        let found = self.find(hash, name, |other| other != slot && has(other));
        match found.map(|owner| (owner, owner.shared())) {
            Some((_, Some(at))) => drop(self.shared[at].slots.insert(slot)),
            Some((Owner(first), None)) => {
                let (text, more) = name.texts();
                let shared = SharedName { name: (text.into(), more.into()), slots: [first, slot].into() };
                let owner = Owner(self.shared.insert(shared) as u32 | SHARED);
                let is_first = |entry: &Entry| entry.hash == hash && entry.owner == Owner(first);
                if let Some(entry) = self.table.find_mut(spread(hash), is_first) {
                    entry.owner = owner;
                }
            }
            None => {
                let entry = Entry { hash, owner: Owner(slot) };
                self.table.insert_unique(spread(hash), entry, |entry| spread(entry.hash));
            }
        }
    }

    /// Removes a stream that was added with this name.
    pub(super) fn remove(&mut self, hash: u32, name: Name<'_>, slot: u32) {
        let Some(owner) = self.find(hash, name, |other| other == slot) else { return };
        if let Some(at) = owner.shared() {
            self.shared[at].slots.remove(&slot);
            if !self.shared[at].slots.is_empty() {
                return;
            }
            self.shared.remove(at);
        }
        let is_it = |entry: &Entry| entry.hash == hash && entry.owner == owner;
        if let Ok(entry) = self.table.find_entry(spread(hash), is_it) {
            entry.remove();
        }
        // Free the memory after many have left, but do not reallocate for a few.
        if self.table.len() < self.table.capacity() / 4 {
            self.table.shrink_to(2 * self.table.len(), |entry| spread(entry.hash));
        }
        if self.shared.is_empty() {
            self.shared.shrink_to_fit();
        }
    }

    /// Appends the streams that have a name.
    pub(super) fn collect(&self, hash: u32, name: Name<'_>, has: impl Fn(u32) -> bool, out: &mut Vec<u32>) {
        match self.find(hash, name, has).map(|owner| (owner, owner.shared())) {
            Some((_, Some(at))) => out.extend(&self.shared[at].slots),
            Some((Owner(slot), None)) => out.push(slot),
            None => {}
        }
    }

    /// How many streams have a name.
    pub(super) fn count(&self, hash: u32, name: Name<'_>, has: impl Fn(u32) -> bool) -> usize {
        match self.find(hash, name, has).map(Owner::shared) {
            Some(Some(at)) => self.shared[at].slots.len(),
            Some(None) => 1,
            None => 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty() && self.shared.is_empty()
    }

    /// The shared entry of a name or, where there is none, an entry of a stream that has it.
    fn find(&self, hash: u32, name: Name<'_>, has: impl Fn(u32) -> bool) -> Option<Owner> {
        let mut single = None;
        for entry in self.table.iter_hash(spread(hash)).filter(|entry| entry.hash == hash) {
            match entry.owner.shared() {
                Some(at) if self.shared[at].is_of(name) => return Some(entry.owner),
                None if single.is_none() && has(entry.owner.0) => single = Some(entry.owner),
                _ => {}
            }
        }
        single
    }
}

impl Owner {
    fn shared(self) -> Option<usize> {
        (self.0 & SHARED != 0).then_some((self.0 & !SHARED) as usize)
    }
}

impl SharedName {
    fn is_of(&self, name: Name<'_>) -> bool {
        let (text, more) = name.texts();
        *self.name.0 == *text && *self.name.1 == *more
    }
}

impl<'n> Name<'n> {
    fn texts(self) -> (&'n str, &'n str) {
        match self {
            Self::User(text) | Self::Session(text) | Self::Topic(text) => (text, ""),
            Self::Meta(key, value) => (key, value),
        }
    }
}

/// The table looks at the highest and the lowest bits of a hash (its golden ratio: Knuth, TAOCP 6.4).
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Pattern;

    /// Streams with several topics each, of which very many have the same hash, against a plain list.
    #[test]
    fn agrees_with_asking_every_stream_whatever_the_hashes() {
        let topics: Vec<String> = (0..12).map(|n| format!("t{n}")).collect();
        let hash = |topic: &str| topic.len() as u32 + u32::from(topic.as_bytes()[1] % 3);
        for seed in 0..50 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut names = Names::default();
            let mut streams: Vec<Option<Profile>> = vec![None; 20];
            for _ in 0..600 {
                let slot = random.usize(..streams.len());
                match streams[slot].clone() {
                    Some(profile) => {
                        for pattern in &profile.topics {
                            names.remove(hash(pattern.as_str()), Name::Topic(pattern.as_str()), slot as u32);
                        }
                        streams[slot] = None;
                    }
                    None => {
                        let chosen = topics.iter().filter(|_| random.u32(..3) == 0);
                        let topics = chosen.map(|topic| Pattern::parse(topic).unwrap()).collect();
                        let profile = Profile { topics, ..Profile::default() };
                        for pattern in &profile.topics {
                            let name = Name::Topic(pattern.as_str());
                            let has =
                                |slot: u32| streams[slot as usize].as_ref().is_some_and(|p| name.is_of(p));
                            names.insert(hash(pattern.as_str()), name, slot as u32, has);
                        }
                        streams[slot] = Some(profile);
                    }
                }
                let topic = &topics[random.usize(..topics.len())];
                let name = Name::Topic(topic);
                let has = |slot: u32| streams[slot as usize].as_ref().is_some_and(|p| name.is_of(p));
                let mut found = Vec::new();
                names.collect(hash(topic), name, has, &mut found);
                found.sort_unstable();
                let expected: Vec<u32> = (0..streams.len() as u32).filter(|slot| has(*slot)).collect();
                assert_eq!(found, expected, "seed {seed}, {topic}");
                assert_eq!(names.count(hash(topic), name, has), expected.len(), "seed {seed}, {topic}");
            }
            for (slot, profile) in streams.into_iter().enumerate() {
                for pattern in profile.into_iter().flat_map(|profile| profile.topics) {
                    names.remove(hash(pattern.as_str()), Name::Topic(pattern.as_str()), slot as u32);
                }
            }
            assert!(names.is_empty(), "seed {seed}");
            assert_eq!((names.table.allocation_size(), names.shared.capacity()), (0, 0), "given back");
        }
    }
}
