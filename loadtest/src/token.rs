//! Bearer tokens (JWT, RFC 7519): signed with a key, or forged for one.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use clap::ValueEnum;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value, json};

use crate::clock;
use crate::template::Template;

/// Seconds until a token without `exp` in its claims expires.
const LIVES: u64 = 3600;

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum TokenAlgorithm {
    #[value(name = "HS256")]
    Hs256,
    #[value(name = "ES256")]
    Es256,
    #[value(name = "RS256")]
    Rs256,
}

/// Signs a token for each stream.
pub(crate) struct Signer {
    header: Header,
    key: EncodingKey,
    claims: Template,
}

impl Signer {
    /// Uses the key in this file: for HS256 its bytes without one newline at the end; for the others a private key in PEM.
    pub(crate) fn read(path: &Path, algorithm: TokenAlgorithm, claims: &str) -> Result<Self> {
        let key = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::new(&key, algorithm, None, claims)
            .with_context(|| format!("the key in {} cannot be used", path.display()))
    }

    pub(crate) fn new(key: &[u8], algorithm: TokenAlgorithm, id: Option<&str>, claims: &str) -> Result<Self> {
        let key = match algorithm {
            TokenAlgorithm::Hs256 => EncodingKey::from_secret(key.strip_suffix(b"\n").unwrap_or(key)),
            TokenAlgorithm::Es256 => EncodingKey::from_ec_pem(key)?,
            TokenAlgorithm::Rs256 => EncodingKey::from_rsa_pem(key)?,
        };
        let mut header = Header::new(algorithm.into());
        header.kid = id.map(str::to_owned);
        let signer = Self { header, key, claims: Template::parse(claims) };
        signer.sign(0, "").context("no token can be signed")?;
        Ok(signer)
    }

    /// The token of a stream. Another `id` makes another token.
    pub(crate) fn sign(&self, number: u64, id: &str) -> Result<String> {
        let text = self.claims.text(number);
        let mut claims: Map<String, Value> =
            serde_json::from_str(&text).with_context(|| format!("claims that are no object: {text}"))?;
        claims.entry("exp").or_insert_with(|| json!(clock::unix_seconds() + LIVES));
        if !id.is_empty() {
            claims.insert("jti".to_owned(), json!(format!("{id}-{number}")));
        }
        Ok(jsonwebtoken::encode(&self.header, &claims, &self.key)?)
    }

    /// A token for each of `count` streams from `first` on.
    pub(crate) fn tokens(&self, first: usize, streams: usize, id: &str) -> Result<Vec<String>> {
        (first..first + streams).map(|number| self.sign(number as u64, id)).collect()
    }
}

impl From<TokenAlgorithm> for Algorithm {
    fn from(algorithm: TokenAlgorithm) -> Self {
        match algorithm {
            TokenAlgorithm::Hs256 => Self::HS256,
            TokenAlgorithm::Es256 => Self::ES256,
            TokenAlgorithm::Rs256 => Self::RS256,
        }
    }
}

/// Makes tokens that are valid except for their signature, each of them different.
#[derive(Clone, Debug)]
pub(crate) struct Forger {
    /// Header and claims, encoded, each with its dot.
    signed: String,
    /// Length of a signature, in characters.
    signature: usize,
}

/// The characters of base64url.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Forger {
    /// Forges for the key with this id, whose signatures have this many bytes.
    pub(crate) fn new(algorithm: &str, id: &str, bytes: usize, claims: &str) -> Result<Self> {
        let header = json!({"typ": "JWT", "alg": algorithm, "kid": id});
        let mut claims: Map<String, Value> = serde_json::from_str(&Template::parse(claims).text(0))?;
        claims.insert("exp".to_owned(), json!(clock::unix_seconds() + LIVES));
        let encode = |value: &str| BASE64.encode(value);
        let claims = serde_json::to_string(&claims)?;
        let signed = format!("{}.{}.", encode(&header.to_string()), encode(&claims));
        Ok(Self { signed, signature: (bytes * 4).div_ceil(3) })
    }

    /// The signature begins with zeros, so that as a number it is below every modulus of its length. The unused bits of its
    /// last character are zero, as decoders demand.
    pub(crate) fn forge(&self, out: &mut String) {
        out.push_str(&self.signed);
        out.push('A');
        out.extend((2..self.signature).map(|_| char::from(DIGITS[fastrand::usize(..64)])));
        out.push('A');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation, decode};

    const CLAIMS: &str = r#"{"sub":"u-{n}"}"#;

    fn verified(token: &str, algorithm: Algorithm, key: &DecodingKey) -> Result<Value, String> {
        let claims = decode::<Value>(token, key, &Validation::new(algorithm));
        claims.map(|token| token.claims).map_err(|error| error.to_string())
    }

    fn public(id: &str) -> DecodingKey {
        let set: JwkSet = serde_json::from_str(include_str!("../keys/jwks.json")).unwrap();
        DecodingKey::from_jwk(set.find(id).unwrap()).unwrap()
    }

    #[test]
    fn signed() {
        let secret = Signer::new(b"a secret\n", TokenAlgorithm::Hs256, None, CLAIMS).unwrap();
        let key = DecodingKey::from_secret(b"a secret");
        let tokens = secret.tokens(7, 2, "").unwrap();
        assert_eq!(verified(&tokens[0], Algorithm::HS256, &key).unwrap()["sub"], "u-7");
        assert_eq!(verified(&tokens[1], Algorithm::HS256, &key).unwrap()["sub"], "u-8");
        let pem = include_bytes!("../keys/ec.pem");
        let signer = Signer::new(pem, TokenAlgorithm::Es256, Some("ec"), CLAIMS).unwrap();
        let (one, other) = (signer.sign(1, "a").unwrap(), signer.sign(1, "b").unwrap());
        assert_eq!(verified(&one, Algorithm::ES256, &public("ec")).unwrap()["jti"], "a-1");
        assert_ne!(one, other);
        assert!(Signer::new(b"no PEM", TokenAlgorithm::Es256, None, CLAIMS).is_err());
        assert!(Signer::new(b"a secret", TokenAlgorithm::Hs256, None, "[]").is_err());
    }

    #[test]
    fn forged_tokens_fail_by_their_signature_and_nothing_before_it() {
        for (algorithm, id, bytes) in [(Algorithm::ES256, "ec", 64), (Algorithm::RS256, "rsa", 512)] {
            let forger = Forger::new(&format!("{algorithm:?}"), id, bytes, CLAIMS).unwrap();
            let mut tokens = [String::new(), String::new()];
            tokens.iter_mut().for_each(|token| forger.forge(token));
            assert_ne!(tokens[0], tokens[1]);
            for token in &tokens {
                assert_eq!(jsonwebtoken::decode_header(token).unwrap().kid.as_deref(), Some(id));
                let signature = token.rsplit('.').next().unwrap();
                assert_eq!(BASE64.decode(signature).unwrap().len(), bytes);
                assert_eq!(verified(token, algorithm, &public(id)).unwrap_err(), "InvalidSignature");
            }
        }
    }
}
