//! How many connections are in which state.

use super::Shard;
use super::connection::Phase;
use crate::wire::{Framing, PerFraming, Profile};

/// Counts that would otherwise take a walk over all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Admitted streams that have not ended.
    pub(super) streams: usize,
    /// Of those, with a user.
    pub(super) users: usize,
    /// Of those, with a session.
    pub(super) sessions: usize,
    /// In `Streaming`, by framing: who reads the tape.
    pub(super) live: PerFraming<usize>,
    /// In `Joining`, `Replaying` or `Lagging`.
    pub(super) behind: usize,
    /// In `Ending` or `Lingering`.
    pub(super) ending: usize,
    /// Connections whose socket takes no more.
    pub(super) blocked: usize,
}

impl Standing {
    pub(super) fn count(&mut self, phase: &Phase, framing: Framing, change: isize) {
        let add = |count: &mut usize| *count = count.saturating_add_signed(change);
        match phase {
            Phase::Streaming { .. } => {
                add(&mut self.streams);
                add(&mut self.live[framing]);
            }
            Phase::Joining { .. } | Phase::Replaying { .. } | Phase::Lagging { .. } => {
                add(&mut self.streams);
                add(&mut self.behind);
            }
            Phase::Ending(_) | Phase::Lingering => add(&mut self.ending),
            Phase::Head(_) | Phase::Deciding(_) | Phase::Closed => {}
        }
    }

    pub(super) fn count_profile(&mut self, profile: &Profile, change: isize) {
        let add = |count: &mut usize| *count = count.saturating_add_signed(change);
        if profile.user.is_some() {
            add(&mut self.users);
        }
        if profile.session.is_some() {
            add(&mut self.sessions);
        }
    }
}

impl<S> Shard<S> {
    /// The one way from a state to another.
    pub(super) fn enter(&mut self, slot: u32, phase: Phase) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        self.standing.count(&connection.phase, connection.framing, -1);
        self.standing.count(&phase, connection.framing, 1);
        let was_behind = connection.phase.is_behind();
        connection.phase = phase;
        match (was_behind, connection.phase.is_behind()) {
            (false, true) => drop(self.behind.insert(slot)),
            (true, false) => drop(self.behind.remove(&slot)),
            _ => {}
        }
    }

    pub(super) fn set_blocked(&mut self, slot: u32, blocked: bool) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        if connection.blocked != blocked {
            connection.blocked = blocked;
            self.standing.blocked = self.standing.blocked.saturating_add_signed(if blocked { 1 } else { -1 });
        }
    }
}
