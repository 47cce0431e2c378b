//! JSON Web Tokens (RFC 7519), and the keys that they are signed with.

use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use super::claims::Claims;
use super::denial::Denial;

/// Keys that tokens are verified with. Each is for one algorithm: what a token says of its own algorithm can only
/// agree with it, so that a public key is never taken for a secret (RFC 8725, 3.1).
pub(crate) struct TokenKeys {
    keys: Vec<TokenKey>,
    /// Tokens must say by `kid` which of the keys it is, unless there is one only.
    by_id: bool,
}

struct TokenKey {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// A key file that cannot be used. It never says what is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidKey {
    #[error("the secret is empty")]
    EmptySecret,
    #[error("this is no public key in PEM: RSA, EC on P-256, or Ed25519")]
    NotPem,
    #[error("an EC key must be on the curve P-256, which ES256 is for")]
    Curve,
    #[error("an RSA key must have at least 2048 bits (RFC 7518, 3.3)")]
    ShortRsa,
    #[error("the key is malformed")]
    Malformed,
    #[error("this is no JSON Web Key Set: {0}")]
    NotJwks(String),
    #[error("two keys have the kid {0:?}")]
    RepeatedId(String),
    #[error("there is no key in it for HS256, RS256, ES256 or EdDSA signatures")]
    NoKey,
}

/// RFC 7518, 3.3.
const MIN_RSA_BYTES: usize = 2048 / 8;

impl TokenKeys {
    /// One secret, for HS256. A newline at its end is not of it.
    pub(crate) fn from_secret(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let secret = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
        if secret.is_empty() {
            return Err(InvalidKey::EmptySecret);
        }
        Self::one(DecodingKey::from_secret(secret), Algorithm::HS256)
    }

    /// One public key in PEM, for the algorithm that it is of: RS256, ES256 or EdDSA.
    pub(crate) fn from_pem(pem: &[u8]) -> Result<Self, InvalidKey> {
        type Read = fn(&[u8]) -> jsonwebtoken::errors::Result<DecodingKey>;
        let kinds: [(Read, Algorithm); 3] = [
            (DecodingKey::from_rsa_pem, Algorithm::RS256),
            (DecodingKey::from_ec_pem, Algorithm::ES256),
            (DecodingKey::from_ed_pem, Algorithm::EdDSA),
        ];
        let read = |(read, algorithm): &(Read, Algorithm)| Some((read(pem).ok()?, *algorithm));
        let (key, algorithm) = kinds.iter().find_map(read).ok_or(InvalidKey::NotPem)?;
        // Written as a JSON Web Key, it is taken apart, and a private key is found out.
        let jwk = Jwk::from_decoding_key(&key, Some(algorithm)).map_err(|_| InvalidKey::NotPem)?;
        check(&jwk)?;
        Self::one(key, algorithm)
    }

    /// A JSON Web Key Set (RFC 7517, 5). Keys for other purposes and algorithms are left out.
    pub(crate) fn from_jwks(json: &[u8]) -> Result<Self, InvalidKey> {
        let not_jwks = |error: &dyn std::fmt::Display| InvalidKey::NotJwks(error.to_string());
        // Not as a whole: a set may have keys of kinds that nobody here knows.
        let set: Value = serde_json::from_slice(json).map_err(|error| not_jwks(&error))?;
        let members = set.get("keys").and_then(Value::as_array).ok_or_else(|| not_jwks(&"no array keys"))?;
        let mut keys: Vec<TokenKey> = Vec::new();
        for member in members {
            let Ok(jwk) = serde_json::from_value::<Jwk>(member.clone()) else { continue };
            let Some(algorithm) = algorithm_of(&jwk) else { continue };
            check(&jwk)?;
            let key = DecodingKey::from_jwk(&jwk).map_err(|_| InvalidKey::Malformed)?;
            let id = jwk.common.key_id;
            if let Some(id) = id.as_ref().filter(|id| keys.iter().any(|key| key.id.as_ref() == Some(id))) {
                return Err(InvalidKey::RepeatedId(id.clone()));
            }
            keys.push(TokenKey::new(id, key, algorithm)?);
        }
        if keys.is_empty() {
            return Err(InvalidKey::NoKey);
        }
        Ok(Self { keys, by_id: true })
    }

