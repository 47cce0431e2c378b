//! A key that tokens are verified with.

use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, DecodingKey};

use super::invalid_key::Unusable;

/// A key for one algorithm.
pub(super) struct TokenKey {
    pub(super) id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl TokenKey {
    pub(super) fn new(id: Option<String>, key: DecodingKey, algorithm: Algorithm) -> Result<Self, Unusable> {
        // A program that embeds this library may have another provider among its dependencies, and none would be chosen
        // then. If one is installed already, it is used.
        let _ = DEFAULT_PROVIDER.install_default();
        match (DEFAULT_PROVIDER.verifier_factory)(&algorithm, &key) {
            Ok(_) => Ok(Self { id, algorithm, key }),
            Err(_) => Err(Unusable::Malformed),
        }
    }

    /// Whether a token that refers to one key may also refer to the other.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.id == other.id && self.algorithm == other.algorithm
    }
}
