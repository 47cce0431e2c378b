//! Stands in for tokens without the feature `jwt`: there are no keys for them.

use super::denial::Denial;
use super::identity::Identity;
use super::keyring::{Keyring, Keys, tokens_of};

impl Keyring {
    /// Refuses every token.
    pub(super) fn token_at_once(&self, keys: &Keys, token: &str, _: u64) -> Option<Result<Identity, Denial>> {
        match tokens_of(keys, token) {
            Ok(tokens) => match *tokens {},
            Err(denial) => Some(Err(denial)),
        }
    }

    /// Refuses every token.
    pub(super) fn token(&self, keys: &Keys, token: &str, _: u64) -> Result<Identity, Denial> {
        match *tokens_of(keys, token)? {}
    }
}
