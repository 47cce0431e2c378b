//! Bodies of requests.

use super::chunk::{ChunkEvent, ChunkScanner};
use super::limits::RequestLimits;
use super::rejection::Rejection;

/// How a body is delimited (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body.
    Empty,
    /// This many bytes, within [`RequestLimits::body`].
    Length(u64),
    /// Chunks, followed by trailers.
    Chunked,
}

/// Extracts a body's payload from the bytes that follow a head.
#[derive(Clone, Debug)]
pub struct BodyReader {
    payload: Payload,
    rest: Rest,
}

#[derive(Clone, Debug)]
enum Rest {
    Length(u64),
    Chunked(ChunkScanner),
}

/// The payload so far.
#[derive(Clone, Debug, Default)]
struct Payload {
    bytes: Vec<u8>,
    /// Bytes so far, whether kept or not.
    received: u64,
    /// Payload is counted and dropped.
    discards: bool,
}

/// The progress of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyProgress {
    /// All bytes were taken, and more are needed.
    Incomplete,
    /// Much chunk framing was scanned, and there may be more to take: others may have their turn first.
    Paused,
    /// The body is complete. Bytes that were not taken belong to the next request.
    Complete,
    /// The request must not be interpreted further.
    Rejected(Rejection),
}

impl BodyReader {
    /// Expects a body that is delimited like this.
    pub fn new(framing: BodyFraming) -> Self {
        let rest = match framing {
            BodyFraming::Empty => Rest::Length(0),
            BodyFraming::Length(length) => Rest::Length(length),
            BodyFraming::Chunked => Rest::Chunked(ChunkScanner::default()),
        };
        Self { payload: Payload::default(), rest }
    }

    /// Takes what belongs to the body from the front of `bytes`, and returns the number of bytes taken.
    pub fn advance(&mut self, bytes: &[u8], limits: &RequestLimits) -> (usize, BodyProgress) {
        match &mut self.rest {
            Rest::Length(_) => {
                let taken = self.take_length(bytes);
                let is_whole = matches!(self.rest, Rest::Length(0));
                (taken, if is_whole { BodyProgress::Complete } else { BodyProgress::Incomplete })
            }
            Rest::Chunked(chunks) => {
                let mut at = 0;
                let progress = loop {
                    match chunks.advance(bytes, &mut at, limits) {
                        Ok(ChunkEvent::Data(length)) => {
                            self.payload.push(bytes.get(at - length..at).unwrap_or_default(), usize::MAX);
                        }
                        Ok(ChunkEvent::Pause) => break BodyProgress::Paused,
                        Ok(ChunkEvent::More) => break BodyProgress::Incomplete,
                        Ok(ChunkEvent::End) => break BodyProgress::Complete,
                        Err(rejection) => break BodyProgress::Rejected(rejection),
                    }
                };
                (at, progress)
            }
        }
    }

    /// Takes what belongs to a body of known length, and returns the number of bytes taken; 0 for any other body.
    pub(super) fn take_length(&mut self, bytes: &[u8]) -> usize {
        let Rest::Length(left) = &mut self.rest else { return 0 };
        let taken = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let whole =
            usize::try_from(*left).map_or(usize::MAX, |left| self.payload.bytes.len().saturating_add(left));
        self.payload.push(bytes.get(..taken).unwrap_or_default(), whole);
        *left -= taken as u64;
        taken
    }

    /// Drops the payload so far, and from now on counts payload instead of keeping it: the body of a request that is
    /// refused uses no memory.
    pub fn discard(&mut self) {
        self.payload.discards = true;
        self.payload.bytes = Vec::new();
    }

    /// Bytes of payload so far, including what was dropped.
    pub fn received(&self) -> u64 {
        self.payload.received
    }

    /// Bytes of chunk framing so far.
    pub fn framing(&self) -> u64 {
        match &self.rest {
            Rest::Length(_) => 0,
            Rest::Chunked(chunks) => chunks.framing(),
        }
    }

    /// Bytes of memory that the payload uses.
    pub fn held(&self) -> usize {
        self.payload.bytes.capacity()
    }

    /// Takes the payload so far.
    pub fn take_payload(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.payload.bytes)
    }
}

impl Payload {
    /// Appends payload of a body that is `whole` bytes in total, or at most. What a client announces is not allocated
    /// before it arrives, and what has arrived uses no more than was announced.
    fn push(&mut self, bytes: &[u8], whole: usize) {
        self.received += bytes.len() as u64;
        if self.discards {
            return;
        }
        let needed = self.bytes.len() + bytes.len();
        if needed > self.bytes.capacity() {
            let doubled = self.bytes.capacity().saturating_mul(2).min(whole).max(needed);
            self.bytes.reserve_exact(doubled - self.bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
    }
}
