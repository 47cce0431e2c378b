//! What always holds between two calls.

use std::num::NonZero;

use super::Shard;
use super::connection::Phase;
use super::standing::Standing;

/// Above this many connections a check after every call would make debug builds useless.
const CHECKED: usize = 128;

impl<S> Shard<S> {
    pub(super) fn debug_check(&self) {
        if cfg!(debug_assertions) && self.connections.len() <= CHECKED {
            self.check_invariants();
        }
    }

    /// Panics where the shard contradicts itself. Walks all connections.
    pub fn check_invariants(&self) {
        let mut standing = Standing::default();
        for (slot, connection) in &self.connections {
            let tape = &self.tapes[connection.framing];
            standing.count(&connection.phase, connection.framing, 1);
            standing.blocked += usize::from(connection.blocked);
            if connection.is_stream() {
                standing.count_profile(connection.profile.as_ref().unwrap_or(&self.anonymous), 1);
                assert_eq!(
                    self.expiries
                        .contains(&(self.origins[slot].expires_ms.map_or(0, NonZero::get), slot as u32)),
                    self.origins[slot].expires_ms.is_some(),
                    "slot {slot}: its permission ends by itself"
                );
            }
            let needs = connection.needs();
            assert!(needs == u64::MAX || needs >= tape.start(), "slot {slot}: the tape holds what it needs");
            assert!(connection.cursor().is_none_or(|cursor| cursor <= tape.end()), "slot {slot}: cursor");
            assert!(
                connection.outbox.as_ref().is_none_or(|outbox| !outbox.is_empty()),
                "slot {slot}: empty outbox"
            );
            let decides = matches!(connection.phase, Phase::Deciding(_));
            let is_due =
                |(_, at, serial): &(u64, u32, u32)| (*at, *serial) == (slot as u32, connection.serial);
            assert!(!decides || self.decisions.iter().any(is_due), "slot {slot}: it does not wait for ever");
            let owed = connection.backlog(tape) > 0;
            let unserved = connection.cursor().is_some_and(|cursor| cursor < tape.end());
            let walking = self.pass.is_under_way() && unserved;
            let listed = connection.queued && self.queued.contains(&(slot as u32));
            assert_eq!(connection.queued, listed, "slot {slot}: queued");
            assert!(
                !owed || connection.blocked || listed || walking,
                "slot {slot}: somebody will write what it is owed: {:?}",
                connection.phase
            );
        }
        assert_eq!(standing, self.standing);
        let behind = |slot: &u32| self.connections.get(*slot as usize).is_some_and(|c| c.phase.is_behind());
        assert!(self.behind.iter().all(behind) && self.behind.len() == standing.behind, "who is behind");
        if standing.streams == 0 {
            assert!(self.index.is_empty(), "nobody is left, but the index has entries");
            assert!(self.expiries.is_empty(), "nobody is left, but something expires");
        }
        assert_eq!(self.origins.len().max(self.connections.len()), self.origins.len());
    }
}
