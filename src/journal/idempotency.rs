//! The keys that make repeating a publish safe.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

use crate::event::EventId;

/// The hash of what was published with a key.
pub type BodyHash = [u8; 32];

/// What was published with a key, each in the scope of who published it.
///
/// Keys are kept as hashes of 128 bits, made with a key that is drawn: nobody can find two that share one. So each takes
/// the same memory, whatever its length: about 200 bytes.
#[derive(Debug)]
pub struct IdempotencyKeys {
    window_ms: u64,
    most: usize,
    hashers: [RandomState; 2],
    known: HashMap<Hash, Known>,
    /// Those that were answered, each once, the oldest first.
    answered: VecDeque<(u64, Hash)>,
    under_way: usize,
}

type Hash = [u64; 2];

#[derive(Clone, Copy, Debug)]
struct Known {
    body: BodyHash,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    UnderWay,
    Answered(Answer),
}

/// The ids of what was published, as they were answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Of its first event.
    pub first: EventId,
    /// Of its last event.
    pub last: EventId,
}

/// What is to be done with a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It is the first with its key, and is now under way: publish it, then say how that
    /// [ended](IdempotencyKeys::answered).
    First(Ticket),
    /// It was published before: answer it as then.
    Answered(Answer),
    /// The first is under way.
    UnderWay,
    /// The first had another body.
    OtherBody,
    /// So many are under way that no more are taken.
    TooMany,
}

/// A publish under way that has a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Ticket(Hash);

/// Maximum number of keys that a journal remembers.
pub const MOST: usize = 1_000_000;

/// Bytes of memory of a key, about: a place in a table and one in a ring, each at least half full.
const KEY: usize = 2 * (size_of::<Hash>() + size_of::<Known>() + size_of::<(u64, Hash)>());

impl IdempotencyKeys {
    /// Remembers up to `most` keys, each for `window_ms` after it was answered. The oldest go first.
    pub fn new(window_ms: u64, most: usize) -> Self {
        Self {
            window_ms,
            most: most.max(1),
            hashers: Default::default(),
            known: HashMap::new(),
            answered: VecDeque::new(),
            under_way: 0,
        }
    }

    /// Takes a publish that has a key, at a time in ms since the Unix epoch.
    pub fn begin(&mut self, scope: &str, key: &str, body: BodyHash, unix_ms: u64) -> Repeat {
        self.expire(unix_ms);
        let hash = self.hash(scope, key);
        match self.known.get(&hash) {
            Some(known) if known.body != body => Repeat::OtherBody,
            Some(Known { state: State::UnderWay, .. }) => Repeat::UnderWay,
            Some(Known { state: State::Answered(answer), .. }) => Repeat::Answered(*answer),
            None if self.under_way == self.most => Repeat::TooMany,
            None => {
                self.under_way += 1;
                self.known.insert(hash, Known { body, state: State::UnderWay });
                self.make_room();
                Repeat::First(Ticket(hash))
            }
        }
    }

    /// It was published, and from now on is answered so.
    pub fn answered(&mut self, ticket: Ticket, answer: Answer, unix_ms: u64) {
        if let Some(known) = self.known.get_mut(&ticket.0) {
            known.state = State::Answered(answer);
            self.under_way -= 1;
            self.answered.push_back((unix_ms, ticket.0));
        }
        self.expire(unix_ms);
    }

    /// It was refused: the next one with its key is the first again.
    pub fn refused(&mut self, ticket: Ticket) {
        if self.known.remove(&ticket.0).is_some() {
            self.under_way -= 1;
        }
    }

    /// Takes up what was answered before a restart, the oldest first. A key that is known already stays as it is.
    pub fn restore(&mut self, scope: &str, key: &str, body: BodyHash, answer: Answer, unix_ms: u64) {
        let hash = self.hash(scope, key);
        if let Entry::Vacant(place) = self.known.entry(hash) {
            place.insert(Known { body, state: State::Answered(answer) });
            self.answered.push_back((unix_ms, hash));
            self.make_room();
        }
    }

