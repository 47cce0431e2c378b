//! The keys of a server that is not open, and its rules for tokens.

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

/// Longest token, in bytes: as long as a query may be. Whoever made it, its claims are read on threads that others wait
/// for.
const MAX_TOKEN: usize = 8 * 1024;

/// Keys that tokens are verified with: there are none where the feature `jwt` is off.
#[cfg(not(feature = "jwt"))]
pub(crate) enum TokenKeys {}

/// Says whom requests are from by the tokens and API keys that they bring. Its keys can be replaced at any time.
pub(crate) struct Keyring {
    keys: RwLock<Arc<Keys>>,
    pub(super) rules: TokenRules,
    anonymous: Option<Vec<Pattern>>,
    /// Tokens that were judged by what is remembered of them.
    pub(super) recalled: AtomicU64,
}

/// Keys that are replaced together.
#[derive(Default)]
pub(crate) struct Keys {
    pub(crate) tokens: Option<TokenKeys>,
    pub(crate) api: ApiKeys,
    /// Tokens that were verified with these very keys: whoever replaces the keys forgets them, also one that is being
    /// verified meanwhile.
    #[cfg(feature = "jwt")]
    pub(super) remembered: Remembered,
}

impl Keyring {
    /// With `anonymous`, whoever brings nothing may subscribe, to these topics and what goes to everyone.
    pub(crate) fn new(keys: Keys, rules: TokenRules, anonymous: Option<Vec<Pattern>>) -> Self {
        Self { keys: RwLock::new(Arc::new(keys)), rules, anonymous, recalled: AtomicU64::new(0) }
    }

    /// From now on, only these keys count. Streams that are open stay so.
    pub(crate) fn replace(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who a request is from; `None` where it takes a token to be verified and not `token` to say so.
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

/// What somebody who brings nothing is told; also if it seems that a token was meant.
fn needed(request: &RequestHead<'_>) -> String {
    let needed = "a bearer token is needed";
    match meant_token(request.raw_query()) {
        Some(name) => format!("{needed}: unknown parameter {name:?}: use access_token"),
        None => needed.to_owned(),
    }
}

/// The keys for a token, if there are any, and it is not too long.
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
        // There is nothing that it cannot say.
        self.identify(request, verify).unwrap_or_else(|| Err(no_such_key()))
    }

    fn at_once(&self, request: &RequestHead<'_>) -> Option<Result<Identity, Denial>> {
        self.identify(request, |keys, token| self.token_at_once(keys, token, request.unix_ms()))
    }

    fn recalled(&self) -> u64 {
        self.recalled.load(Ordering::Relaxed)
    }
}
