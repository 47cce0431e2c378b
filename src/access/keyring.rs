//! The keys of a server that is not open, and its rules for tokens.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::Authenticate;
use super::api_key::ApiKeys;
#[cfg(feature = "jwt")]
use super::claims::Verified;
use super::credential::{Credential, credential_of};
use super::denial::Denial;
use super::identity::Identity;
#[cfg(feature = "jwt")]
use super::remembered::Remembered;
use super::request::RequestHead;
#[cfg(feature = "jwt")]
use super::token::TokenKeys;
#[cfg(not(feature = "jwt"))]
use super::without_tokens::{Remembered, TokenKeys, Verified};
use crate::wire::{Pattern, meant_token};

/// Says whom requests are from by the tokens and API keys that they bring. Its keys can be replaced at any time.
pub(crate) struct Keyring {
    keys: RwLock<Arc<Keys>>,
    rules: TokenRules,
    anonymous: Option<Vec<Pattern>>,
    /// Tokens that were judged by what is remembered of them.
    recalled: AtomicU64,
}

/// Keys that are replaced together.
#[derive(Default)]
pub(crate) struct Keys {
    pub(crate) tokens: Option<TokenKeys>,
    pub(crate) api: ApiKeys,
    /// Tokens that were verified with these very keys: whoever replaces the keys forgets them, also one that is being
    /// verified meanwhile.
    pub(super) remembered: Remembered,
}

/// What tokens must say to count.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenRules {
    /// Who they must be for.
    #[cfg(feature = "jwt")]
    pub(crate) audience: Option<String>,
    /// Who they must be from.
    #[cfg(feature = "jwt")]
    pub(crate) issuer: Option<String>,
    /// How far clocks may differ.
    #[cfg(feature = "jwt")]
    pub(crate) leeway: std::time::Duration,
    /// The cookie that may carry one.
    pub(crate) cookie: Option<String>,
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

    /// Whom a token is for, where that takes no long to say.
    fn token_at_once(&self, keys: &Keys, token: &str, now_unix_ms: u64) -> Option<Result<Identity, Denial>> {
        let Some(tokens) = &keys.tokens else { return Some(Err(no_such_key())) };
        if tokens.have_public()
            && let Some(verified) = keys.remembered.find(token, now_unix_ms)
        {
            self.recalled.fetch_add(1, Ordering::Relaxed);
            return Some(verified.at(now_unix_ms));
        }
        match tokens.inspect(token) {
            Err(denial) => Some(Err(denial)),
            Ok(None) => Some(self.verify(tokens, token, now_unix_ms).and_then(|v| v.at(now_unix_ms))),
            // What would be refused in any case is not worth a signature.
            Ok(Some(claims)) => claims.check(&self.rules, now_unix_ms).err().map(Err),
        }
    }

    /// Whom a token is for, however long that takes.
    fn token(&self, keys: &Keys, token: &str, now_unix_ms: u64) -> Result<Identity, Denial> {
        let tokens = keys.tokens.as_ref().ok_or_else(no_such_key)?;
        let verified = self.verify(tokens, token, now_unix_ms)?;
        let identity = verified.at(now_unix_ms)?;
        if tokens.have_public() {
            keys.remembered.insert(token, verified);
        }
        Ok(identity)
    }

    fn verify(&self, tokens: &TokenKeys, token: &str, now_unix_ms: u64) -> Result<Verified, Denial> {
        tokens.verify(token)?.verified(&self.rules, now_unix_ms)
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
