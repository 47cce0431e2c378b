//! The keys of a server that is not open, and its rules for tokens.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::Authenticate;
use super::api_key::ApiKeys;
use super::credential::{Credential, credential_of};
use super::denial::Denial;
use super::identity::Identity;
use super::request::RequestHead;
use super::token::TokenKeys;
use crate::wire::{Pattern, meant_token};

/// Says whom requests are from by the tokens and API keys that they bring. Its keys can be replaced at any time.
pub(crate) struct Keyring {
    keys: RwLock<Arc<Keys>>,
    rules: TokenRules,
    anonymous: Option<Vec<Pattern>>,
}

/// Keys that are replaced together.
#[derive(Default)]
pub(crate) struct Keys {
    pub(crate) tokens: Option<TokenKeys>,
    pub(crate) api: ApiKeys,
}

/// What tokens must say to count.
#[derive(Clone, Debug)]
pub(crate) struct TokenRules {
    /// Who they must be for.
    pub(crate) audience: Option<String>,
    /// Who they must be from.
    pub(crate) issuer: Option<String>,
    /// How far clocks may differ.
    pub(crate) leeway: Duration,
    /// The cookie that may carry one.
    pub(crate) cookie: Option<String>,
}

impl Keyring {
    /// With `anonymous`, whoever brings nothing may subscribe, to these topics and what goes to everyone.
    pub(crate) fn new(keys: Keys, rules: TokenRules, anonymous: Option<Vec<Pattern>>) -> Self {
        Self { keys: RwLock::new(Arc::new(keys)), rules, anonymous }
    }

    /// From now on, only these keys count. Streams that are open stay so.
    pub(crate) fn replace(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn token(&self, keys: &Keys, token: &str, now_unix_ms: u64) -> Result<Identity, Denial> {
        match &keys.tokens {
            Some(tokens) => tokens.verify(token)?.judge(&self.rules, now_unix_ms),
            None => Err(Denial::InvalidToken("the key is not known".to_owned())),
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

impl Authenticate for Keyring {
    fn authenticate(&self, request: &RequestHead<'_>) -> Result<Identity, Denial> {
        let keys = self.keys();
        match (credential_of(request, self.rules.cookie.as_deref())?, &self.anonymous) {
            (Some(Credential::Bearer(secret)), _) => match keys.api.find(&secret) {
                Some(identity) => Ok(identity.clone()),
                None => self.token(&keys, &secret, request.unix_ms()),
            },
            (Some(Credential::Token(token)), _) => self.token(&keys, &token, request.unix_ms()),
            (None, Some(topics)) => {
                Ok(topics.iter().cloned().fold(Identity::anonymous(), Identity::allow_subscribe))
            }
            (None, None) => Err(Denial::Unauthorized(needed(request))),
        }
    }
}
