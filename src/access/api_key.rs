//! API keys: long-lived secrets of publishers and operators.

use subtle::ConstantTimeEq;

use super::identity::Identity;
use super::key_warning::KeyWarning;
use crate::event::Pattern;

/// API keys and what each may do, from a file: one key a line, then its scopes.
#[derive(Default)]
pub(crate) struct ApiKeys {
    keys: Vec<ApiKey>,
    warnings: Vec<KeyWarning>,
}

struct ApiKey {
    secret: Box<[u8]>,
    identity: Identity,
}

/// A file of API keys that cannot be used. It never says what a key is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidApiKeys {
    // Not what stands there: it may be another key, or the key behind its scope.
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

/// A key of fewer bytes can be guessed.
const ENOUGH: usize = 16;

impl ApiKeys {
    /// Reads the text of a file. Empty lines, and what begins with `#`, are left out.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidApiKeys> {
        let mut keys: Vec<(usize, ApiKey)> = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let mut words = text.split_ascii_whitespace();
            let Some(secret) = words.next().filter(|word| !word.starts_with('#')) else { continue };
            if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(InvalidApiKeys::Unprintable { line });
            }
            if let Some((first, _)) = keys.iter().find(|(_, key)| *key.secret == *secret.as_bytes()) {
                return Err(InvalidApiKeys::Repeated { line, first: *first });
            }
            let identity = identity_of(words, line)?;
            keys.push((line, ApiKey { secret: secret.as_bytes().into(), identity }));
        }
        if keys.is_empty() {
            return Err(InvalidApiKeys::Empty);
        }
        let warnings = keys.iter().flat_map(|(line, key)| doubts(*line, &key.secret)).collect();
        Ok(Self { keys: keys.into_iter().map(|(_, key)| key).collect(), warnings })
    }

    /// What whoever wrote the file may not have meant.
    pub(crate) fn warnings(&self) -> &[KeyWarning] {
        &self.warnings
    }

    /// Whose key that is. Takes as long whichever it is, or is not: only the length of a key can be learned from
    /// the time.
    pub(super) fn find(&self, secret: &str) -> Option<&Identity> {
        let mut found = None;
        for key in &self.keys {
            if bool::from(key.secret.ct_eq(secret.as_bytes())) {
                found = Some(&key.identity);
            }
        }
        found
    }
}

fn doubts(line: usize, secret: &[u8]) -> impl Iterator<Item = KeyWarning> {
    let colon = secret.ends_with(b":").then_some(KeyWarning::Colon(line));
    let short = (secret.len() < ENOUGH).then_some(KeyWarning::ShortApiKey(line));
    colon.into_iter().chain(short)
}

fn identity_of<'t>(scopes: impl Iterator<Item = &'t str>, line: usize) -> Result<Identity, InvalidApiKeys> {
    // The key itself must not be what is counted by: it might be shown.
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
    use super::*;
    use crate::api::Scope;

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
