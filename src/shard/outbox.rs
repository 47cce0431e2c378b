//! Data queued for one stream, besides the shared tape.

use std::collections::VecDeque;
use std::sync::Arc;

use super::tape::{At, Tape};
use crate::event::{Framing, Record, ServerEvent};

/// Most bytes joined for one write.
pub(super) const JOIN: usize = 64 * 1024;
/// Contiguous bytes from this length on are written as they are: copying them would cost more than another write.
const LARGE: usize = 16 * 1024;

/// Pieces to write in order, before the tape from the stream's cursor on.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pieces: VecDeque<Piece>,
    /// Bytes of the first piece that are already written.
    sent: usize,
    /// Bytes of all pieces.
    bytes: usize,
}

#[derive(Debug)]
pub(super) enum Piece {
    /// An event for this stream.
    Record(Arc<Record>),
    /// A stretch of the tape: what went to everyone before the next piece.
    Tape { from: u64, to: u64 },
    /// A message of the server itself: a response head, a `connection` event, a heartbeat.
    Own(Box<[u8]>),
}

/// What is left of an outbox that was cut, and where to continue.
pub(super) struct Cut {
    /// Everything for the stream up to this position is written, or left to be written. `None` if no event was queued.
    pub(super) position: Option<u64>,
    /// Events that were dropped.
    pub(super) dropped: u64,
    /// Of those, events with a `ttl` of 0.
    pub(super) transient: u64,
}

impl Outbox {
    pub(super) fn push(&mut self, piece: Piece, framing: Framing) {
        let length = piece.length(framing);
        if length > 0 {
            self.bytes += length;
            self.pieces.push_back(piece);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes left to write.
    pub(super) fn len(&self) -> usize {
        self.bytes - self.sent
    }

    /// The oldest offset of the tape that is left to write.
    pub(super) fn needs(&self) -> Option<u64> {
        self.pieces.iter().enumerate().find_map(|(at, piece)| match piece {
            Piece::Tape { from, .. } if at == 0 => Some(from + self.sent as u64),
            Piece::Tape { from, .. } => Some(*from),
            _ => None,
        })
    }

    /// The bytes of the first piece, if they need not be copied: the piece is large, or the only one and nothing
    /// follows the outbox (`is_all`).
    pub(super) fn first<'a>(&'a self, tape: &'a Tape, framing: Framing, is_all: bool) -> Option<&'a [u8]> {
        let bytes = self.pieces.front()?.contiguous(tape, framing, self.sent)?;
        (bytes.len() >= LARGE || (is_all && self.pieces.len() == 1)).then_some(bytes)
    }

    /// Appends the bytes to write, up to [`JOIN`] of them. True if that was everything.
    pub(super) fn gather(&self, tape: &Tape, framing: Framing, out: &mut Vec<u8>) -> bool {
        let mut skip = self.sent;
        for piece in &self.pieces {
            let length = piece.length(framing);
            while skip < length {
                if out.len() >= JOIN {
                    return false;
                }
                let Some(bytes) = piece.contiguous(tape, framing, skip) else { return false };
                let bytes = &bytes[..bytes.len().min(length - skip).min(JOIN - out.len())];
                out.extend_from_slice(bytes);
                skip += bytes.len();
            }
            skip = 0;
        }
        true
    }

    /// Removes this many written bytes; returns how many of them lie beyond the outbox.
    pub(super) fn advance(&mut self, mut written: usize, framing: Framing) -> usize {
        while let Some(piece) = self.pieces.front() {
            let length = piece.length(framing);
            if self.sent + written < length {
                self.sent += written;
                return 0;
            }
            written -= length - self.sent;
            self.sent = 0;
            self.bytes -= length;
            self.pieces.pop_front();
        }
        written
    }

    /// Drops every event that is not partly written, and everything after the first of them. `cursor` is the stream's
    /// offset on the tape after the pieces.
    pub(super) fn cut(&mut self, tape: &Tape, cursor: u64, framing: Framing) -> Cut {
        let end = tape.end();
        if cursor < end {
            self.push(Piece::Tape { from: cursor, to: end }, framing);
        }
        let mut kept = Self { sent: self.sent, ..Self::default() };
        let mut cut = Cut { position: None, dropped: 0, transient: 0 };
        let mut cutting = false;
        let mut begun = self.sent;
        for piece in std::mem::take(&mut self.pieces) {
            if cutting {
                cut.count(&piece, tape);
            } else {
                cutting = kept.keep(piece, begun, tape, framing, &mut cut);
            }
            begun = 0;
        }
        *self = kept;
        cut
    }

    /// Keeps the parts of a piece that are not events, or are partly written. True once an event was dropped.
    fn keep(&mut self, piece: Piece, begun: usize, tape: &Tape, framing: Framing, cut: &mut Cut) -> bool {
        match piece {
            Piece::Own(_) => {
                self.push(piece, framing);
                false
            }
            Piece::Record(ref record) if begun > 0 => {
                cut.position = Some(record.position);
                self.push(piece, framing);
                false
            }
            Piece::Record(ref record) => {
                cut.position = Some(record.position - 1);
                cut.count(&piece, tape);
                true
            }
            Piece::Tape { from, to } => {
                if self.pieces.is_empty() {
                    self.sent = 0;
                }
                let at = from + begun as u64;
                let from = match tape.place(at) {
                    Some(At::Within { position, end }) => {
                        cut.position = Some(position);
                        // The tape may forget it, so copy the rest of the event.
                        match tape.shared(at).filter(|_| self.pieces.is_empty()) {
                            Some((record, begun)) => {
                                self.sent = begun;
                                self.push(Piece::Record(record.clone()), framing);
                            }
                            None => self.push(Piece::Own(tape.copy(at, end.min(to))), framing),
                        }
                        end
                    }
                    Some(At::Before(position)) => {
                        cut.position = Some(position - 1);
                        at
                    }
                    None => at,
                };
                cut.count(&Piece::Tape { from, to }, tape);
                from < to
            }
        }
    }
}

impl Cut {
    fn count(&mut self, piece: &Piece, tape: &Tape) {
        match piece {
            Piece::Record(record) => {
                self.dropped += 1;
                self.transient += u64::from(record.is_transient());
            }
            Piece::Tape { from, to } => {
                let (events, transient) = tape.count(*from, *to);
                self.dropped += events;
                self.transient += transient;
            }
            Piece::Own(_) => {}
        }
    }
}

impl Piece {
    fn length(&self, framing: Framing) -> usize {
        match self {
            Self::Record(record) => record.frame.bytes(framing).len(),
            Self::Tape { from, to } => (to - from) as usize,
            Self::Own(bytes) => bytes.len(),
        }
    }

    /// Contiguous bytes from `skip` on. `None` if the tape no longer holds them, which cutting in time prevents.
    fn contiguous<'a>(&'a self, tape: &'a Tape, framing: Framing, skip: usize) -> Option<&'a [u8]> {
        match self {
            Self::Record(record) => record.frame.bytes(framing).get(skip..),
            Self::Own(bytes) => bytes.get(skip..),
            Self::Tape { from, to } => {
                let from = from + skip as u64;
                let bytes = tape.slice(from);
                (!bytes.is_empty()).then(|| &bytes[..bytes.len().min((to - from) as usize)])
            }
        }
    }

    /// A piece for a message of the server itself.
    pub(super) fn own(event: ServerEvent, framing: Framing) -> Self {
        Self::Own(event.bytes(framing).into())
    }
}
