//! The upkeep: seals segments, removes the old ones, notes damage, and looks how much room the disk has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::shared::Shared;
use super::work::Clock;
use crate::event::Now;
use crate::journal::log::Maintenance;

/// Keeps the log in order.
#[derive(Debug)]
pub struct Upkeep {
    shared: Arc<Shared>,
    maintenance: Maintenance,
    /// What goes wrong, as it was logged.
    errors: BTreeMap<&'static str, String>,
    /// Disconnected when the committer has ended.
    end: Receiver<()>,
}

/// How often the log is looked after.
const EVERY: Duration = Duration::from_secs(1);

impl Upkeep {
    pub(super) fn new(shared: Arc<Shared>, maintenance: Maintenance, end: Receiver<()>) -> Self {
        Self { shared, maintenance, errors: BTreeMap::new(), end }
    }

    pub(super) fn run(mut self, clock: &dyn Clock) {
        loop {
            self.turn(clock.now());
            if let Err(RecvTimeoutError::Disconnected) = self.end.recv_timeout(EVERY) {
                return;
            }
        }
    }

    /// Does all that is to be done now.
    pub fn turn(&mut self, now: Now) {
        self.shared.look_at_room();
        let done = self.maintenance.run(now.unix_ms);
        if done.damaged > 0 {
            tracing::error!(places = done.damaged, "the history is damaged; whom it concerns is told");
        }
        // What goes wrong every second is logged once.
        let errors = done.errors.into_iter().map(|(what, error)| (what, error.to_string())).collect();
        let before = std::mem::replace(&mut self.errors, errors);
        for (what, error) in self.errors.iter().filter(|(what, error)| before.get(*what) != Some(error)) {
            tracing::warn!(error, "cannot {what} of the history; it is tried again");
        }
    }
}
