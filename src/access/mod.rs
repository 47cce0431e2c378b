//! Authentication and authorisation. Pure: the keys and the time are arguments.
//!
//! There is one mechanism: an implementation of [`Authenticate`] takes a request's head and returns who it is from. A
//! closure is one, and so is a [`Keyring`] of token keys and API keys. Without one the server is open: everybody is who
//! the query says, and may do everything.

mod api_key;
#[cfg(feature = "jwt")]
mod claims;
mod credential;
mod denial;
mod gate;
mod identity;
#[cfg(feature = "jwt")]
mod invalid_key;
#[cfg(feature = "jwt")]
mod jws;
#[cfg(feature = "jwt")]
mod key_set;
mod key_warning;
mod keyring;
mod rate;
#[cfg(feature = "jwt")]
mod registered;
#[cfg(feature = "jwt")]
mod remembered;
mod request;
#[cfg(feature = "jwt")]
mod token;
#[cfg(feature = "jwt")]
mod token_key;
mod token_rules;
#[cfg(feature = "jwt")]
mod tokens;
#[cfg(not(feature = "jwt"))]
mod without_tokens;

pub(crate) use api_key::{ApiKeys, InvalidApiKeys};
pub use denial::Denial;
pub(crate) use gate::{Access, PublishGrant};
pub use identity::Identity;
#[cfg(feature = "jwt")]
pub(crate) use invalid_key::InvalidKey;
pub(crate) use key_warning::KeyWarning;
pub(crate) use keyring::{Keyring, Keys};
pub(crate) use rate::RateLimit;
pub use request::RequestHead;
#[cfg(feature = "jwt")]
pub(crate) use token::TokenKeys;
pub(crate) use token_rules::TokenRules;

/// Takes a request's head and returns who it is from, or why it is refused. Usually a closure.
///
/// It is called on threads of its own, and may take long.
pub(crate) trait Authenticate: Send + Sync {
    /// Who the request is from, and what it may do.
    ///
    /// # Errors
    ///
    /// Why the request is refused: 401 or 403.
    fn authenticate(&self, request: &RequestHead<'_>) -> Result<Identity, Denial>;

    /// The same, if it does not take long; `None` if it does. It is called on threads that others wait for.
    fn at_once(&self, _: &RequestHead<'_>) -> Option<Result<Identity, Denial>> {
        None
    }

    /// Number of requests decided by remembering an earlier one.
    fn recalled(&self) -> u64 {
        0
    }
}

impl<F> Authenticate for F
where
    F: Fn(&RequestHead<'_>) -> Result<Identity, Denial> + Send + Sync,
{
    fn authenticate(&self, request: &RequestHead<'_>) -> Result<Identity, Denial> {
        self(request)
    }
}
