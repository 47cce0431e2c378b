//! Pages for whoever runs an engine, beside the reference: operating, a history on disk, speed and sizing, every error, every metric.

#[doc = include_str!("operating.md")]
pub mod operating {}

#[doc = include_str!("history.md")]
pub mod history {}

#[doc = include_str!("performance.md")]
pub mod performance {}

/// Errors of the HTTP API.
///
#[doc = include_str!("../api/problems.md")]
pub mod problems {}

#[doc = include_str!("../metrics/metrics.md")]
pub mod metrics {}
