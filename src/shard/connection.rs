//! One connection: its socket, and the data queued for it.

use std::io::{self, Write};
use std::sync::Arc;

use super::outbox::{Cut, JOIN, Outbox, Piece};
use super::phase::{Greeting, Phase, State};
use super::settings::SLOW_MS;
use super::tape::Tape;
use crate::event::{Framing, Now, Profile};

/// The hot part of a connection: what a pass over all connections touches, in one cache line.
#[derive(Debug)]
pub(super) struct Connection<S> {
    pub(super) socket: S,
    pub(super) serial: u32,
    /// When something was last written, in ms since the start, wrapping.
    pub(super) sent_ms: u32,
    /// When the peer last read something, or data was first queued for it, in ms since the start, wrapping.
    pub(super) progress_ms: u32,
    pub(super) state: State,
    pub(super) outbox: Option<Box<Outbox>>,
    /// `None` for an anonymous stream.
    pub(super) profile: Option<Arc<Profile>>,
    pub(super) framing: Framing,
    /// The socket is full: writing resumes when it becomes writable.
    pub(super) blocked: bool,
    /// It is in the queue of streams to write to.
    pub(super) queued: bool,
}

/// With a socket of a descriptor's size.
const _: () = assert!(size_of::<Connection<i32>>() <= 64, "the hot part of a connection fits a cache line");

/// The result of writing to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Everything is written.
    All,
    /// The turn is over; the socket may accept more.
    Spent,
    /// The socket is full for now.
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
            state: State::accepted(),
            outbox: None,
            profile: None,
            framing: Framing::Chunked,
            blocked: false,
            queued: false,
        }
    }

    pub(super) fn phase(&self) -> &Phase {
        self.state.phase()
    }

    /// Whether this is an admitted stream that has not ended.
    pub(super) fn is_stream(&self) -> bool {
        self.phase().is_stream()
    }

    /// Its place on the tape, where it has one.
    pub(super) fn cursor(&self) -> Option<u64> {
        self.state.cursor()
    }

    /// The oldest offset of the tape that is not written to it yet; `u64::MAX` if it needs none.
    pub(super) fn needs(&self) -> u64 {
        let stretch = self.outbox.as_ref().and_then(|outbox| outbox.needs());
        stretch.or(self.cursor()).unwrap_or(u64::MAX)
    }

    /// Whether nothing is queued for it and it has been greeted.
    pub(super) fn is_idle(&self, tape: &Tape) -> bool {
        let waits = match self.phase() {
            Phase::Streaming { cursor } => *cursor == tape.end(),
            Phase::Joining { greeting: Greeting::Sent, .. } => true,
            _ => false,
        };
        waits && self.outbox.is_none()
    }

    /// Bytes queued for it.
    pub(super) fn backlog(&self, tape: &Tape) -> usize {
        let own = self.outbox.as_ref().map_or(0, |outbox| outbox.len());
        own + self.cursor().map_or(0, |cursor| (tape.end() - cursor) as usize)
    }

    /// Whether it is a live stream with more than this many bytes queued.
    pub(super) fn is_over_limit(&self, tape: &Tape, max_backlog: usize) -> bool {
        matches!(self.phase(), Phase::Streaming { .. }) && self.backlog(tape) > max_backlog
    }

    /// Appends a piece to what is queued.
    pub(super) fn push(&mut self, piece: Piece, tape: &Tape) {
        let outbox = self.outbox.get_or_insert_default();
        let to = tape.end();
        if let Some(from) = self.state.move_cursor(to) {
            outbox.push(Piece::Tape { from, to }, self.framing);
        }
        outbox.push(piece, self.framing);
        // Without chunked framing, the end of a stream takes no bytes.
        if outbox.is_empty() {
            self.outbox = None;
        }
    }

    /// Makes a live stream skip the newest event of its tape, which lies between these offsets. True if it has yet to
    /// be sent something before that; `None` if it is not live.
    pub(super) fn skip(&mut self, begin: u64, end: u64) -> Option<bool> {
        let from = self.state.move_cursor(end)?;
        let is_owed = from < begin;
        if is_owed {
            self.outbox.get_or_insert_default().push(Piece::Tape { from, to: begin }, self.framing);
        }
        Some(is_owed)
    }

    /// Drops what is queued for a live stream, except for what is partly written; `None` if it is not live.
    pub(super) fn cut(&mut self, tape: &Tape) -> Option<Cut> {
        let cursor = self.state.move_cursor(tape.end())?;
        let outbox = self.outbox.get_or_insert_default();
        let cut = outbox.cut(tape, cursor, self.framing);
        if outbox.is_empty() {
            self.outbox = None;
        }
        Some(cut)
    }

    /// Whether its socket is full and has accepted nothing for a while: the client does not read, or not fast enough.
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
        self.state.advance_cursor(rest);
    }
}

impl<S: Write> Connection<S> {
    /// Writes until everything is written, the socket is full, or `turn` bytes are written: in one system call, unless
    /// there are more than [`JOIN`] bytes. Adds the number of bytes to `written`.
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
                // A part of the tape is gone: only a reconnect of the client can make up for that.
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
                    // A stream that is ending has one connection timeout for everything that is still queued.
                    if !matches!(self.phase(), Phase::Ending(_)) {
                        self.progress_ms = now_ms as u32;
                    }
                    self.advance(count);
                    if count < length {
                        return Written::Blocked;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.blocked && !matches!(self.phase(), Phase::Ending(_)) {
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

/// The next bytes of a stream, as many as are contiguous or worth joining; empty if nothing is queued.
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
