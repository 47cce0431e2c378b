//! The states of a connection, and every transition between them.
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
//! Others read a [`Phase`]; only this file writes one. The transitions are methods of the [`ConnectionTable`], since the
//! counts of connections by state change with them. A transition that is not in the picture is a bug, and panics in
//! debug builds.

use std::sync::Arc;

use super::arrival::Arrival;
use super::close::CloseReason;
use super::table::ConnectionTable;
use crate::event::{Gap, Refusal};
use crate::http::{HeadScanner, KeptHead};

/// The state of a connection. Its field is private, so that only this file changes it.
#[derive(Debug)]
pub(super) struct State(Phase);

/// Where a connection is in its life.
#[derive(Debug)]
pub(super) enum Phase {
    /// Its request is not yet known.
    Head(Option<Box<Partial>>),
    /// It is not decided yet who its request is from.
    Deciding(Box<Undecided>),
    /// It waits for history: for its turn, or for the journal's answer.
    Joining { greeting: Greeting },
    /// It is sent a part of history; once its outbox is written, it asks for what follows that position.
    Replaying { after: u64, greeting: Greeting },
    /// It gets what is published; `cursor` is its place on the tape of its framing.
    Streaming { cursor: u64 },
    /// It is behind; once its outbox is written it joins again, after that event.
    Lagging { after: u64 },
    /// Once its outbox is written its end is said.
    Ending(CloseReason),
    /// Its end is said; it is closed once its peer has closed too.
    Lingering,
    /// It is closed and waits to be removed.
    Closed,
}

/// A request head that has not arrived whole.
#[derive(Debug, Default)]
pub(super) struct Partial {
    pub(super) bytes: Vec<u8>,
    pub(super) scanner: HeadScanner,
    pub(super) first_byte_ms: u64,
    /// Why it will be refused, whatever it turns out to be.
    pub(super) refusal: Option<Refusal>,
}

/// A request for a stream that waits for a decision.
#[derive(Debug)]
pub(super) struct Undecided {
    /// What was asked for. Only this holds it, so that whoever is to decide sees when nobody waits any more.
    pub(super) head: Arc<KeptHead>,
    /// What will be opened, but for whom it is.
    pub(super) arrival: Arrival,
    /// What was read behind the request.
    pub(super) behind: Vec<u8>,
    pub(super) first_byte_ms: u64,
}

/// Whether a joining stream has been told where it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// Not yet; the first answer of the journal tells.
    Due,
    /// Not yet; it is known that something is lost, but not what comes next.
    DueAfter(Gap),
    /// It has been.
    Sent,
}

impl Phase {
    /// Whether it is an admitted stream that has not ended.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Self::Streaming { .. }) || self.is_behind()
    }

    /// Whether it is a stream that is being caught up.
    pub(super) fn is_behind(&self) -> bool {
        matches!(self, Self::Joining { .. } | Self::Replaying { .. } | Self::Lagging { .. })
    }

    /// Whether it is a stream, and was sent its first event.
    pub(super) fn is_greeted(&self) -> bool {
        match self {
            Self::Joining { greeting } | Self::Replaying { greeting, .. } => *greeting == Greeting::Sent,
            Self::Streaming { .. } | Self::Lagging { .. } => true,
            _ => false,
        }
    }

    /// Whether its request is not yet known, or not who it is from.
    pub(super) fn is_unopened(&self) -> bool {
        matches!(self, Self::Head(_) | Self::Deciding(_))
    }

    /// The arrows of the picture.
    fn may_become(&self, next: &Self) -> bool {
        match next {
            Self::Head(_) | Self::Deciding(_) => matches!(self, Self::Head(_)),
            Self::Joining { greeting: Greeting::Due } if self.is_unopened() => true,
            Self::Joining { .. } => matches!(self, Self::Replaying { .. } | Self::Lagging { .. }),
            Self::Replaying { .. } => matches!(self, Self::Joining { .. }),
            Self::Streaming { .. } => self.is_unopened() || matches!(self, Self::Joining { .. }),
            Self::Lagging { .. } => matches!(self, Self::Streaming { .. }),
            Self::Ending(_) => self.is_stream(),
            Self::Lingering => matches!(self, Self::Ending(_)),
            Self::Closed => !matches!(self, Self::Closed),
        }
    }
}

/// What changes within a state.
impl State {
    /// Of a connection that was just accepted.
    pub(super) fn accepted() -> Self {
        Self(Phase::Head(None))
    }

