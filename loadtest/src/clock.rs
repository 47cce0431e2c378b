//! The one place that reads the clock.

use std::time::{Duration, Instant};

#[allow(clippy::disallowed_methods)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn since(earlier: Instant) -> Duration {
    now().saturating_duration_since(earlier)
}
