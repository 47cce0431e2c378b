//! The keys that tokens are signed with. They are in `../keys`, in PEM.

use jsonwebtoken::{Algorithm, EncodingKey, crypto};

pub(super) const SECRET: &[u8] = b"a secret of more than 32 bytes, known to tests only";
pub(super) const RSA_PUBLIC: &[u8] = include_bytes!("../keys/rsa.public.pem");
pub(super) const EC_PUBLIC: &[u8] = include_bytes!("../keys/ec.public.pem");
pub(super) const ED_PUBLIC: &[u8] = include_bytes!("../keys/ed.public.pem");
/// The public halves of `Rsa`, `OtherRsa`, `Ec` and `Ed`, as `rsa-1`, `rsa-2`, `ec-1` and `ed-1`.
pub(super) const JWKS: &[u8] = include_bytes!("../keys/jwks.json");

/// What signs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    /// These bytes, as a secret.
    Secret(&'static [u8]),
    Rsa,
    OtherRsa,
    Ec,
    OtherEc,
    Ed,
    OtherEd,
}

impl Key {
    /// The algorithm that the server takes with this key.
    pub(super) fn algorithm(self) -> Algorithm {
        match self {
            Self::Secret(_) => Algorithm::HS256,
            Self::Rsa | Self::OtherRsa => Algorithm::RS256,
            Self::Ec | Self::OtherEc => Algorithm::ES256,
            Self::Ed | Self::OtherEd => Algorithm::EdDSA,
        }
    }

    /// A signature, in base64url.
    pub(super) fn sign(self, algorithm: Algorithm, message: &str) -> String {
        let key = match self {
            Self::Secret(secret) => Ok(EncodingKey::from_secret(secret)),
            Self::Rsa => EncodingKey::from_rsa_pem(include_bytes!("../keys/rsa.pem")),
            Self::OtherRsa => EncodingKey::from_rsa_pem(include_bytes!("../keys/rsa-other.pem")),
            Self::Ec => EncodingKey::from_ec_pem(include_bytes!("../keys/ec.pem")),
            Self::OtherEc => EncodingKey::from_ec_pem(include_bytes!("../keys/ec-other.pem")),
            Self::Ed => EncodingKey::from_ed_pem(include_bytes!("../keys/ed.pem")),
            Self::OtherEd => EncodingKey::from_ed_pem(include_bytes!("../keys/ed-other.pem")),
        };
        let key = key.expect("a key");
        crypto::sign(message.as_bytes(), &key, algorithm).expect("a key of that algorithm")
    }
}