    pub(super) fn phase(&self) -> &Phase {
        &self.0
    }

    /// What is there of the request head; `None` where that is known already.
    pub(super) fn head_mut(&mut self) -> Option<&mut Option<Box<Partial>>> {
        match &mut self.0 {
            Phase::Head(partial) => Some(partial),
            _ => None,
        }
    }

    /// The request that waits for a decision.
    pub(super) fn undecided_mut(&mut self) -> Option<&mut Undecided> {
        match &mut self.0 {
            Phase::Deciding(undecided) => Some(undecided),
            _ => None,
        }
    }

    /// Its place on the tape, where it has one.
    pub(super) fn cursor(&self) -> Option<u64> {
        match self.0 {
            Phase::Streaming { cursor } => Some(cursor),
            _ => None,
        }
    }

    /// Moves the cursor of a live stream on to an offset of its tape; returns where it was. `None` where there is none.
    pub(super) fn move_cursor(&mut self, to: u64) -> Option<u64> {
        let Phase::Streaming { cursor } = &mut self.0 else { return None };
        debug_assert!(*cursor <= to, "a cursor only moves on");
        Some(std::mem::replace(cursor, to))
    }

    /// So many bytes of the tape are written.
    pub(super) fn advance_cursor(&mut self, bytes: usize) {
        if let Phase::Streaming { cursor } = &mut self.0 {
            *cursor += bytes as u64;
        }
    }
}

/// The transitions. Each is of a connection that the caller knows to be there.
impl<S> ConnectionTable<S> {
    /// `Head`: the request head has not arrived whole.
    pub(super) fn await_head(&mut self, slot: u32, partial: Partial) {
        self.enter(slot, Phase::Head(Some(Box::new(partial))));
    }

    /// `Head` → `Deciding`.
    pub(super) fn await_decision(&mut self, slot: u32, undecided: Undecided) {
        self.enter(slot, Phase::Deciding(Box::new(undecided)));
    }

    /// `Head`, `Deciding` → `Joining`: a stream brings an id.
    pub(super) fn join(&mut self, slot: u32) {
        self.enter(slot, Phase::Joining { greeting: Greeting::Due });
    }

    /// `Replaying`, `Lagging` → `Joining`: what it was owed is written out. Returns the position that it asks for what
    /// follows; `None` in any other state, which stays.
    pub(super) fn rejoin(&mut self, slot: u32) -> Option<u64> {
        let (after, greeting) = match *self.listed(slot)?.phase() {
            Phase::Replaying { after, greeting } => (after, greeting),
            Phase::Lagging { after } => (after, Greeting::Sent),
            _ => return None,
        };
        self.enter(slot, Phase::Joining { greeting });
        Some(after)
    }

    /// `Joining` → `Replaying`: a part of history is there, up to a position.
    pub(super) fn replay(&mut self, slot: u32, after: u64, greeting: Greeting) {
        self.enter(slot, Phase::Replaying { after, greeting });
    }

    /// `Head`, `Deciding`, `Joining` → `Streaming`: nothing of history is missing.
    pub(super) fn stream(&mut self, slot: u32, cursor: u64) {
        self.enter(slot, Phase::Streaming { cursor });
    }

    /// `Streaming` → `Lagging`: it has, or is still sent, everything up to a position.
    pub(super) fn lag(&mut self, slot: u32, after: u64) {
        self.enter(slot, Phase::Lagging { after });
    }

    /// `Joining`, `Replaying`, `Streaming`, `Lagging` → `Ending`.
    pub(super) fn end(&mut self, slot: u32, reason: CloseReason) {
        self.enter(slot, Phase::Ending(reason));
    }

    /// `Ending` → `Lingering`: its end is said.
    pub(super) fn linger(&mut self, slot: u32) {
        self.enter(slot, Phase::Lingering);
    }

    /// Any but `Closed` → `Closed`: it is removed at the end of the turn.
    pub(super) fn close(&mut self, slot: u32) {
        self.enter(slot, Phase::Closed);
        self.list_closed(slot);
    }

    fn enter(&mut self, slot: u32, phase: Phase) {
        let Some((connection, counts)) = self.listed_with_counts(slot) else { return };
        let State(state) = &mut connection.state;
        debug_assert!(state.may_become(&phase), "slot {slot}: from {state:?} to {phase:?}");
        counts.change(slot, connection.framing, state, &phase);
        *state = phase;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::super::table::ConnectionMeta;
    use super::*;
    use crate::event::Now;

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
