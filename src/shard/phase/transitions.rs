//! Every transition between the states of a connection.
//!
//! ```text
//!  accepted
//!     │      not known who asks
//!   Head ─────────────────────────→ Deciding
//!     │ permitted and admitted         │ likewise
//!     ├────────────────────────────────┘
//!     ├─ brings no id ──────────────────────────────┐
//!     │ brings an id                                ↓
//!     └──────→ Joining ─ all of history is there → Streaming
//!               ↑   │ a part of it is               │ backlog over limit
//!               │   ↓                               ↓
//!               │  Replaying                      Lagging
//!               └───┴────────── written out ────────┘
//!
//!  Joining, Replaying, Streaming, Lagging ─ expired, disconnected, drained, unanswered → Ending
//!  Ending ─ written out → Lingering
//!  each of them ─ peer has closed, is lost, stalled or sends too much → Closed ─ end of the turn → removed
//!  Head, Deciding ─ anything else is asked for → handed over to the control thread, removed
//! ```
//!
//! The transitions are methods of the [`ConnectionTable`], since they change its counts of connections by state. A
//! transition that is not in the picture is a bug, and panics in debug builds.

use super::super::close::CloseReason;
use super::super::table::ConnectionTable;
use super::{Greeting, Partial, Phase, State, Undecided};

/// The transitions. The caller knows that the connection exists.
/// A stream that fell behind has taken what was queued for it: it counts as so many parts of history.
const LAGGED: u8 = 16;

impl<S> ConnectionTable<S> {
    /// `Head`: the request head is incomplete.
    pub(in crate::shard) fn await_head(&mut self, slot: u32, partial: Partial) {
        self.enter(slot, Phase::Head(Some(Box::new(partial))));
    }

    /// `Head` → `Deciding`.
    pub(in crate::shard) fn await_decision(&mut self, slot: u32, undecided: Undecided) {
        self.enter(slot, Phase::Deciding(Box::new(undecided)));
    }

    /// `Head`, `Deciding` → `Joining`: the stream sent an id.
    pub(in crate::shard) fn join(&mut self, slot: u32) {
        self.enter(slot, Phase::Joining { greeting: Greeting::Due, taken: 0 });
    }

    /// `Replaying`, `Lagging` → `Joining`: everything queued is written. Returns the position after which the stream
    /// continues; `None` in any other state, which stays.
    pub(in crate::shard) fn rejoin(&mut self, slot: u32) -> Option<u64> {
        let (after, greeting, taken) = match *self.listed(slot)?.phase() {
            Phase::Replaying { after, greeting, taken } => (after, greeting, taken.saturating_add(1)),
            Phase::Lagging { after } => (after, Greeting::Sent, LAGGED),
            _ => return None,
        };
        self.enter(slot, Phase::Joining { greeting, taken });
        Some(after)
    }

    /// `Joining` → `Replaying`: a part of history is queued, up to this position.
    pub(in crate::shard) fn replay(&mut self, slot: u32, after: u64, greeting: Greeting) {
        let taken = match self.listed(slot).map(|connection| connection.phase()) {
            Some(Phase::Joining { taken, .. }) => *taken,
            _ => 0,
        };
        self.enter(slot, Phase::Replaying { after, greeting, taken });
    }

    /// `Head`, `Deciding`, `Joining` → `Streaming`: nothing of history is missing.
    pub(in crate::shard) fn stream(&mut self, slot: u32, cursor: u64) {
        self.enter(slot, Phase::Streaming { cursor });
    }

    /// `Streaming` → `Lagging`: everything up to this position is written or still queued.
    pub(in crate::shard) fn lag(&mut self, slot: u32, after: u64) {
        self.enter(slot, Phase::Lagging { after });
    }

    /// `Joining`, `Replaying`, `Streaming`, `Lagging` → `Ending`.
    pub(in crate::shard) fn end(&mut self, slot: u32, reason: CloseReason) {
        self.enter(slot, Phase::Ending(reason));
    }

    /// `Ending` → `Lingering`: the client was told the end.
    pub(in crate::shard) fn linger(&mut self, slot: u32) {
        self.enter(slot, Phase::Lingering);
    }

    /// Any but `Closed` → `Closed`: the connection is removed at the end of the turn.
    pub(in crate::shard) fn close(&mut self, slot: u32) {
        self.enter(slot, Phase::Closed);
        self.list_closed(slot);
    }

