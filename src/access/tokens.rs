//! How a keyring authenticates tokens.

use std::sync::atomic::Ordering;

use jsonwebtoken::Algorithm;

use super::claims::{Claims, Verified};
use super::denial::Denial;
use super::identity::Identity;
use super::jws::Signed;
use super::keyring::{Keyring, Keys, tokens_of};
use super::registered::RegisteredClaims;
use super::token::TokenKeys;

impl Keyring {
    /// The identity of a token, if it does not take long to verify; `None` if it does.
    pub(super) fn token_at_once(
        &self,
        keys: &Keys,
        token: &str,
        now_unix_ms: u64,
    ) -> Option<Result<Identity, Denial>> {
        let tokens = match tokens_of(keys, token) {
            Ok(tokens) => tokens,
            Err(denial) => return Some(Err(denial)),
        };
        if tokens.have_public()
            && let Some(verified) = keys.remembered.find(token, now_unix_ms)
        {
            self.recalled.fetch_add(1, Ordering::Relaxed);
            return Some(verified.at(now_unix_ms));
        }
        let inspect = || {
            let signed = tokens.inspect(token)?;
            // Checking an HMAC is as cheap as a digest.
            if signed.header.algorithm == Some(Algorithm::HS256) {
                return self.verify(tokens, &signed, now_unix_ms)?.at(now_unix_ms).map(Some);
            }
            // Do not verify the signature of a token that is refused in any case.
            RegisteredClaims::read(&signed.claims()?, &self.rules)?.judge(&self.rules, now_unix_ms)?;
            Ok(None)
        };
        inspect().transpose()
    }

    /// The identity of a token, however long it takes to verify.
    pub(super) fn token(&self, keys: &Keys, token: &str, now_unix_ms: u64) -> Result<Identity, Denial> {
        let tokens = tokens_of(keys, token)?;
        let verified = self.verify(tokens, &tokens.inspect(token)?, now_unix_ms)?;
        let identity = verified.at(now_unix_ms)?;
        if tokens.have_public() {
            keys.remembered.insert(token, verified);
        }
        Ok(identity)
    }

    fn verify(&self, tokens: &TokenKeys, signed: &Signed<'_>, now_unix_ms: u64) -> Result<Verified, Denial> {
        tokens.verify(signed)?;
        let claims = signed.claims()?;
        let validity = RegisteredClaims::read(&claims, &self.rules)?.judge(&self.rules, now_unix_ms)?;
        Claims::read(&claims)?.verified(validity)
    }
}
