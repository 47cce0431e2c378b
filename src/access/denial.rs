//! Why a request is refused.

use crate::api::Problem;

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    /// It says nothing of whom it is from (401).
    Unauthorized(String),
    /// What it brought to say so does not count (401, with `error="invalid_token"`: RFC 6750, 3.1).
    InvalidToken(String),
    /// It is known who this is, and it may not (403).
    Forbidden(String),
}

impl From<Denial> for Problem {
    fn from(denial: Denial) -> Self {
        let challenge = |detail, challenge| Self::new(401, detail).with_field("WWW-Authenticate", challenge);
        match denial {
            Denial::Unauthorized(detail) => challenge(detail, "Bearer"),
            Denial::InvalidToken(detail) => challenge(detail, "Bearer error=\"invalid_token\""),
            Denial::Forbidden(detail) => Self::new(403, detail),
        }
    }
}
