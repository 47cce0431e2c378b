//! The states of a connection. The transitions between them, and a picture of them, are in [`transitions`].
//!
//! Others read a [`Phase`]; only this file and that one write it.

mod transitions;

use std::sync::Arc;

use super::arrival::Arrival;
use super::close::CloseReason;
use crate::event::{Gap, Refusal};
use crate::http::{HeadScanner, KeptHead};

/// The state of a connection. Its field is private, so that nothing outside of this module changes it.
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