    fn enter(&mut self, slot: u32, phase: Phase) {
        let Some((connection, counts)) = self.listed_with_counts(slot) else { return };
        let State(state) = &mut connection.state;
        debug_assert!(is_allowed(state, &phase), "slot {slot}: from {state:?} to {phase:?}");
        counts.change(slot, connection.framing, state, &phase);
        *state = phase;
    }
}

/// Whether the picture has this arrow.
fn is_allowed(from: &Phase, to: &Phase) -> bool {
    match to {
        Phase::Head(_) | Phase::Deciding(_) => matches!(from, Phase::Head(_)),
        Phase::Joining { greeting: Greeting::Due, .. } if from.is_unopened() => true,
        Phase::Joining { .. } => matches!(from, Phase::Replaying { .. } | Phase::Lagging { .. }),
        Phase::Replaying { .. } => matches!(from, Phase::Joining { .. }),
        Phase::Streaming { .. } => from.is_unopened() || matches!(from, Phase::Joining { .. }),
        Phase::Lagging { .. } => matches!(from, Phase::Streaming { .. }),
        Phase::Ending(_) => from.is_stream(),
        Phase::Lingering => matches!(from, Phase::Ending(_)),
        Phase::Closed => !matches!(from, Phase::Closed),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::event::Now;
    use crate::shard::table::ConnectionMeta;

    const NOW: Now = Now { elapsed_ms: 1, unix_ms: 1 };

    fn table() -> (ConnectionTable<()>, u32) {
        let mut table = ConnectionTable::new(0);
        let slot = table.insert((), ConnectionMeta::new(IpAddr::V4(Ipv4Addr::LOCALHOST), NOW), NOW);
        (table, slot)
    }

    #[test]
    fn a_stream_goes_through_all_its_states_and_is_counted_in_each() {
        let (mut table, slot) = table();
        table.await_head(slot, Partial::default());
        table.join(slot);
        assert!(!table.listed(slot).unwrap().phase().is_greeted());
        assert_eq!(table.rejoin(slot), None, "it has not been answered");
        table.replay(slot, 7, Greeting::Sent);
        assert_eq!(table.counts().behind().len(), 1);
        assert_eq!(table.rejoin(slot), Some(7));
        table.stream(slot, 100);
        assert_eq!((table.counts().streams, table.counts().behind().len()), (1, 0));
        table.listed_mut(slot).unwrap().state.advance_cursor(5);
        assert_eq!(table.listed_mut(slot).unwrap().state.move_cursor(110), Some(105));
        table.lag(slot, 9);
        assert_eq!(table.rejoin(slot), Some(9));
        assert!(table.listed(slot).unwrap().phase().is_greeted());
        table.end(slot, CloseReason::Expired);
        assert_eq!((table.counts().streams, table.counts().ending), (0, 1));
        table.linger(slot);
        table.close(slot);
        assert_eq!(table.counts().ending, 0);
        table.reap();
        assert!(table.is_empty());
    }

    #[test]
    #[cfg(debug_assertions)]
    fn a_transition_that_is_not_in_the_picture_panics() {
        type Transition = fn(&mut ConnectionTable<()>, u32);
        let cases: [(Transition, Transition); 8] = [
            (|_, _| (), |table, slot| table.lag(slot, 1)),
            (|_, _| (), |table, slot| table.end(slot, CloseReason::Expired)),
            (|table, slot| table.stream(slot, 0), |table, slot| table.stream(slot, 1)),
            (|table, slot| table.stream(slot, 0), |table, slot| table.join(slot)),
            (|table, slot| table.join(slot), |table, slot| table.lag(slot, 1)),
            (|table, slot| table.join(slot), |table, slot| table.linger(slot)),
            (|table, slot| table.close(slot), |table, slot| table.stream(slot, 0)),
            (|table, slot| table.close(slot), |table, slot| table.close(slot)),
        ];
        for (n, (before, transition)) in cases.into_iter().enumerate() {
            let (mut table, slot) = table();
            before(&mut table, slot);
            let transition = AssertUnwindSafe(|| transition(&mut table, slot));
            assert!(catch_unwind(transition).is_err(), "case {n}");
        }
    }
}