    /// Forgets the keys whose window is over.
    pub fn expire(&mut self, unix_ms: u64) {
        while let Some((since, hash)) = self.answered.front().copied()
            && unix_ms.saturating_sub(since) >= self.window_ms
        {
            self.answered.pop_front();
            self.forget(hash);
        }
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Bytes of memory, about.
    pub fn bytes(&self) -> usize {
        self.known.len() * KEY
    }

    fn make_room(&mut self) {
        while self.known.len() > self.most
            && let Some((_, hash)) = self.answered.pop_front()
        {
            self.forget(hash);
        }
    }

    /// Only one that was answered is listed, and each is listed once.
    fn forget(&mut self, hash: Hash) {
        self.known.remove(&hash);
    }

    fn hash(&self, scope: &str, key: &str) -> Hash {
        self.hashers.each_ref().map(|hasher| hasher.hash_one((scope, key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW_MS: u64 = 1_000;
    const MOST: usize = 8;

    fn answer(seq: u64) -> Answer {
        Answer { first: EventId { epoch: 1, seq }, last: EventId { epoch: 1, seq: seq + 1 } }
    }

    /// Scope, key, body, the answer and its time.
    type Row = (u8, u8, u8, Option<(Answer, u64)>);

    /// As slow and plain as can be.
    #[derive(Default)]
    struct Model(Vec<Row>);

    impl Model {
        fn expire(&mut self, now_ms: u64) {
            self.0.retain(|(.., answered)| answered.is_none_or(|(_, since)| now_ms - since < WINDOW_MS));
        }

        fn begin(&mut self, scope: u8, key: u8, body: u8) -> &'static str {
            match self.0.iter().find(|known| (known.0, known.1) == (scope, key)) {
                Some(known) if known.2 != body => return "other",
                Some((.., None)) => return "under way",
                Some(_) => return "answered",
                None => {}
            }
            if self.0.iter().filter(|known| known.3.is_none()).count() == MOST {
                return "too many";
            }
            self.0.push((scope, key, body, None));
            if self.0.len() > MOST {
                let oldest = (0..self.0.len()).filter(|at| self.0[*at].3.is_some());
                let oldest = oldest.min_by_key(|at| self.0[*at].3.map(|(answer, _)| answer.first.seq));
                self.0.remove(oldest.expect("one that was answered"));
            }
            "first"
        }
    }

    fn name(repeat: &Repeat) -> &'static str {
        match repeat {
            Repeat::First(_) => "first",
            Repeat::Answered(_) => "answered",
            Repeat::UnderWay => "under way",
            Repeat::OtherBody => "other",
            Repeat::TooMany => "too many",
        }
    }

    #[test]
    fn keys_are_judged_as_a_model_judges_them() {
        let mut seen = HashMap::new();
        for seed in 0..100 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut keys, mut model) = (IdempotencyKeys::new(WINDOW_MS, MOST), Model::default());
            let (mut now_ms, mut seq) = (0, 0);
            let mut open: Vec<(Ticket, u8, u8)> = Vec::new();
            for _ in 0..500 {
                now_ms += random.u64(..120);
                model.expire(now_ms);
                let (scope, key, body) = (random.u8(..2), random.u8(..8), random.u8(..3) / 2);
                match random.u32(..3) {
                    0 if !open.is_empty() => {
                        let (ticket, scope, key) = open.swap_remove(random.usize(..open.len()));
                        let at = model.0.iter().position(|known| (known.0, known.1) == (scope, key));
                        let at = at.expect("it is under way");
                        if random.u32(..4) == 0 {
                            keys.refused(ticket);
                            model.0.remove(at);
                        } else {
                            seq += 1;
                            keys.answered(ticket, answer(seq), now_ms);
                            model.0[at].3 = Some((answer(seq), now_ms));
                        }
                    }
                    _ => {
                        let repeat = keys.begin(&scope.to_string(), &key.to_string(), [body; 32], now_ms);
                        assert_eq!(name(&repeat), model.begin(scope, key, body), "seed {seed}");
                        *seen.entry(name(&repeat)).or_insert(0) += 1;
                        match repeat {
                            Repeat::First(ticket) => open.push((ticket, scope, key)),
                            Repeat::Answered(answer) => {
                                let known = model.0.iter().find(|known| (known.0, known.1) == (scope, key));
                                assert_eq!(
                                    known.and_then(|known| known.3).map(|known| known.0),
                                    Some(answer)
                                );
                            }
                            _ => {}
                        }
                    }
                }
                keys.expire(now_ms);
                assert_eq!(keys.len(), model.0.len(), "seed {seed}");
                assert!(keys.answered.len() <= MOST && keys.bytes() == keys.len() * KEY);
            }
        }
        assert!(seen.len() == 5 && seen.values().all(|count| *count > 50), "{seen:?}");
    }

    #[test]
    fn what_was_answered_before_a_restart_is_answered_again() {
        let mut keys = IdempotencyKeys::new(WINDOW_MS, 2);
        for (key, seq) in [("a", 1), ("b", 2), ("c", 3), ("c", 9)] {
            keys.restore("s", key, [1; 32], answer(seq), 100 + seq);
        }
        assert_eq!(keys.begin("s", "c", [1; 32], 200), Repeat::Answered(answer(3)));
        assert_eq!(keys.begin("s", "b", [1; 32], 200), Repeat::Answered(answer(2)));
        assert_eq!(keys.begin("s", "c", [2; 32], 200), Repeat::OtherBody);
        assert!(matches!(keys.begin("s", "c", [2; 32], 103 + WINDOW_MS), Repeat::First(_)), "too long ago");
        assert!(matches!(keys.begin("s", "a", [1; 32], 200), Repeat::First(_)), "the oldest is forgotten");
        // A key of two parts is not one that looks alike when they are joined.
        let mut keys = IdempotencyKeys::new(WINDOW_MS, 2);
        keys.restore("s", "c", [1; 32], answer(3), 100);
        assert!(matches!(keys.begin("sc", "", [1; 32], 200), Repeat::First(_)));
    }
}
