//! API keys: long-lived secrets of publishers and operators.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::identity::Identity;
use super::key_warning::KeyWarning;
use crate::event::Pattern;

/// API keys and their scopes, from a file: one key per line, followed by its scopes.
#[derive(Default)]
pub(crate) struct ApiKeys {
    keys: HashTable<ApiKey>,
    /// Randomly keyed, so that nobody can choose secrets by their hashes.
    hashes: RandomState,
    warnings: Vec<KeyWarning>,
}

struct ApiKey {
    hash: u64,
    secret: Box<[u8]>,
    line: usize,
    identity: Identity,
}

/// Why a file of API keys is invalid. Never shows a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidApiKeys {
    // The word itself is not shown: it may be another key, or a key placed after its scope.
    #[error("line {line}: word {word} is not a scope: subscribe, publish or admin")]
    UnknownScope { line: usize, word: usize },
    #[error("line {line}: the key has no scope")]
    NoScope { line: usize },
    #[error("line {line}: the key is a duplicate of line {first}")]
    Repeated { line: usize, first: usize },
    #[error("line {line}: a key must be printable ASCII without spaces")]
    Unprintable { line: usize },
    #[error("the file has no key")]
    Empty,
}

/// A shorter key, in bytes, can be guessed.
const ENOUGH: usize = 16;

impl ApiKeys {
    /// Parses the text of a file. Empty lines, and lines that begin with `#`, are ignored.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidApiKeys> {
        let mut keys = Self::default();
        for (line, text) in (1..).zip(text.lines()) {
            let mut words = text.split_ascii_whitespace();
            let Some(secret) = words.next().filter(|word| !word.starts_with('#')) else { continue };
            if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(InvalidApiKeys::Unprintable { line });
            }
            let secret = secret.as_bytes();
            if let Some(first) = keys.key(secret) {
                return Err(InvalidApiKeys::Repeated { line, first: first.line });
            }
            let identity = Identity { key_scope: Some(scope_of(secret)), ..identity_of(words, line)? };
            keys.warnings.extend(doubts(line, secret));
            let hash = keys.hashes.hash_one(secret);
            let key = ApiKey { hash, secret: secret.into(), line, identity };
            keys.keys.insert_unique(hash, key, |key| key.hash);
        }
        match keys.keys.is_empty() {
            true => Err(InvalidApiKeys::Empty),
            false => Ok(keys),
        }
    }

    /// Warnings for whoever wrote the file.
    pub(crate) fn warnings(&self) -> &[KeyWarning] {
        &self.warnings
    }

    /// The identity of a key, at the same cost however many there are. The time reveals nothing about keys: a keyed
    /// hash of the whole secret decides which key it is compared with, and the comparison takes equally long wherever
    /// the two differ.
    pub(super) fn find(&self, secret: &str) -> Option<&Identity> {
        self.key(secret.as_bytes()).map(|key| &key.identity)
    }

    fn key(&self, secret: &[u8]) -> Option<&ApiKey> {
        let hash = self.hashes.hash_one(secret);
        self.keys.find(hash, |key| key.hash == hash && key.is(secret))
    }
}

impl ApiKey {
    fn is(&self, secret: &[u8]) -> bool {
        #[cfg(test)]
        tests::COMPARISONS.set(tests::COMPARISONS.get() + 1);
        self.secret.ct_eq(secret).into()
    }
}

fn doubts(line: usize, secret: &[u8]) -> impl Iterator<Item = KeyWarning> {
    let colon = secret.ends_with(b":").then_some(KeyWarning::Colon(line));
    let short = (secret.len() < ENOUGH).then_some(KeyWarning::ShortApiKey(line));
    colon.into_iter().chain(short)
}

/// Whose idempotency keys an API key uses. It may be written to disk, and is the same wherever in the file the key stands.
fn scope_of(secret: &[u8]) -> Arc<str> {
    let digest = Sha256::digest(secret);
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("key {hex}").into()
}

