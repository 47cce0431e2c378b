//! Remembers verified tokens, so that a signature is verified once and not with every request.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use super::claims::Verified;

/// Verified tokens by their digest: the tokens themselves are not stored.
///
/// Its memory is bounded: when it is full, the oldest entries are dropped. It belongs to the keys that verified the
/// tokens, and is dropped with them.
pub(super) struct Remembered {
    shelves: [Mutex<Shelf>; SHELVES],
}

/// A part with a lock of its own, so that event loops seldom wait for each other.
#[derive(Default)]
struct Shelf {
    tokens: HashMap<Digest, Arc<Verified>>,
    /// In insertion order. May contain tokens that were removed early.
    order: VecDeque<Digest>,
    bytes: usize,
}

type Digest = [u8; 32];

const SHELVES: usize = 16;
/// Maximum bytes of memory in total: some 40,000 common tokens.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of an entry besides its identity: its digest twice, and its share of the two tables.
const ENTRY: usize = 2 * size_of::<Digest>() + 64;

impl Default for Remembered {
    fn default() -> Self {
        Self { shelves: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Remembered {
    /// The identity and validity of a token, if it was verified. It may no longer be valid.
    pub(super) fn find(&self, token: &str, now_unix_ms: u64) -> Option<Arc<Verified>> {
        let digest = digest_of(token);
        let mut shelf = self.shelf(&digest);
        let verified = shelf.tokens.get(&digest)?.clone();
        if verified.is_over(now_unix_ms) {
            shelf.remove(&digest);
        }
        Some(verified)
    }

    /// Remembers a verified token.
    pub(super) fn insert(&self, token: &str, verified: Verified) {
        let digest = digest_of(token);
        self.shelf(&digest).insert(digest, verified, MAX_BYTES / SHELVES);
    }

    fn shelf(&self, digest: &Digest) -> MutexGuard<'_, Shelf> {
        let shelf = &self.shelves[usize::from(digest[0]) % SHELVES];
        shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn insert(&mut self, digest: Digest, verified: Verified, limit: usize) {
        let size = ENTRY + verified.size();
        // Two requests may have sent it at the same time.
        if size > limit || self.tokens.contains_key(&digest) {
            return;
        }
        while self.bytes + size > limit || self.order.len() > 2 * self.tokens.len() + 16 {
            let Some(first) = self.order.pop_front() else { break };
            self.remove(&first);
        }
        self.bytes += size;
        self.order.push_back(digest);
        self.tokens.insert(digest, Arc::new(verified));
    }

    fn remove(&mut self, digest: &Digest) {
        if let Some(verified) = self.tokens.remove(digest) {
            self.bytes -= ENTRY + verified.size();
        }
    }
}

fn digest_of(token: &str) -> Digest {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::access::claims::Claims;
    use crate::access::registered::RegisteredClaims;
    use crate::access::token_rules::TokenRules;

    fn verified(user: &str, exp: u64) -> Verified {
        let claims = format!(r#"{{"sub":"{user}","exp":{exp}}}"#);
        let rules = TokenRules { audience: None, issuer: None, leeway: Duration::ZERO, cookie: None };
        let validity = RegisteredClaims::read(&claims, &rules).unwrap().judge(&rules, 0).unwrap();
        Claims::read(&claims).unwrap().verified(validity).unwrap()
    }

    #[test]
    fn a_token_is_found_until_it_ends() {
        let remembered = Remembered::default();
        remembered.insert("a", verified("ada", 10));
        assert!(remembered.find("b", 0).is_none());
        let found = |now| remembered.find("a", now).map(|verified| verified.at(now).is_ok());
        assert_eq!(found(9_999), Some(true));
        assert_eq!(found(10_000), Some(false), "the time is judged each time");
        assert_eq!(found(10_000), None, "and then it is forgotten");
        assert_eq!(remembered.shelves.iter().map(|shelf| shelf.lock().unwrap().bytes).sum::<usize>(), 0);
    }

    #[test]
    fn memory_is_bounded_and_the_first_goes_first() {
        let mut shelf = Shelf::default();
        let size = ENTRY + verified("ada", 10).size();
        for n in 0..100 {
            shelf.insert([n; 32], verified("ada", 10), 10 * size);
            assert!(shelf.bytes <= 10 * size && shelf.order.len() <= 2 * shelf.tokens.len() + 17);
        }
        assert_eq!((shelf.tokens.len(), shelf.bytes), (10, 10 * size));
        assert!((90..100).all(|n| shelf.tokens.contains_key(&[n; 32])));
        shelf.insert([99; 32], verified("ada", 10), 10 * size);
        assert_eq!(shelf.tokens.len(), 10, "once");
        shelf.insert([100; 32], verified(&"x".repeat(256), 10), size);
        assert!(!shelf.tokens.contains_key(&[100; 32]), "what is larger than all is not put in");
    }

    #[test]
    fn what_is_taken_out_and_put_in_again_does_not_add_up() {
        let mut shelf = Shelf::default();
        for _ in 0..1_000 {
            shelf.insert([1; 32], verified("ada", 10), usize::MAX);
            shelf.remove(&[1; 32]);
        }
        assert!(shelf.order.len() < 20 && shelf.bytes == 0);
    }
}
