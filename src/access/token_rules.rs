//! What tokens must say to count.

#[cfg(feature = "jwt")]
use std::time::Duration;

/// What tokens must say to count.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenRules {
    /// Who they must be for.
    #[cfg(feature = "jwt")]
    pub(crate) audience: Option<String>,
    /// Who they must be from.
    #[cfg(feature = "jwt")]
    pub(crate) issuer: Option<String>,
    /// How far clocks may differ.
    #[cfg(feature = "jwt")]
    pub(crate) leeway: Duration,
    /// The cookie that may carry one.
    pub(crate) cookie: Option<String>,
}
