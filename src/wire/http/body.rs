//! Bodies of requests.

use super::chunk::{ChunkEvent, ChunkScanner};
use super::limits::RequestLimits;
use super::rejection::Rejection;

/// How a body is delimited (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is none.
    Empty,
    /// So many bytes, within [`RequestLimits::body`].
    Length(u64),
    /// Chunks, then trailers.
    Chunked,
}

/// Takes a body's payload out of the bytes that follow a head.
#[derive(Clone, Debug)]
pub struct BodyReader {
    payload: Vec<u8>,
    /// Bytes of payload so far, whether kept or not.
    received: u64,
    /// The payload is counted and dropped.
    discards: bool,
    rest: Rest,
}

#[derive(Clone, Debug)]
enum Rest {
    Length(u64),
    Chunked(ChunkScanner),
}

/// How far a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyProgress {
    /// All bytes were taken, and more must come.
    Incomplete,
    /// The body is whole. Bytes that were not taken belong to the next request.
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
        Self { payload: Vec::new(), received: 0, discards: false, rest }
    }

    /// Takes what belongs to the body from the front of `bytes`, and says how many bytes these were.
    pub fn advance(&mut self, bytes: &[u8], limits: &RequestLimits) -> (usize, BodyProgress) {
        // What is there and what is yet to come, where that is known.
        let expected = match self.rest {
            Rest::Length(left) => {
                usize::try_from(left).ok().and_then(|left| left.checked_add(self.payload.len()))
            }
            Rest::Chunked(_) => None,
        };
        let mut take = |bytes: Option<&[u8]>| {
            let bytes = bytes.unwrap_or_default();
            self.received += bytes.len() as u64;
            if !self.discards {
                grow(&mut self.payload, bytes.len(), expected);
                self.payload.extend_from_slice(bytes);
            }
        };
        match &mut self.rest {
            Rest::Length(left) => {
                let taken = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                take(bytes.get(..taken));
                *left -= taken as u64;
                (taken, if *left == 0 { BodyProgress::Complete } else { BodyProgress::Incomplete })
            }
            Rest::Chunked(chunks) => {
                let mut at = 0;
                let progress = loop {
                    match chunks.advance(bytes, &mut at, limits) {
                        Ok(ChunkEvent::Data(length)) => take(bytes.get(at - length..at)),
                        Ok(ChunkEvent::More) => break BodyProgress::Incomplete,
                        Ok(ChunkEvent::End) => break BodyProgress::Complete,
                        Err(rejection) => break BodyProgress::Rejected(rejection),
                    }
                };
                (at, progress)
            }
        }
    }

    /// Drops the payload so far, and from now on counts what comes instead of keeping it: the body of a request
    /// that is refused costs no memory.
    pub fn discard(&mut self) {
        self.discards = true;
        self.payload = Vec::new();
    }

    /// Bytes of payload so far, discarded ones included.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Bytes of memory that the payload so far takes.
    pub fn held(&self) -> usize {
        self.payload.capacity()
    }

    /// Takes the payload so far out.
    pub fn take_payload(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.payload)
    }
}

/// Makes room for `more` bytes, doubling as a vector does, but never beyond what is expected in all: what a client
/// announces is not allocated before it comes, and what has come takes no more than was announced.
fn grow(payload: &mut Vec<u8>, more: usize, expected: Option<usize>) {
    let needed = payload.len() + more;
    if needed > payload.capacity() {
        let doubled = (payload.capacity() * 2).max(needed);
        let capacity = expected.map_or(doubled, |expected| doubled.min(expected).max(needed));
        payload.reserve_exact(capacity - payload.len());
    }
}
