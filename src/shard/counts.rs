//! How many connections are in which state.

use std::collections::BTreeSet;

use super::phase::Phase;
use crate::event::{Framing, PerFraming, Profile};

/// Counts that would otherwise need a walk over all connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StateCounts {
    /// Admitted streams that have not ended.
    pub(super) streams: usize,
    /// Of those, with a user.
    pub(super) users: usize,
    /// Of those, with a session.
    pub(super) sessions: usize,
    /// In `Streaming`, by framing: the readers of each tape.
    pub(super) live: PerFraming<usize>,
    /// In `Ending` or `Lingering`.
    pub(super) ending: usize,
    /// Connections whose socket is full.
    pub(super) blocked: usize,
    behind: BTreeSet<u32>,
}

impl StateCounts {
    /// The slots of those in `Joining`, `Replaying` or `Lagging`, in order.
    pub(super) fn behind(&self) -> &BTreeSet<u32> {
        &self.behind
    }

    /// Notes the change of a connection from one state to another.
    pub(super) fn change(&mut self, slot: u32, framing: Framing, from: &Phase, to: &Phase) {
        self.count(from, framing, -1);
        self.count(to, framing, 1);
        match (from.is_behind(), to.is_behind()) {
            (false, true) => drop(self.behind.insert(slot)),
            (true, false) => drop(self.behind.remove(&slot)),
            _ => {}
        }
    }

    fn count(&mut self, phase: &Phase, framing: Framing, change: isize) {
        match phase {
            Phase::Streaming { .. } => {
                add(&mut self.streams, change);
                add(&mut self.live[framing], change);
            }
            Phase::Joining { .. } | Phase::Replaying { .. } | Phase::Lagging { .. } => {
                add(&mut self.streams, change);
            }
            Phase::Ending(_) | Phase::Lingering => add(&mut self.ending, change),
            Phase::Head(_) | Phase::Deciding(_) | Phase::Closed => {}
        }
    }

    /// Notes that a stream with this profile was opened (1) or has ended (-1).
    pub(super) fn count_profile(&mut self, profile: &Profile, change: isize) {
        if profile.user.is_some() {
            add(&mut self.users, change);
        }
        if profile.session.is_some() {
            add(&mut self.sessions, change);
        }
    }

    /// Notes that the socket of a connection is full, or no longer is.
    pub(super) fn count_blocked(&mut self, is_blocked: bool) {
        add(&mut self.blocked, if is_blocked { 1 } else { -1 });
    }
}

fn add(count: &mut usize, change: isize) {
    *count = count.saturating_add_signed(change);
}
