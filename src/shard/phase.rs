//! The states of a connection. The transitions between them, and a picture of them, are in [`transitions`].
//!
//! Other modules read a [`Phase`]; only these two files change one.

mod transitions;

use std::sync::Arc;

use super::arrival::Arrival;
use super::close::CloseReason;
use crate::event::{Gap, Refusal};
use crate::http::{HeadScanner, KeptHead};

/// The state of a connection. Its field is private, so that nothing outside of this module changes it.
#[derive(Debug)]
pub(super) struct State(Phase);

/// The state of a connection's life.
#[derive(Debug)]
pub(super) enum Phase {
    /// Its request is not yet known.
    Head(Option<Box<Partial>>),
    /// It is not decided yet who its request is from.
    Deciding(Box<Undecided>),
    /// It waits for history: for its turn, or for the journal's answer.
    Joining { greeting: Greeting, taken: u8 },
    /// It is being sent a part of history. Once its outbox is written, it asks for what follows this position. It has taken
    /// so many parts, or more.
    Replaying { after: u64, greeting: Greeting, taken: u8 },
    /// It gets events as they are published; `cursor` is its offset on the tape of its framing.
    Streaming { cursor: u64 },
    /// It is behind. Once its outbox is written, it joins again after this position.
    Lagging { after: u64 },
    /// It ends as soon as its outbox is written.
    Ending(CloseReason),
    /// The client was told the end; the connection closes once the client has closed too.
    Lingering,
    /// It is closed and waits to be removed.
    Closed,
}

/// An incomplete request head.
#[derive(Debug, Default)]
pub(super) struct Partial {
    pub(super) bytes: Vec<u8>,
    pub(super) scanner: HeadScanner,
    pub(super) first_byte_ms: u64,
    /// Why it will be refused, whatever it asks for.
    pub(super) refusal: Option<Refusal>,
}

/// A request for a stream that waits for a decision.
#[derive(Debug)]
pub(super) struct Undecided {
    /// The request. Nothing else holds it, so that whoever decides can tell when nobody waits any more.
    pub(super) head: Arc<KeptHead>,
    /// What to open, without who it is for.
    pub(super) arrival: Arrival,
    /// What was read after the request.
    pub(super) behind: Vec<u8>,
    pub(super) first_byte_ms: u64,
}

/// Whether a joining stream has been greeted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// Not yet: the first answer of the journal says how.
    Due,
    /// Not yet: something is lost, but what follows is not known.
    DueAfter(Gap),
    /// Yes.
    Sent,
}

impl Phase {
    /// Whether it is an admitted stream that has not ended.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Self::Streaming { .. }) || self.is_behind()
    }

    /// Whether it is a stream that is catching up.
    pub(super) fn is_behind(&self) -> bool {
        matches!(self, Self::Joining { .. } | Self::Replaying { .. } | Self::Lagging { .. })
    }

    /// Whether it is a stream that has been greeted.
    pub(super) fn is_greeted(&self) -> bool {
        match self {
            Self::Joining { greeting, .. } | Self::Replaying { greeting, .. } => *greeting == Greeting::Sent,
            Self::Streaming { .. } | Self::Lagging { .. } => true,
            _ => false,
        }
    }

    /// Whether its request is not yet known, or not yet known to be from whom.
    pub(super) fn is_unopened(&self) -> bool {
        matches!(self, Self::Head(_) | Self::Deciding(_))
    }
}

/// Changes within a state.
impl State {
    /// The state of a connection that was just accepted.
    pub(super) fn accepted() -> Self {
        Self(Phase::Head(None))
    }

    pub(super) fn phase(&self) -> &Phase {
        &self.0
    }

    /// What has arrived of the request head; `None` if the head is already complete.
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

    /// Its offset on the tape, if it is live.
    pub(super) fn cursor(&self) -> Option<u64> {
        match self.0 {
            Phase::Streaming { cursor } => Some(cursor),
            _ => None,
        }
    }

    /// Moves the cursor of a live stream forward; returns where it was. `None` if the stream is not live.
    pub(super) fn move_cursor(&mut self, to: u64) -> Option<u64> {
        let Phase::Streaming { cursor } = &mut self.0 else { return None };
        debug_assert!(*cursor <= to, "a cursor only moves on");
        Some(std::mem::replace(cursor, to))
    }

    /// Moves the cursor past this many written bytes.
    pub(super) fn advance_cursor(&mut self, bytes: usize) {
        if let Phase::Streaming { cursor } = &mut self.0 {
            *cursor += bytes as u64;
        }
    }
}
