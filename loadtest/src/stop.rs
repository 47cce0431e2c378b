//! The reasons to end a run early: an interrupt, or the deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::clock;

/// How often waits check it, at least.
pub(crate) const CHECK_EVERY: Duration = Duration::from_millis(50);

#[derive(Clone)]
pub(crate) struct Stop {
    interrupted: Arc<AtomicBool>,
    deadline: Instant,
}

impl Stop {
    /// Stops on SIGINT and SIGTERM, and once `limit` has passed. A second signal ends the process.
    pub(crate) fn after(limit: Duration) -> Result<Self> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 130, interrupted.clone())?;
            flag::register(signal, interrupted.clone())?;
        }
        Ok(Self { interrupted, deadline: clock::now() + limit })
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    pub(crate) fn reason(&self) -> Option<&'static str> {
        if self.is_interrupted() {
            Some("interrupted")
        } else if clock::now() >= self.deadline {
            Some("deadline")
        } else {
            None
        }
    }
}
