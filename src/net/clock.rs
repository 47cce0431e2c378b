//! The one place that reads the clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::event::Now;
use crate::journal::durable;

/// The clocks of the machine, the monotonic one counted from the start of the engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "time enters here")]
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(&self) -> Now {
        self.now_at(self.elapsed())
    }

    /// Like [`now`](Self::now), given a time that was just read from the monotonic clock.
    #[expect(clippy::disallowed_methods, reason = "time enters here")]
    pub(crate) fn now_at(&self, elapsed: Duration) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { elapsed_ms: elapsed.as_millis() as u64, unix_ms: unix.as_millis() as u64 }
    }

    /// Time since the start of the engine, at the precision of the machine. For measurements only.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

impl durable::Clock for Clock {
    fn now(&self) -> Now {
        self.now()
    }

    fn elapsed(&self) -> Duration {
        self.elapsed()
    }
}