    fn one(key: DecodingKey, algorithm: Algorithm) -> Result<Self, InvalidKey> {
        Ok(Self { keys: vec![TokenKey::new(None, key, algorithm)?], by_id: false })
    }

    /// Whether a secret is shorter than the hash of HS256, which RFC 7518, 3.2, does not allow.
    pub(crate) fn is_weak(&self) -> bool {
        let bytes = |key: &TokenKey| key.key.try_get_as_bytes().map_or(0, <[u8]>::len);
        self.keys.iter().any(|key| key.algorithm == Algorithm::HS256 && bytes(key) < 32)
    }

    /// The claims of a token whose signature is good. Their times and audience are not yet judged.
    pub(super) fn verify(&self, token: &str) -> Result<Claims, Denial> {
        let invalid = |detail: &str| Denial::InvalidToken(detail.to_owned());
        let header = decode_header(token).map_err(|error| refuse(&error))?;
        // What must be understood and is not (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return Err(invalid("the token's header has crit, of which nothing is understood"));
        }
        let key = self.key_for(header.kid.as_deref()).map_err(invalid)?;
        let mut validation = Validation::new(key.algorithm);
        // The time is an argument here; these and the audience are judged with the claims.
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        validation.required_spec_claims.clear();
        let token = decode::<Claims>(token, &key.key, &validation).map_err(|error| refuse(&error))?;
        Ok(token.claims)
    }

    fn key_for(&self, id: Option<&str>) -> Result<&TokenKey, &'static str> {
        match (self.keys.as_slice(), id) {
            (keys, Some(id)) if self.by_id => {
                let key = keys.iter().find(|key| key.id.as_deref() == Some(id));
                key.ok_or("no key has the kid of the token")
            }
            ([key], _) => Ok(key),
            _ => Err("the token has no kid, and there are several keys"),
        }
    }
}

impl TokenKey {
    fn new(id: Option<String>, key: DecodingKey, algorithm: Algorithm) -> Result<Self, InvalidKey> {
        // A program that embeds this may have another provider in its tree, and none would be chosen then.
        // Where one is installed already, that one serves as well.
        let _ = DEFAULT_PROVIDER.install_default();
        match (DEFAULT_PROVIDER.verifier_factory)(&algorithm, &key) {
            Ok(_) => Ok(Self { id, algorithm, key }),
            Err(_) => Err(InvalidKey::Malformed),
        }
    }
}

/// The algorithm that a key of a set is for, if it is one of ours and for signatures.
fn algorithm_of(jwk: &Jwk) -> Option<Algorithm> {
    let for_signatures =
        jwk.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let verifies = jwk
        .common
        .key_operations
        .as_ref()
        .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::OctetKey(_) => (Algorithm::HS256, KeyAlgorithm::HS256),
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let fits = jwk.common.key_algorithm.as_ref().is_none_or(|given| *given == name);
    (for_signatures && verifies && fits).then_some(algorithm)
}

/// Whether a key is as strong as its algorithm wants it.
fn check(jwk: &Jwk) -> Result<(), InvalidKey> {
    match &jwk.algorithm {
        // Of base64url without padding, four characters are three bytes.
        AlgorithmParameters::RSA(key) if key.n.trim_start_matches('A').len() * 3 / 4 < MIN_RSA_BYTES => {
            Err(InvalidKey::ShortRsa)
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve != EllipticCurve::P256 => Err(InvalidKey::Curve),
        AlgorithmParameters::OctetKey(key) if key.value.is_empty() => Err(InvalidKey::EmptySecret),
        _ => Ok(()),
    }
}

/// What was wrong with a token, without a word of what is in it.
fn refuse(error: &jsonwebtoken::errors::Error) -> Denial {
    Denial::InvalidToken(match error.kind() {
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "the token is not signed with the algorithm of the key".to_owned()
        }
        ErrorKind::InvalidSignature => "the token's signature does not match".to_owned(),
        ErrorKind::Json(error) => format!("a part of the token is not what it must be: {}", place(error)),
        _ => "this is no JSON Web Token".to_owned(),
    })
}

/// What serde says of a claim names types and fields, and, where it shows a value, might show a secret.
fn place(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data => "a member has the wrong type, is missing or is there twice",
        _ => "malformed JSON",
    }
}
