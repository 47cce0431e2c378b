//! What history no longer holds, by whom it was for.

use std::hash::{BuildHasher, Hash, RandomState};

use crate::wire::{ClientId, Profile, Selector};

/// Places of the table; two keys that share one make a client fetch its state once too often, no worse.
const PLACES: usize = 4096;

/// For everyone, and for each user, session, topic and client, the newest event that history has dropped.
///
/// A client has lost something if, after its last event, something was dropped that it may have seen. Without
/// this, everybody who gets few events would be told of a gap whenever others had many. 32 KiB, no growth.
#[derive(Debug)]
pub(super) struct Losses {
    anybody: u64,
    /// Newest dropped event to any topic, for subscriptions with wildcards.
    any_topic: u64,
    places: Box<[u64]>,
    hasher: RandomState,
}

impl Losses {
    pub(super) fn new() -> Self {
        Self {
            anybody: 0,
            any_topic: 0,
            places: vec![0; PLACES].into_boxed_slice(),
            hasher: RandomState::new(),
        }
    }

    /// Takes note that an event was dropped because of history's limits.
    pub(super) fn add(&mut self, seq: u64, to: &Selector) {
        if to.everyone {
            self.anybody = self.anybody.max(seq);
            return;
        }
        to.users.iter().for_each(|user| self.mark(('u', &**user), seq));
        to.sessions.iter().for_each(|session| self.mark(('s', &**session), seq));
        to.clients.iter().for_each(|client| self.mark(('c', client), seq));
        for topic in &to.topics {
            self.any_topic = self.any_topic.max(seq);
            self.mark(('t', topic.as_str()), seq);
        }
    }

    /// The newest dropped event that a client may have seen; 0 where there is none.
    pub(super) fn newest(&self, profile: &Profile, client: ClientId) -> u64 {
        let mut newest = self.anybody.max(self.at(('c', &client)));
        if let Some(user) = &profile.user {
            newest = newest.max(self.at(('u', &**user)));
        }
        if let Some(session) = &profile.session {
            newest = newest.max(self.at(('s', &**session)));
        }
        for pattern in &profile.topics {
            newest = newest.max(match pattern.is_literal() {
                true => self.at(('t', pattern.as_str())),
                false => self.any_topic,
            });
        }
        newest
    }

    fn mark(&mut self, key: impl Hash, seq: u64) {
        let place = self.place(key);
        self.places[place] = self.places[place].max(seq);
    }

    fn at(&self, key: impl Hash) -> u64 {
        self.places[self.place(key)]
    }

    fn place(&self, key: impl Hash) -> usize {
        self.hasher.hash_one(key) as usize % PLACES
    }
}
