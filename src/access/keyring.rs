//! The keys of a server that is not open.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::Authenticate;
use super::api_key::ApiKeys;
use super::credential::{Credential, credential_of};
use super::denial::Denial;
use super::identity::Identity;
#[cfg(feature = "jwt")]
use super::remembered::Remembered;
use super::request::RequestHead;
#[cfg(feature = "jwt")]
use super::token::TokenKeys;
use super::token_rules::TokenRules;
use crate::api::meant_token;
use crate::event::Pattern;

/// Maximum length of a token, in bytes: as long as a query may be. Its claims are read on threads that others wait for,
/// whoever wrote it.
const MAX_TOKEN: usize = 8 * 1024;

/// Keys that verify tokens: there are none without the feature `jwt`.
#[cfg(not(feature = "jwt"))]
pub(crate) enum TokenKeys {}

/// Authenticates requests by their tokens and API keys. The keys can be replaced at any time.
pub(crate) struct Keyring {
    keys: RwLock<Arc<Keys>>,
    pub(super) rules: TokenRules,
    anonymous: Option<Vec<Pattern>>,
    /// Number of requests decided by remembering their token.
    pub(super) recalled: AtomicU64,
}

/// Keys that are replaced together.
#[derive(Default)]
pub(crate) struct Keys {
    pub(crate) tokens: Option<TokenKeys>,
    pub(crate) api: ApiKeys,
    /// Tokens that were verified with these keys. They are replaced with the keys, so a token that is being verified
    /// during that is forgotten too.
    #[cfg(feature = "jwt")]
    pub(super) remembered: Remembered,
}

impl Keyring {
    /// With `anonymous`, requests without a credential may subscribe to these topics and to what goes to everyone.
    pub(crate) fn new(keys: Keys, rules: TokenRules, anonymous: Option<Vec<Pattern>>) -> Self {
        Self { keys: RwLock::new(Arc::new(keys)), rules, anonymous, recalled: AtomicU64::new(0) }
    }

    /// Replaces the keys. Streams that are open stay open.
    pub(crate) fn replace(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who a request is from; `None` if `token` has to verify a token and returns `None`.
    fn identify(
        &self,
        request: &RequestHead<'_>,
        token: impl FnOnce(&Keys, &str) -> Option<Result<Identity, Denial>>,
    ) -> Option<Result<Identity, Denial>> {
        let keys = self.keys();
        let credential = match credential_of(request, self.rules.cookie.as_deref()) {
            Ok(credential) => credential,
            Err(denial) => return Some(Err(denial)),
        };
        match (credential, &self.anonymous) {
            (Some(Credential::Bearer(secret)), _) => match keys.api.find(&secret) {
                Some(identity) => Some(Ok(identity.clone())),
                None => token(&keys, &secret),
            },
            (Some(Credential::Token(secret)), _) => token(&keys, &secret),
            (None, Some(topics)) => {
                Some(Ok(topics.iter().cloned().fold(Identity::anonymous(), Identity::allow_subscribe)))
            }
            (None, None) => Some(Err(Denial::Unauthorized(needed(request)))),
        }
    }
}

/// The text for a request without a credential, which may have meant to send a token.
fn needed(request: &RequestHead<'_>) -> String {
    let needed = "a bearer token is needed";
    match meant_token(request.raw_query()) {
        Some(name) => format!("{needed}: unknown parameter {name:?}: use access_token"),
        None => needed.to_owned(),
    }
}

/// The keys for a token, if there are any and it is not too long.
pub(super) fn tokens_of<'k>(keys: &'k Keys, token: &str) -> Result<&'k TokenKeys, Denial> {
    let tokens = keys.tokens.as_ref().ok_or_else(no_such_key)?;
    match token.len() > MAX_TOKEN {
        true => Err(Denial::InvalidToken(format!("the token is longer than {MAX_TOKEN} bytes"))),
        false => Ok(tokens),
    }
}

fn no_such_key() -> Denial {
    Denial::InvalidToken("the key is not known".to_owned())
}

impl Authenticate for Keyring {
    fn authenticate(&self, request: &RequestHead<'_>) -> Result<Identity, Denial> {
        let verify = |keys: &Keys, token: &str| Some(self.token(keys, token, request.unix_ms()));
        // `verify` always answers.
        self.identify(request, verify).unwrap_or_else(|| Err(no_such_key()))
    }

    fn at_once(&self, request: &RequestHead<'_>) -> Option<Result<Identity, Denial>> {
        self.identify(request, |keys, token| self.token_at_once(keys, token, request.unix_ms()))
    }

    fn recalled(&self) -> u64 {
        self.recalled.load(Ordering::Relaxed)
    }
}
