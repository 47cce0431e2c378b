//! Tokens: a JOSE header, claims and a signature, each as a test wants it (RFC 7515, 7519).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value, json};

use super::key::Key;
use crate::support::clock::unix_ms;

/// A token that is not signed yet.
#[derive(Clone, Debug)]
pub(super) struct Token {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    header_text: Option<Vec<u8>>,
    claims_text: Option<Vec<u8>>,
}

impl Token {
    /// For ada, and for ten minutes.
    pub(super) fn new() -> Self {
        let claims = [("sub".to_owned(), json!("ada")), ("exp".to_owned(), json!(seconds() + 600))];
        Self {
            header: Map::new(),
            claims: claims.into_iter().collect(),
            header_text: None,
            claims_text: None,
        }
    }

    /// For somebody who may subscribe to everything, publish everything, and administrate.
    pub(super) fn of_all_scopes() -> Self {
        Self::new().claim("fanfare", json!({"subscribe": [">"], "publish": true, "admin": true}))
    }

    pub(super) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// A member of the header. `alg` is that of the signature if it is not given.
    pub(super) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    /// The header, as it is.
    pub(super) fn header_text(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.header_text = Some(text.into());
        self
    }

    /// The claims, as they are.
    pub(super) fn claims_text(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.claims_text = Some(text.into());
        self
    }

    /// Signed as the key is meant to be used.
    pub(super) fn sign(&self, key: Key) -> String {
        self.sign_as(key, key.algorithm())
    }

    pub(super) fn sign_as(&self, key: Key, algorithm: Algorithm) -> String {
        sign_text(&self.unsigned(algorithm), key, algorithm)
    }

    /// What a signature is over.
    pub(super) fn unsigned(&self, algorithm: Algorithm) -> String {
        let mut header = self.header.clone();
        header.entry("alg").or_insert_with(|| json!(format!("{algorithm:?}")));
        let header = self.header_text.clone().unwrap_or_else(|| Value::Object(header).to_string().into());
        let claims = self.claims.clone();
        let claims = self.claims_text.clone().unwrap_or_else(|| Value::Object(claims).to_string().into());
        format!("{}.{}", base64url(&header), base64url(&claims))
    }
}

/// A signature behind what it is over, whatever that is.
pub(super) fn sign_text(text: &str, key: Key, algorithm: Algorithm) -> String {
    format!("{text}.{}", key.sign(algorithm, text))
}

pub(super) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn from_base64url(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

/// The time, as claims have it.
pub(super) fn seconds() -> u64 {
    unix_ms() / 1000
}
