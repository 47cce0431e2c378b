//! What history no longer holds, by whom it was for.

use std::hash::{BuildHasher, Hash, RandomState};

use crate::wire::{ClientId, Profile, Selector};

/// Places of the table.
const PLACES: usize = 1 << 18;
/// Places of each key. A key is taken for lost only if others have marked all of them since: of 20,000 quiet
/// users whose neighbours have all lost something, one in a hundred fetches its state once too often.
const COPIES: usize = 3;

/// For everyone, and for each user, session, topic and client, the newest event that history has dropped.
///
/// A client has lost something if, after its last event, something was dropped that it may have seen. Without
/// this, everybody who gets few events would be told of a gap whenever others had many. 2 MiB of address space, of
/// which only what is marked becomes memory; no growth.
#[derive(Debug)]
pub(super) struct Losses {
    anybody: u64,
    /// Newest dropped event to any topic, for subscriptions that begin with a wildcard.
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
            self.mark(('f', first_token(topic.as_str())), seq);
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
                false if first_token(pattern.as_str()).contains(['*', '>']) => self.any_topic,
                false => self.at(('f', first_token(pattern.as_str()))),
            });
        }
        newest
    }

    fn mark(&mut self, key: impl Hash, seq: u64) {
        for place in self.places_of(key) {
            self.places[place] = self.places[place].max(seq);
        }
    }

    fn at(&self, key: impl Hash) -> u64 {
        self.places_of(key).iter().map(|place| self.places[*place]).min().unwrap_or(0)
    }

    /// One hash, cut into as many pieces as there are copies.
    fn places_of(&self, key: impl Hash) -> [usize; COPIES] {
        let hash = self.hasher.hash_one(key);
        std::array::from_fn(|copy| (hash >> (copy * 21)) as usize % PLACES)
    }
}

fn first_token(text: &str) -> &str {
    text.split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ClientKey, Pattern, StreamToken, Target, Topic};

    fn to_user(user: &str) -> Selector {
        Target::user(user).to
    }

    fn of_user(user: &str) -> Profile {
        Profile { user: Some(user.into()), ..Profile::default() }
    }

    fn nobody() -> ClientId {
        ClientKey::new([0, 0]).seal(StreamToken { shard: 0, slot: 0, serial: 0 })
    }

    #[test]
    fn a_loss_is_never_missed_and_hardly_ever_made_up() {
        let mut losses = Losses::new();
        for n in 0..20_000 {
            losses.add(n + 1, &to_user(&format!("busy-{n}")));
        }
        let newest = |user: String| losses.newest(&of_user(&user), nobody());
        assert!((0..20_000).all(|n| newest(format!("busy-{n}")) > n));
        let false_alarms = (0..10_000).filter(|n| newest(format!("quiet-{n}")) > 0).count();
        assert!(false_alarms < 300, "{false_alarms} of 10,000 that lost nothing are told that they did");
    }

    #[test]
    fn wildcards_are_told_of_losses_below_their_first_token() {
        let mut losses = Losses::new();
        losses.add(7, &Target::topic(Topic::parse("a.b").unwrap()).to);
        let newest = |pattern: &str| {
            let topics = [Pattern::parse(pattern).unwrap()].into();
            losses.newest(&Profile { topics, ..Profile::default() }, nobody())
        };
        assert_eq!(["a.b", "a.*", "a.>", "*.b", ">"].map(newest), [7; 5]);
        assert_eq!(["a.c", "b.*", "c.>"].map(newest), [0; 3]);
    }
}
