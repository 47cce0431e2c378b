//! One connection, and the states that it goes through.
//!
//! ```text
//! Head ─ stream permitted and admitted → Joining ─ all of history is there → Streaming ─ backlog over limit → Lagging ─ written out → Joining
//!  │ not known who asks → Deciding ─ as from Head  └ a part of it is → Replaying ─ written out → Joining
//!  │ anything else → handed over to the control thread        │
//!  └────────────────────────────────────────────┬─ ended ← ───┘ expired, disconnected, drained
//!                                              Ending ─ written out → closed(CloseReason)
//! ```
//!
//! A stream that brings no id has nothing to catch up with: it goes from `Head` to `Streaming` at once.
//! A lost or stalled peer, and one that closes, is closed from any state.

use std::io::{self, Write};
use std::net::IpAddr;
use std::num::NonZero;
use std::sync::Arc;

use super::close::CloseReason;
use super::opening::Arrival;
use super::outbox::{JOIN, Outbox, Piece};
use super::settings::SLOW_MS;
use super::tape::Tape;
use crate::wire::http::{HeadScanner, KeptHead};
use crate::wire::{CrossOrigin, Framing, Gap, Now, Profile, Refusal};

/// The hot part of a connection: what a pass over all of them touches, in one cache line.
#[derive(Debug)]
pub(super) struct Connection<S> {
    pub(super) socket: S,
    pub(super) serial: u32,
    /// When something was last written, in ms since the start, wrapping.
    pub(super) sent_ms: u32,
    /// When the peer last took something, or was first owed something, in ms since the start, wrapping.
    pub(super) progress_ms: u32,
    pub(super) phase: Phase,
    pub(super) outbox: Option<Box<Outbox>>,
    /// `None` for an anonymous stream.
    pub(super) profile: Option<Arc<Profile>>,
    pub(super) framing: Framing,
    /// The socket took less than it was given; the next writable edge goes on.
    pub(super) blocked: bool,
    /// It stands in the list of streams to be flushed.
    pub(super) queued: bool,
}

/// With a socket of a descriptor's size.
const _: () = assert!(size_of::<Connection<i32>>() <= 64, "the hot part of a connection fits a cache line");
const _: () = assert!(size_of::<Origin>() <= 40, "there is one for each connection");

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

impl Phase {
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

/// The cold part of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) peer: IpAddr,
    pub(super) connected_unix_ms: u64,
    /// Bytes that the client sent on its open stream, as far as they matter.
    pub(super) received: u16,
    /// When its permission ends, in ms since the start.
    pub(super) expires_ms: Option<NonZero<u64>>,
    /// What its response head says to the page that asked.
    pub(super) cross_origin: CrossOrigin,
}

/// What became of an attempt to write out what is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Everything is written.
    All,
    /// Its turn is over; the socket may take more.
    Spent,
    /// The socket takes no more for now.
    Blocked,
    /// The connection is broken.
    Lost,
}

impl<S> Connection<S> {
    pub(super) fn new(socket: S, serial: u32, now_ms: u64) -> Self {
        Self {
            socket,
            serial,
            sent_ms: now_ms as u32,
            progress_ms: now_ms as u32,
            phase: Phase::Head(None),
            outbox: None,
            profile: None,
            framing: Framing::Chunked,
            blocked: false,
            queued: false,
        }
    }

