//! What stands in for tokens where the feature `jwt` is off. Keys of tokens have no value then, so that whatever it takes a
//! token to reach is left out by the compiler, and the [`Keyring`](super::Keyring) needs no second form.

use std::sync::Arc;

use super::denial::Denial;
use super::identity::Identity;
use super::keyring::TokenRules;

/// There are none.
pub(crate) enum TokenKeys {}

/// Of no token.
pub(super) enum Claims {}

/// Of no token.
pub(super) enum Verified {}

/// Nothing is.
#[derive(Default)]
pub(super) struct Remembered;

impl TokenKeys {
    pub(super) fn have_public(&self) -> bool {
        match *self {}
    }

    pub(super) fn inspect(&self, _: &str) -> Result<Option<Claims>, Denial> {
        match *self {}
    }

    pub(super) fn verify(&self, _: &str) -> Result<Claims, Denial> {
        match *self {}
    }
}

impl Claims {
    pub(super) fn check(&self, _: &TokenRules, _: u64) -> Result<(), Denial> {
        match *self {}
    }

    pub(super) fn verified(self, _: &TokenRules, _: u64) -> Result<Verified, Denial> {
        match self {}
    }
}

impl Verified {
    pub(super) fn at(&self, _: u64) -> Result<Identity, Denial> {
        match *self {}
    }
}

impl Remembered {
    pub(super) fn find(&self, _: &str, _: u64) -> Option<Arc<Verified>> {
        None
    }

    pub(super) fn insert(&self, _: &str, verified: Verified) {
        match verified {}
    }
}
