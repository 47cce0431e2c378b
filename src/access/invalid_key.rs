//! Why keys of tokens cannot be used.

use std::fmt;

/// Maximum number of keys with the same `kid` and algorithm, so that no token costs more signature checks than this.
pub(super) const MAX_TRIED: usize = 4;
/// RFC 7518, 3.3.
pub(super) const MIN_RSA_BITS: usize = 2048;
/// The verifier does not support larger keys.
pub(super) const MAX_RSA_BITS: usize = 4096;
/// Maximum number of characters of a `kid` that are shown.
const SHOWN: usize = 64;

/// Why a key file is invalid. Never shows its contents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidKey {
    #[error("the secret is empty")]
    EmptySecret,
    #[error("not a public key in PEM (RSA, EC on P-256 or Ed25519)")]
    NotPem,
    #[error(transparent)]
    Unusable(#[from] Unusable),
    #[error("not a JSON Web Key Set: {0}")]
    NotJwks(String),
    #[error("the set has no usable key for HS256, RS256, ES256 or EdDSA{}", first(.0))]
    NoKey(Option<LeftOut>),
}

/// The first key that is left out, if there are only such keys.
fn first(left_out: &Option<LeftOut>) -> String {
    left_out.as_ref().map_or(String::new(), |left| format!("; {left}"))
}

/// Why a key is unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("an RSA key must have at least {MIN_RSA_BITS} bits (RFC 7518, 3.3)")]
    ShortRsa,
    #[error("an RSA key must have at most {MAX_RSA_BITS} bits")]
    LongRsa,
    #[error("an EC key must be on the curve P-256, for ES256")]
    Curve,
    #[error("an Ed25519 key must not be of small order: anybody could sign for it")]
    SmallOrder,
    #[error("the secret is empty")]
    EmptySecret,
    #[error("the key is malformed")]
    Malformed,
    #[error("a member is missing or has the wrong type")]
    Member,
    #[error("keys of its type or curve are not supported")]
    Type,
    #[error("its alg is not RS256, ES256, EdDSA or HS256, or does not fit its type")]
    Algorithm,
    #[error("it is not meant to verify signatures")]
    Purpose,
    #[error("only {MAX_TRIED} keys of one kid and algorithm are tried")]
    TooMany,
}

/// A key of a set that is left out, and why. Shows its `kid`, and nothing else of its contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// Its position in the set, from 1.
    pub(super) number: usize,
    pub(super) id: Option<String>,
    pub(super) reason: Unusable,
}

impl LeftOut {
    /// Whether the key is for another purpose, which is no mistake.
    pub(crate) fn is_for_something_else(&self) -> bool {
        self.reason == Unusable::Purpose
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => {
                let shown: String = id.chars().take(SHOWN).collect();
                write!(f, "the key with the kid {shown:?}: {}", self.reason)
            }
            None => write!(f, "key {} of the set, without a kid: {}", self.number, self.reason),
        }
    }
}
