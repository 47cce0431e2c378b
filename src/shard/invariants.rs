//! Invariants that hold between two calls.

use std::num::NonZero;

use super::Shard;
use super::counts::StateCounts;
use super::phase::{Phase, State};

/// Above this many connections a check after every call would make debug builds useless.
const CHECKED: usize = 128;

impl<S> Shard<S> {
    pub(super) fn debug_check(&self) {
        if cfg!(debug_assertions) && self.connections.len() <= CHECKED {
            self.check_invariants();
        }
    }

    /// Panics if the shard contradicts itself. Walks all connections.
    pub fn check_invariants(&self) {
        let (mut counts, accepted) = (StateCounts::default(), State::accepted());
        for (slot, connection) in self.connections.iter() {
            let tape = &self.tapes[connection.framing];
            counts.change(slot, connection.framing, accepted.phase(), connection.phase());
            if connection.blocked {
                counts.count_blocked(true);
            }
            if connection.is_stream() {
                let profile = self.connections.profile_or_anonymous(slot).expect("it is there");
                counts.count_profile(profile, 1);
                let expires_ms = self.connections.meta(slot).expect("it is there").expires_ms;
                assert_eq!(
                    self.deadlines.expiry.contains(&(expires_ms.map_or(0, NonZero::get), slot)),
                    expires_ms.is_some(),
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
            let decides = matches!(connection.phase(), Phase::Deciding(_));
            let is_due = self.deadlines.decision.has(slot, connection);
            assert!(!decides || is_due, "slot {slot}: it does not wait for ever");
            let owed = connection.backlog(tape) > 0;
            let unserved = connection.cursor().is_some_and(|cursor| cursor < tape.end());
            let walking = self.tapes.pass.is_under_way() && unserved;
            let listed = connection.queued && self.write_queue.contains(slot);
            assert_eq!(connection.queued, listed, "slot {slot}: queued");
            assert!(
                !owed || connection.blocked || listed || walking,
                "slot {slot}: somebody will write what it is owed: {:?}",
                connection.phase()
            );
        }
        assert_eq!(counts, *self.connections.counts());
        if counts.streams == 0 {
            assert!(self.index.is_empty(), "nobody is left, but the index has entries");
            assert!(self.deadlines.expiry.is_empty(), "nobody is left, but something expires");
        }
        assert!(self.connections.slots() >= self.connections.len(), "each connection has a cold part");
    }
}
