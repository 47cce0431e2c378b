//! The rules for tokens.

#[cfg(feature = "jwt")]
use std::time::Duration;

/// What makes a token valid, besides its signature.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenRules {
    /// The required audience.
    #[cfg(feature = "jwt")]
    pub(crate) audience: Option<String>,
    /// The required issuer.
    #[cfg(feature = "jwt")]
    pub(crate) issuer: Option<String>,
    /// Tolerated difference between clocks.
    #[cfg(feature = "jwt")]
    pub(crate) leeway: Duration,
    /// The cookie that may hold a token.
    pub(crate) cookie: Option<String>,
}
