//! How a step publishes, and what it measures.

use std::time::Duration;

use crate::publish::{Pace, Published};
use crate::swarm::Tally;

/// Events before the measured ones: they are checked, not measured.
pub(super) const WARM_UP: u64 = 3;

/// How one step publishes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    pub(super) pace: Pace,
    pub(super) events: u64,
    pub(super) is_measured: bool,
    pub(super) connections: usize,
    pub(super) batch: usize,
    /// Each request has its own connection.
    pub(super) is_single: bool,
    /// Additional time that the server may take to answer.
    pub(super) grace: Duration,
}

/// The measurements of a step.
pub(super) struct Measured {
    pub(super) published: Published,
    pub(super) tally: Tally,
    /// Time from the first event's due time to the last delivery, or to the last acknowledgement if there are no streams.
    pub(super) seconds: f64,
    pub(super) server_cpu: Option<Duration>,
    pub(super) client_cpu: Duration,
}

impl Course {
    pub(super) fn measured(pace: Pace, events: u64) -> Self {
        let grace = Duration::ZERO;
        Self { pace, events, is_measured: true, connections: 1, batch: 1, is_single: false, grace }
    }

    pub(super) fn warm_up(events: u64) -> Self {
        Self { is_measured: false, ..Self::measured(Pace::InFlight(1), events) }
    }
}
