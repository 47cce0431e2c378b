//! What stands in for tokens where the feature `jwt` is off: there are no keys for any.

use super::denial::Denial;
use super::identity::Identity;
use super::keyring::{Keyring, Keys, tokens_of};

impl Keyring {
    /// Whom a token is for: nobody.
    pub(super) fn token_at_once(&self, keys: &Keys, token: &str, _: u64) -> Option<Result<Identity, Denial>> {
        match tokens_of(keys, token) {
            Ok(tokens) => match *tokens {},
            Err(denial) => Some(Err(denial)),
        }
    }

    /// The same.
    pub(super) fn token(&self, keys: &Keys, token: &str, _: u64) -> Result<Identity, Denial> {
        match *tokens_of(keys, token)? {}
    }
}
