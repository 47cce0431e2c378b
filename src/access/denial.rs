//! Why a request is refused.

use crate::api::Problem;

/// Why a request is refused. The text is the detail of the response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    /// The credential is missing (401).
    Unauthorized(String),
    /// The credential is invalid (401, with `error="invalid_token"`: RFC 6750, 3.1).
    InvalidToken(String),
    /// The identity lacks the permission (403).
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
