//! What events are found by: a byte for the kind of an address, and its text.
//!
//! As bytes they sort by kind and text, so that all topics below one are a range.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;
use smallvec::SmallVec;

use crate::event::{ClientId, Pattern, Profile, Selector, Topic};
use crate::journal::wanted::{branch_of, branches};

/// A key as bytes.
pub(super) type Key = SmallVec<[u8; 64]>;

/// What goes to everyone, whatever metadata narrows it.
const EVERYONE: u8 = 0;
const USER: u8 = 1;
const SESSION: u8 = 2;
const CLIENT: u8 = 3;
pub(super) const TOPIC: u8 = 4;
/// Never in an index: the topics that begin with one or two tokens, for the table of losses.
const BRANCH: u8 = 5;

fn key(kind: u8, text: &[u8]) -> Key {
    let mut key = Key::with_capacity(1 + text.len());
    key.push(kind);
    key.extend_from_slice(text);
    key
}

/// The keys of an address; may contain duplicates. What goes to nobody has none.
pub(super) fn keys_of(to: &Selector) -> impl Iterator<Item = Key> {
    let named = !to.everyone;
    let everyone = to.everyone.then(|| key(EVERYONE, &[]));
    let users = to.users.iter().map(|user| key(USER, user.as_bytes()));
    let sessions = to.sessions.iter().map(|session| key(SESSION, session.as_bytes()));
    let clients = to.clients.iter().map(|client| key(CLIENT, &client.to_bytes()));
    let topics = to.topics.iter().map(|topic| key(TOPIC, topic.as_str().as_bytes()));
    everyone.into_iter().chain(users.chain(sessions).chain(clients).chain(topics).filter(move |_| named))
}

/// What somebody looks for in the log.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Everything, whomever it is for.
    pub(super) all: bool,
    /// Sorted, each once.
    pub(super) keys: Vec<Key>,
    /// With wildcards.
    pub(super) patterns: Vec<Pattern>,
}

impl Query {
    /// Everything, whomever it is for.
    pub fn all() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// What may be for a client: what its names, its topics and the address to everyone find. Metadata, exceptions and
    /// filters are for the caller to judge.
    pub fn of(profile: &Profile, client: Option<ClientId>) -> Self {
        let user = profile.user.as_deref().map(|user| key(USER, user.as_bytes()));
        let session = profile.session.as_deref().map(|session| key(SESSION, session.as_bytes()));
        let client = client.map(|client| key(CLIENT, &client.to_bytes()));
        let own = [Some(key(EVERYONE, &[])), user, session, client].into_iter().flatten();
        Self::of_keys(own.collect(), &profile.topics)
    }

    /// What is addressed to a user, a session or a topic that a pattern matches; not what goes to everyone.
    pub fn addressed(user: Option<&str>, session: Option<&str>, topics: &[Pattern]) -> Self {
        let user = user.map(|user| key(USER, user.as_bytes()));
        let session = session.map(|session| key(SESSION, session.as_bytes()));
        Self::of_keys(user.into_iter().chain(session).collect(), topics)
    }

    fn of_keys(mut keys: Vec<Key>, topics: &[Pattern]) -> Self {
        let (literal, patterns): (Vec<_>, Vec<_>) = topics.iter().cloned().partition(Pattern::is_literal);
        keys.extend(literal.iter().map(|pattern| key(TOPIC, pattern.as_str().as_bytes())));
        keys.sort_unstable();
        keys.dedup();
        Self { all: false, keys, patterns }
    }
}

/// What the keys of all topics that a pattern matches begin with.
pub(super) fn prefix(pattern: &Pattern) -> Key {
    let text = pattern.as_str();
    key(TOPIC, text.split(['*', '>']).next().unwrap_or_default().as_bytes())
}

/// Whether a key is of a topic that a pattern matches.
pub(super) fn is_matched(pattern: &Pattern, key: &[u8]) -> bool {
    let topic = key.strip_prefix(&[TOPIC]).and_then(|text| std::str::from_utf8(text).ok());
    topic.and_then(|text| Topic::parse(text).ok()).is_some_and(|topic| pattern.matches(&topic))
}

/// The hash of keys that stands on disk: it stays the same over restarts and versions. Its key is drawn, since names come
/// from clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyHasher(pub(super) [u64; 2]);

impl KeyHasher {
    pub(super) fn hash(self, key: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.0[0], self.0[1]);
        hasher.write(key);
        hasher.finish()
    }

    /// The hashes under which the loss of an event with this key is noted.
    pub(super) fn losses_of(self, key: &[u8]) -> SmallVec<[u64; 4]> {
        let mut hashes = SmallVec::new();
        hashes.push(self.hash(key));
        if let Some(topic) = key.strip_prefix(&[TOPIC]) {
            hashes.extend(branches(topic).map(|branch| self.branch(branch)));
        }
        hashes
    }

    /// The hash under which the losses of what a pattern matches are noted; `None` where it begins with a wildcard.
    pub(super) fn losses_matched(self, pattern: &Pattern) -> Option<u64> {
        branch_of(pattern).map(|branch| self.branch(branch))
    }

    fn branch(self, branch: &[u8]) -> u64 {
        self.hash(&key(BRANCH, branch))
    }
}

/// Whether it is the key of what goes to everyone.
pub(super) fn is_everyone(key: &[u8]) -> bool {
    key == [EVERYONE]
}

/// Whether it is the key of a topic.
pub(super) fn is_topic(key: &[u8]) -> bool {
    key.first() == Some(&TOPIC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Target;

    #[test]
    fn a_pattern_leads_to_its_topics_and_to_their_losses() {
        let topics = ["a", "b", "a.b", "a.b.c", "a.c", "a.b.c.d", "b.a.b.c", "ab.c"];
        let patterns = ["a.*", "a.>", "a.b.*", "a.b.>", "a.b.*.d", "*", ">", "*.b", "a.*.c", "b.>"];
        let hasher = KeyHasher([1, 2]);
        for pattern in patterns.map(|text| Pattern::parse(text).unwrap()) {
            for topic in topics.map(|text| Topic::parse(text).unwrap()) {
                let key = keys_of(&Target::topic(topic.clone()).to).next().expect("a key");
                assert_eq!(is_matched(&pattern, &key), pattern.matches(&topic), "{pattern} {topic}");
                if pattern.matches(&topic) {
                    assert!(key.starts_with(&prefix(&pattern)), "{pattern} {topic}");
                    let noted = hasher.losses_matched(&pattern);
                    assert!(
                        noted.is_none_or(|hash| hasher.losses_of(&key).contains(&hash)),
                        "{pattern} {topic}"
                    );
                }
            }
        }
        let narrow = hasher.losses_matched(&Pattern::parse("a.b.>").unwrap()).expect("a branch");
        let key = keys_of(&Target::topic(Topic::parse("a.c.d").unwrap()).to).next().expect("a key");
        assert!(!hasher.losses_of(&key).contains(&narrow));
    }

    #[test]
    fn what_goes_to_everyone_has_no_other_key() {
        assert_eq!(keys_of(&Target::all().or_user("a").to).count(), 1);
        assert_eq!(keys_of(&Target::user("a").or_session("a").to).count(), 2);
        let user = keys_of(&Target::user("a").to).next();
        assert_ne!(user, keys_of(&Target::session("a").to).next());
    }
}
