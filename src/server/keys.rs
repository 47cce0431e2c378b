//! The keys of an engine, which can be read anew.

use std::sync::Arc;

use super::StartError;
use crate::access::{Keyring, TokenRules};
use crate::config::Config;
#[cfg(feature = "jwt")]
use crate::net::TokenKeyFile;
use crate::net::{KeyFileError, KeyFiles};

/// Keys that can be read anew.
pub(super) struct Reloadable {
    keyring: Arc<Keyring>,
    files: KeyFiles,
}

impl Reloadable {
    pub(super) fn new(config: &Config) -> Result<Option<Self>, StartError> {
        if !config.has_keys() {
            return Ok(None);
        }
        let files = KeyFiles {
            #[cfg(feature = "jwt")]
            tokens: token_keys(config),
            api: config.api_key_file.clone(),
        };
        let rules = token_rules(config);
        let anonymous = config.anonymous_subscribers.then(|| config.anonymous_topics.clone());
        let keyring = Arc::new(Keyring::new(files.read()?, rules, anonymous));
        Ok(Some(Self { keyring, files }))
    }

    pub(super) fn keyring(&self) -> Arc<Keyring> {
        self.keyring.clone()
    }

    pub(super) fn reload(&self) -> Result<(), KeyFileError> {
        self.keyring.replace(self.files.read()?);
        Ok(())
    }
}

/// The file of the keys that tokens are verified with; at most one is given.
#[cfg(feature = "jwt")]
fn token_keys(config: &Config) -> Option<TokenKeyFile> {
    let secret = config.jwt_secret_file.clone().map(TokenKeyFile::Secret);
    let public_key = config.jwt_public_key_file.clone().map(TokenKeyFile::PublicKey);
    secret.or(public_key).or_else(|| config.jwks_file.clone().map(TokenKeyFile::Jwks))
}

#[cfg(feature = "jwt")]
fn token_rules(config: &Config) -> TokenRules {
    TokenRules {
        audience: config.jwt_audience.clone(),
        issuer: config.jwt_issuer.clone(),
        leeway: config.jwt_leeway,
        cookie: config.jwt_cookie.clone(),
    }
}

#[cfg(not(feature = "jwt"))]
fn token_rules(_: &Config) -> TokenRules {
    TokenRules::default()
}
