//! JSON Web Tokens (RFC 7519), and the keys that verify them.

use jsonwebtoken::crypto;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey};

use super::denial::Denial;
use super::invalid_key::{InvalidKey, MAX_TRIED};
use super::jws::{Header, Signed, no_token};
use super::key_set;
use super::key_warning::KeyWarning;
use super::token_key::TokenKey;

/// Keys that verify tokens. Each is for one algorithm, and a token that names another is refused, so that a public key
/// is never used as a secret (RFC 8725, 3.1).
pub(crate) struct TokenKeys {
    keys: Vec<TokenKey>,
    /// Whether a token may name its key by `kid`.
    by_id: bool,
    warnings: Vec<KeyWarning>,
}

impl TokenKeys {
    /// One secret, for HS256, without a newline at its end.
    pub(crate) fn from_secret(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let secret = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
        if secret.is_empty() {
            return Err(InvalidKey::EmptySecret);
        }
        let keys = Self::one(DecodingKey::from_secret(secret), Algorithm::HS256)?;
        let warnings = [keys.is_weak().then_some(KeyWarning::ShortSecret), KeyWarning::of_text(secret)];
        Ok(Self { warnings: warnings.into_iter().flatten().collect(), ..keys })
    }

    /// One public key in PEM, for its algorithm: RS256, ES256 or EdDSA.
    pub(crate) fn from_pem(pem: &[u8]) -> Result<Self, InvalidKey> {
        type Read = fn(&[u8]) -> jsonwebtoken::errors::Result<DecodingKey>;
        let kinds: [(Read, Algorithm); 3] = [
            (DecodingKey::from_rsa_pem, Algorithm::RS256),
            (DecodingKey::from_ec_pem, Algorithm::ES256),
            (DecodingKey::from_ed_pem, Algorithm::EdDSA),
        ];
        let read = |(read, algorithm): &(Read, Algorithm)| Some((read(pem).ok()?, *algorithm));
        let (key, algorithm) = kinds.iter().find_map(read).ok_or(InvalidKey::NotPem)?;
        // Converting it to a JSON Web Key takes it apart, and detects a private key.
        let jwk = Jwk::from_decoding_key(&key, Some(algorithm)).map_err(|_| InvalidKey::NotPem)?;
        key_set::check(&jwk, &DecodingKey::from_jwk(&jwk).map_err(|_| InvalidKey::NotPem)?)?;
        Self::one(key, algorithm)
    }

    /// A JSON Web Key Set (RFC 7517, 5). Skips keys for other purposes and algorithms, and unusable keys.
    pub(crate) fn from_jwks(json: &[u8]) -> Result<Self, InvalidKey> {
        let (keys, left_out) = key_set::read(json)?;
        let keys = Self { keys, by_id: true, warnings: Vec::new() };
        let left_out = left_out.into_iter().filter(|left| !left.is_for_something_else());
        let weak = keys.is_weak().then_some(KeyWarning::ShortSecret);
        let warnings = weak.into_iter().chain(left_out.map(KeyWarning::LeftOut)).collect();
        Ok(Self { warnings, ..keys })
    }

    fn one(key: DecodingKey, algorithm: Algorithm) -> Result<Self, InvalidKey> {
        let keys = vec![TokenKey::new(None, key, algorithm)?];
        Ok(Self { keys, by_id: false, warnings: Vec::new() })
    }

    /// Warnings for whoever wrote the file.
    pub(crate) fn warnings(&self) -> &[KeyWarning] {
        &self.warnings
    }

    /// Whether a secret is shorter than the hash of HS256, which RFC 7518, 3.2, forbids.
    fn is_weak(&self) -> bool {
        let bytes = |key: &TokenKey| key.key.try_get_as_bytes().map_or(0, <[u8]>::len);
        self.keys.iter().any(|key| key.algorithm == Algorithm::HS256 && bytes(key) < 32)
    }

    /// Whether there is a key that is slow to verify with: any but a secret.
    pub(super) fn have_public(&self) -> bool {
        self.keys.iter().any(|key| key.algorithm != Algorithm::HS256)
    }

    /// Parses a token that one of the keys may have signed.
    ///
    /// Its contents are not verified: they may be a reason to refuse it, and nothing else.
    pub(super) fn inspect<'t>(&self, token: &'t str) -> Result<Signed<'t>, Denial> {
        let signed = Signed::parse(token)?;
        let has_key = self.keys_of(&signed.header)?.next().is_some();
        has_key.then_some(signed).ok_or_else(other_algorithm)
    }

    /// Verifies the signature, and nothing else.
    pub(super) fn verify(&self, signed: &Signed<'_>) -> Result<(), Denial> {
        for TokenKey { key, algorithm, .. } in self.keys_of(&signed.header)?.take(MAX_TRIED) {
            match crypto::verify(signed.signature, signed.message.as_bytes(), key, *algorithm) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(_) => return Err(no_token()),
            }
        }
        Err(Denial::InvalidToken("the token's signature does not match".to_owned()))
    }

    /// The keys that may have signed a token with this header.
    fn keys_of<'k>(&'k self, header: &'k Header) -> Result<impl Iterator<Item = &'k TokenKey>, Denial> {
        let id = header.key_id.as_deref().filter(|_| self.by_id);
        if id.is_some() && !self.keys.iter().any(|key| key.id.as_deref() == id) {
            return Err(Denial::InvalidToken("no key has the kid of the token".to_owned()));
        }
        Ok(self.meant(id).filter(|key| Some(key.algorithm) == header.algorithm))
    }

    /// The keys that a token may refer to. Two may have the same `kid`, as during a rotation (RFC 7517, 4.5). A token
    /// without a `kid`, which is optional, may refer to any key of the set; those without a `kid` come first.
    fn meant<'k>(&'k self, id: Option<&'k str>) -> impl Iterator<Item = &'k TokenKey> {
        let unnamed = self.keys.iter().filter(move |key| id.is_none() && key.id.is_none());
        let is_meant = move |key: &&TokenKey| match id {
            Some(id) => key.id.as_deref() == Some(id),
            None => key.id.is_some(),
        };
        unnamed.chain(self.keys.iter().filter(is_meant))
    }
}

fn other_algorithm() -> Denial {
    Denial::InvalidToken("the token is not signed with the algorithm of the key".to_owned())
}