    /// Whether this is an admitted stream that has not ended.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self.phase, Phase::Streaming { .. }) || self.phase.is_behind()
    }

    /// Its place on the tape, where it has one.
    pub(super) fn cursor(&self) -> Option<u64> {
        match self.phase {
            Phase::Streaming { cursor } => Some(cursor),
            _ => None,
        }
    }

    /// The oldest offset of the tape that it has not written yet; beyond all where it needs none.
    pub(super) fn needs(&self) -> u64 {
        let stretch = self.outbox.as_ref().and_then(|outbox| outbox.needs());
        stretch.or(self.cursor()).unwrap_or(u64::MAX)
    }

    /// Whether it has everything that there is for it, and was told where it goes on.
    pub(super) fn is_idle(&self, tape: &Tape) -> bool {
        let waits = match self.phase {
            Phase::Streaming { cursor } => cursor == tape.end(),
            Phase::Joining { greeting: Greeting::Sent } => true,
            _ => false,
        };
        waits && self.outbox.is_none()
    }

    /// Bytes owed.
    pub(super) fn backlog(&self, tape: &Tape) -> usize {
        let own = self.outbox.as_ref().map_or(0, |outbox| outbox.len());
        own + self.cursor().map_or(0, |cursor| (tape.end() - cursor) as usize)
    }

    /// Puts a piece behind everything that is owed so far.
    pub(super) fn push(&mut self, piece: Piece, tape: &Tape) {
        let outbox = self.outbox.get_or_insert_default();
        if let Phase::Streaming { cursor } = &mut self.phase {
            outbox.push(Piece::Tape { from: *cursor, to: tape.end() }, self.framing);
            *cursor = tape.end();
        }
        outbox.push(piece, self.framing);
        // The end of a stream without chunks is no bytes.
        if outbox.is_empty() {
            self.outbox = None;
        }
    }

    /// Whether its socket takes no more, and has taken nothing for a while: it does not read, or not enough.
    pub(super) fn is_slow(&self, now: Now) -> bool {
        self.blocked && (now.elapsed_ms as u32).wrapping_sub(self.progress_ms) > SLOW_MS
    }

    fn advance(&mut self, written: usize) {
        let rest = match &mut self.outbox {
            None => written,
            Some(outbox) => {
                let rest = outbox.advance(written, self.framing);
                if outbox.is_empty() {
                    self.outbox = None;
                }
                rest
            }
        };
        if let Phase::Streaming { cursor } = &mut self.phase {
            *cursor += rest as u64;
        }
    }
}

impl<S: Write> Connection<S> {
    /// Writes what is owed until all is written, the socket takes no more, or `turn` bytes are written: one system
    /// call, unless it is more than [`JOIN`] bytes. `written` counts the bytes.
    pub(super) fn pump(
        &mut self,
        tape: &Tape,
        join: &mut Vec<u8>,
        turn: usize,
        now_ms: u64,
        written: &mut u64,
    ) -> Written {
        let mut left = turn;
        loop {
            let bytes = next_bytes(self.outbox.as_deref(), self.cursor(), self.framing, tape, join);
            if bytes.is_empty() {
                // A stretch of the tape that is gone cannot be made up for but by the client's coming back.
                return if self.outbox.is_none() { Written::All } else { Written::Lost };
            }
            if left == 0 {
                return Written::Spent;
            }
            let length = bytes.len().min(left);
            match self.socket.write(&bytes[..length]) {
                Ok(0) => return Written::Lost,
                Ok(count) => {
                    *written += count as u64;
                    left -= count;
                    self.sent_ms = now_ms as u32;
                    // One that is ending has the connection timeout for all that it is still owed.
                    if !matches!(self.phase, Phase::Ending(_)) {
                        self.progress_ms = now_ms as u32;
                    }
                    self.advance(count);
                    if count < length {
                        return Written::Blocked;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.blocked && !matches!(self.phase, Phase::Ending(_)) {
                        self.progress_ms = now_ms as u32;
                    }
                    return Written::Blocked;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Written::Lost,
            }
        }
    }
}

/// The next bytes of a stream, as many as lie together or are worth being joined; none where it is owed nothing.
fn next_bytes<'b>(
    outbox: Option<&'b Outbox>,
    cursor: Option<u64>,
    framing: Framing,
    tape: &'b Tape,
    join: &'b mut Vec<u8>,
) -> &'b [u8] {
    let Some(outbox) = outbox else { return cursor.map_or(&[], |cursor| tape.slice(cursor)) };
    let rest = cursor.filter(|cursor| *cursor < tape.end());
    if let Some(bytes) = outbox.first(tape, framing, rest.is_none()) {
        return bytes;
    }
    join.clear();
    if outbox.gather(tape, framing, join)
        && let Some(cursor) = rest
    {
        let bytes = tape.slice(cursor);
        join.extend_from_slice(&bytes[..bytes.len().min(JOIN - join.len())]);
    }
    join
}
