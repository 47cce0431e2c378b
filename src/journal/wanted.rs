//! The keys of the journal's index, as hashes: those of an event, and those of a client.

use std::hash::{BuildHasher, Hash, RandomState};

use smallvec::SmallVec;

use crate::event::{ClientId, Pattern, Profile, Selector};

/// Something that an event is addressed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key<'k> {
    User(&'k str),
    Session(&'k str),
    Client(ClientId),
    Topic(&'k str),
    /// The topics that begin with these one or two tokens and have more.
    Branch(&'k [u8]),
}

/// The hash function of a journal: SipHash with a random key, since names come from clients.
#[derive(Clone, Debug, Default)]
pub(super) struct Hasher(RandomState);

/// The keys of all events that may be for one client, except those for everyone.
///
/// It is made before the journal is locked, since it takes time for each pattern of the client.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) keys: SmallVec<[u64; 4]>,
    /// Whether it has a pattern that begins with a wildcard, so that events with any topic may be for it.
    pub(super) any_topic: bool,
}

impl Hasher {
    pub(super) fn hash(&self, key: Key<'_>) -> u64 {
        self.0.hash_one(key)
    }
}

impl<'k> Key<'k> {
    /// The keys of an address; may contain duplicates.
    pub(super) fn of(to: &'k Selector) -> impl Iterator<Item = Self> {
        let users = to.users.iter().map(|user| Key::User(user));
        let sessions = to.sessions.iter().map(|session| Key::Session(session));
        let clients = to.clients.iter().map(|client| Key::Client(*client));
        let topics = to.topics.iter().flat_map(|topic| {
            let topic = topic.as_str();
            [Key::Topic(topic)].into_iter().chain(branches(topic.as_bytes()).map(Key::Branch))
        });
        users.chain(sessions).chain(clients).chain(topics)
    }

    /// The key of all topics that a pattern matches; `None` if there is no such key.
    fn of_pattern(pattern: &'k Pattern) -> Option<Self> {
        if pattern.is_literal() {
            return Some(Key::Topic(pattern.as_str()));
        }
        branch_of(pattern).map(Key::Branch)
    }
}

/// Of a topic, the first token and the first two tokens, if more follow.
pub(super) fn branches(topic: &[u8]) -> impl Iterator<Item = &[u8]> {
    let points = topic.iter().enumerate().filter(|(_, byte)| **byte == b'.');
    points.take(2).map(|(at, _)| &topic[..at])
}

/// The longest branch that all topics which a pattern with wildcards matches have in common; `None` where it begins with a
/// wildcard.
pub(super) fn branch_of(pattern: &Pattern) -> Option<&[u8]> {
    let is_literal = |branch: &&[u8]| !branch.iter().any(|byte| matches!(byte, b'*' | b'>'));
    branches(pattern.as_str().as_bytes()).take_while(is_literal).last()
}

impl Wanted {
    pub(super) fn new(profile: &Profile, client: ClientId, hasher: &Hasher) -> Self {
        let user = profile.user.as_deref().map(Key::User);
        let session = profile.session.as_deref().map(Key::Session);
        let own = user.into_iter().chain(session).chain([Key::Client(client)]);
        let mut keys: SmallVec<_> = own.map(|key| hasher.hash(key)).collect();
        let places: Option<SmallVec<[Key<'_>; 4]>> = profile.topics.iter().map(Key::of_pattern).collect();
        let any_topic = places.is_none();
        keys.extend(places.into_iter().flatten().map(|key| hasher.hash(key)));
        // Several patterns may have the same key.
        keys.sort_unstable();
        keys.dedup();
        Self { keys, any_topic }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ClientKey, StreamToken, Target, Topic};

    #[test]
    fn a_pattern_leads_to_where_its_topics_are() {
        let topics = ["a", "b", "a.b", "a.b.c", "a.c", "a.b.c.d", "b.a.b.c", "c.c.c"];
        let patterns = [
            "a", "a.b", "a.*", "a.>", "a.b.*", "a.b.>", "a.b.*.d", "*", ">", "*.b", "a.*.c", "a.b.c.*", "b.>",
        ];
        let hasher = Hasher::default();
        let nobody = ClientKey::new([0, 0]).seal(StreamToken { shard: 0, slot: 0, serial: 0 });
        for pattern in patterns.map(|text| Pattern::parse(text).unwrap()) {
            let profile = Profile { topics: [pattern.clone()].into(), ..Profile::default() };
            let wanted = Wanted::new(&profile, nobody, &hasher);
            assert_eq!(wanted.any_topic, pattern.as_str().starts_with(['*', '>']), "{pattern}");
            for topic in topics.map(|text| Topic::parse(text).unwrap()) {
                let to = Target::topic(topic.clone()).to;
                let leads = Key::of(&to).any(|key| wanted.keys.contains(&hasher.hash(key)));
                assert!(leads || wanted.any_topic || !pattern.matches(&topic), "{pattern} misses {topic}");
            }
        }
        let elsewhere = Target::topic(Topic::parse("a.c.d").unwrap()).to;
        let profile = Profile { topics: [Pattern::parse("a.b.>").unwrap()].into(), ..Profile::default() };
        let wanted = Wanted::new(&profile, nobody, &hasher);
        assert!(!Key::of(&elsewhere).any(|key| wanted.keys.contains(&hasher.hash(key))));
    }
}