fn identity_of<'t>(scopes: impl Iterator<Item = &'t str>, line: usize) -> Result<Identity, InvalidApiKeys> {
    // The rate is not counted by the key itself, which might be shown.
    let mut identity = Identity::new().deny_subscribe().rate_key(format!("API key of line {line}"));
    let mut any = false;
    // The key is the first word of its line.
    for (word, scope) in (2..).zip(scopes) {
        any = true;
        identity = match scope {
            "publish" => identity.allow_publish(),
            "admin" => identity.allow_admin(),
            "subscribe" => Identity { subscribe: true, ..identity.allow_subscribe(Pattern::everything()) },
            _ => return Err(InvalidApiKeys::UnknownScope { line, word }),
        };
    }
    any.then_some(identity).ok_or(InvalidApiKeys::NoScope { line })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::api::Scope;

    thread_local! {
        /// Comparisons of secrets, on this thread.
        pub(super) static COMPARISONS: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn a_key_is_compared_with_one_other_at_most() {
        const KEYS: usize = 10_000;
        let text: String = (0..KEYS).map(|n| format!("k_live_{n:016} publish\n")).collect();
        COMPARISONS.set(0);
        let keys = ApiKeys::parse(&text).unwrap();
        assert_eq!(COMPARISONS.get(), 0, "no two have one hash");
        for n in 0..KEYS {
            let identity = keys.find(&format!("k_live_{n:016}")).unwrap();
            assert_eq!(
                identity.rate_key,
                Identity::new().rate_key(format!("API key of line {}", n + 1)).rate_key
            );
            assert!(keys.find(&format!("k_live_{n:015}")).is_none());
        }
        assert_eq!(COMPARISONS.get(), KEYS);
        let again = text + "k_live_0000000000000041 admin";
        assert_eq!(
            ApiKeys::parse(&again).err(),
            Some(InvalidApiKeys::Repeated { line: KEYS + 1, first: 42 })
        );
    }

    #[test]
    fn keys_have_scopes() {
        let keys = ApiKeys::parse("# ours\nk_live_abc publish admin\n\nk_sub subscribe\r\n").unwrap();
        let may = |key, scope| keys.find(key).map(|identity| identity.may(scope));
        assert_eq!(may("k_live_abc", Scope::Publish), Some(true));
        assert_eq!(may("k_live_abc", Scope::Admin), Some(true));
        assert_eq!(may("k_live_abc", Scope::Subscribe), Some(false));
        assert_eq!(may("k_sub", Scope::Subscribe), Some(true));
        assert_eq!(may("k_sub", Scope::Publish), Some(false));
        for wrong in ["", "k_live_ab", "k_live_abcd", "K_LIVE_ABC", "# ours", "publish"] {
            assert!(keys.find(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn doubtful_keys_are_told_by_their_line() {
        let keys =
            ApiKeys::parse("# ours\nk_live_0123456789: publish\nk_live_0123456789ab admin\nabc: admin\n");
        let expected = [KeyWarning::Colon(2), KeyWarning::Colon(4), KeyWarning::ShortApiKey(4)];
        assert_eq!(keys.unwrap().warnings(), expected);
    }

    #[test]
    fn files_that_cannot_be_used() {
        use InvalidApiKeys::{Empty, NoScope, Repeated, UnknownScope, Unprintable};
        let unknown = UnknownScope { line: 2, word: 3 };
        for (text, error) in [
            ("", Empty),
            ("# nothing\n", Empty),
            ("a", NoScope { line: 1 }),
            ("a publish\nb publish root", unknown),
            ("a publish\n\na admin", Repeated { line: 3, first: 1 }),
            ("k\u{e9}y publish", Unprintable { line: 1 }),
        ] {
            assert_eq!(ApiKeys::parse(text).err(), Some(error), "{text:?}");
        }
    }
}
