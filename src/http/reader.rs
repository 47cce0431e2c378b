//! Requests on a connection, one after the other.

use super::body::{BodyProgress, BodyReader};
use super::head::Head;
use super::kept_head::KeptHead;
use super::limits::RequestLimits;
use super::rejection::Rejection;
use super::scanner::{HeadScanner, Outline, Scan};

/// Reads the requests of a connection from its bytes, with keep-alive and pipelining (RFC 9112, 9.3).
///
/// Bytes go in with [`push`](Self::push), requests come out with [`next`](Self::next): each as a [`Step::Head`]
/// followed, once it is complete, by a [`Step::Body`], which is empty if there is no body. The reader continues after a
/// request that asks for the connection to be closed; stopping there is up to the caller ([`Head::keep_alive`]).
///
/// The reader buffers what was pushed and not yet taken: a caller that answers before it continues should not push more
/// while [`buffered`](Self::buffered) is large.
#[derive(Clone, Debug, Default)]
pub struct RequestReader {
    buffer: Vec<u8>,
    /// Number of bytes at the front of the buffer that are no longer needed.
    taken: usize,
    stage: Stage,
    /// The outline of the last head, until something is pushed.
    outline: Option<Outline>,
    /// Bytes of chunk framing so far, of all bodies.
    framing: u64,
}

/// Bytes that an empty buffer may keep allocated: enough for the requests that usually arrive together.
const KEPT_BUFFER: usize = 4 * 1024;

#[derive(Clone, Debug)]
enum Stage {
    Head(HeadScanner),
    Body(BodyReader),
    Rejected(Rejection),
}

/// The next thing on a connection.
#[derive(Clone, Debug)]
pub enum Step<'r> {
    /// Nothing, until more bytes are pushed.
    Incomplete,
    /// A part of a body was scanned that is costly for its size, and there may be more: call again after others have
    /// had their turn.
    Paused,
    /// A request begins. Its body follows, even if it is empty.
    Head(Head<'r>),
    /// The body of the request whose head came last.
    Body(Vec<u8>),
    /// There will be no other request, nor the body of this one. Every further call returns this.
    Rejected(Rejection),
}

impl RequestReader {
    /// A reader for a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader for a connection of which these bytes were read, from the beginning of a request.
    pub fn with_bytes(bytes: Vec<u8>) -> Self {
        Self { buffer: bytes, ..Self::default() }
    }

    /// Adds bytes that were read. They are dropped if a request was rejected.
    pub fn push(&mut self, mut bytes: &[u8]) {
        self.outline = None;
        if let Stage::Rejected(_) = self.stage {
            self.buffer = Vec::new();
            self.taken = 0;
            return;
        }
        // No more is moved than was taken since the last move, so it is O(1) per byte.
        if self.taken >= self.buffer.len().div_ceil(2) {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
        // Payload need not be held twice.
        if let Stage::Body(body) = &mut self.stage
            && self.taken == self.buffer.len()
        {
            bytes = bytes.get(body.take_length(bytes)..).unwrap_or_default();
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// A copy of the last head. Call it before anything else is done with the reader.
    pub fn keep_head(&self) -> Option<KeptHead> {
        let outline = self.outline?;
        let begins = self.taken.checked_sub(outline.length)?;
        Some(KeptHead::new(self.buffer.get(begins..self.taken)?, outline))
    }

    /// Drops the payload of the current body from now on: it is counted, and comes out empty. For a request that is
    /// refused already.
    pub fn discard_body(&mut self) {
        if let Stage::Body(body) = &mut self.stage {
            body.discard();
        }
    }

    /// Returns the next step.
    pub fn next(&mut self, limits: &RequestLimits) -> Step<'_> {
        let bytes = self.buffer.get(self.taken..).unwrap_or_default();
        let step = match &mut self.stage {
            Stage::Head(scanner) => match scanner.scan(bytes, limits) {
                Scan::Incomplete => Step::Incomplete,
                Scan::Complete(outline) => match Head::parse(bytes, &outline) {
                    Ok(head) => {
                        self.taken += outline.length;
                        self.stage = Stage::Body(BodyReader::new(outline.body));
                        self.outline = Some(outline);
                        Step::Head(head)
                    }
                    Err(rejection) => Step::Rejected(rejection),
                },
                Scan::Rejected(rejection) => Step::Rejected(rejection),
            },
            Stage::Body(body) => {
                let framing = body.framing();
                let (taken, progress) = body.advance(bytes, limits);
                self.taken += taken;
                self.framing = self.framing.wrapping_add(body.framing() - framing);
                match progress {
                    BodyProgress::Incomplete => Step::Incomplete,
                    BodyProgress::Paused => Step::Paused,
                    BodyProgress::Complete => {
                        let payload = body.take_payload();
                        self.stage = Stage::default();
                        Step::Body(payload)
                    }
                    BodyProgress::Rejected(rejection) => Step::Rejected(rejection),
                }
            }
            Stage::Rejected(rejection) => Step::Rejected(*rejection),
        };
        if let Step::Rejected(rejection) = step {
            self.stage = Stage::Rejected(rejection);
        }
        step
    }

    /// Whether it is between requests and has no byte of the next one. Call it after [`next`](Self::next) returned
    /// [`Step::Incomplete`].
    pub fn is_idle(&self) -> bool {
        matches!(&self.stage, Stage::Head(scanner) if scanner.is_idle() && scanner.scanned() == self.buffered())
    }

    /// Whether the body of a request is incomplete.
    pub fn awaits_body(&self) -> bool {
        matches!(self.stage, Stage::Body(_))
    }

    /// Bytes of payload so far of the current body, 0 if there is none. For a limit on how slowly it may arrive.
    pub fn body_received(&self) -> u64 {
        match &self.stage {
            Stage::Body(body) => body.received(),
            Stage::Head(_) | Stage::Rejected(_) => 0,
        }
    }

    /// Bytes of chunk framing so far of the current body, 0 if there is none.
    pub fn body_framing(&self) -> u64 {
        match &self.stage {
            Stage::Body(body) => body.framing(),
            Stage::Head(_) | Stage::Rejected(_) => 0,
        }
    }

    /// Bytes of chunk framing scanned so far, of all bodies: these cost more than payload does.
    pub fn framing(&self) -> u64 {
        self.framing
    }

    /// Frees the memory of a large read once all of it is taken, so that an idle connection uses little. Call it after
    /// [`next`](Self::next) returned [`Step::Incomplete`].
    pub fn shrink(&mut self) {
        if self.buffered() == 0 && self.buffer.capacity() > KEPT_BUFFER {
            self.buffer = Vec::new();
            self.taken = 0;
        }
    }

    /// Bytes of memory that the current body uses so far.
    pub fn body_held(&self) -> usize {
        match &self.stage {
            Stage::Body(body) => body.held(),
            Stage::Head(_) | Stage::Rejected(_) => 0,
        }
    }

    /// Number of bytes that were pushed and not yet taken.
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.taken
    }

    /// The bytes that were pushed and not yet taken: all of a head that is incomplete, or was rejected.
    pub fn unread(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    /// The bytes that were pushed and not yet taken. Payload of an incomplete body was taken, and is lost.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.buffer.drain(..self.taken);
        self.buffer
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::Head(HeadScanner::default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunk::PAUSE_FRAMING;
    use super::*;

    const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";

    fn next(reader: &mut RequestReader) -> Step<'_> {
        reader.next(&RequestLimits::default())
    }

    #[test]
    fn a_request_is_followed_from_idle_to_idle() {
        let mut reader = RequestReader::new();
        assert!(reader.is_idle() && !reader.awaits_body());
        reader.push(&POST[..9]);
        assert!(!reader.is_idle(), "what was pushed and not looked at counts");
        assert!(matches!(next(&mut reader), Step::Incomplete));
        assert!(!reader.is_idle() && !reader.awaits_body());
        reader.push(&POST[9..]);
        reader.push(b"ab");
        assert!(matches!(next(&mut reader), Step::Head(_)));
        assert_eq!((reader.awaits_body(), reader.body_received(), reader.buffered()), (true, 0, 2));
        assert!(matches!(next(&mut reader), Step::Incomplete));
        assert_eq!((reader.is_idle(), reader.body_received(), reader.buffered()), (false, 2, 0));
        reader.push(b"cd\r\n");
        assert!(matches!(next(&mut reader), Step::Body(body) if body == b"abcd"));
        assert!(matches!(next(&mut reader), Step::Incomplete));
        assert!(reader.is_idle() && reader.body_received() == 0);
    }

    #[test]
    fn a_connection_can_change_hands() {
        let mut reader = RequestReader::with_bytes([POST, b"abcdGE"].concat());
        assert!(!reader.is_idle());
        assert!(matches!(next(&mut reader), Step::Head(_)));
        assert!(matches!(next(&mut reader), Step::Body(body) if body == b"abcd"));
        assert!(matches!(next(&mut reader), Step::Incomplete));
        assert_eq!(reader.into_bytes(), b"GE");
    }

    #[test]
    fn a_discarded_body_is_counted_and_takes_no_memory() {
        let chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2710\r\n";
        let length = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n";
        for (head, end) in [(&chunked[..], &b"\r\n0\r\n\r\n"[..]), (&length[..], b"")] {
            let mut reader = RequestReader::new();
            reader.push(head);
            reader.push(&[b'x'; 4000]);
            assert!(matches!(next(&mut reader), Step::Head(_)));
            assert!(matches!(next(&mut reader), Step::Incomplete));
            assert!(reader.body_held() >= 4000);
            reader.discard_body();
            assert_eq!((reader.body_held(), reader.body_received()), (0, 4000));
            reader.push(&[b'x'; 5999]);
            assert!(matches!(next(&mut reader), Step::Incomplete));
            assert_eq!((reader.body_held(), reader.body_received()), (0, 9999));
            reader.shrink();
            assert!(reader.buffer.capacity() <= KEPT_BUFFER, "{}", reader.buffer.capacity());
            reader.push(b"x");
            reader.push(end);
            reader.push(POST);
            assert!(matches!(next(&mut reader), Step::Body(body) if body.is_empty()));
            assert!(matches!(next(&mut reader), Step::Head(_)), "the connection goes on");
            reader.push(b"abcd");
            assert!(
                matches!(next(&mut reader), Step::Body(body) if body == b"abcd"),
                "of the next it is kept"
            );
        }
    }

    /// A server can look at something else in between, and counts what small bodies have, too.
    #[test]
    fn chunk_framing_is_counted_and_taken_in_parts() {
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = [b"2\r\nxx\r\n".repeat(10_000), b"0\r\n\r\n".to_vec()].concat();
        let small = b"1;a=b\r\nx\r\n0\r\n\r\n";
        let mut reader = RequestReader::new();
        reader.push(&[head, &body[..], head, small].concat());
        assert!(matches!(next(&mut reader), Step::Head(_)));
        let mut pauses = 0;
        loop {
            let before = reader.framing();
            match next(&mut reader) {
                Step::Paused => pauses += 1,
                Step::Body(body) => break assert_eq!(body.len(), 20_000),
                other => panic!("{other:?}"),
            }
            assert_eq!(reader.framing() - before, PAUSE_FRAMING);
            assert_eq!(reader.body_framing(), reader.framing());
        }
        assert_eq!((pauses, reader.framing(), reader.body_framing()), (50_005 / PAUSE_FRAMING, 50_005, 0));
        assert!(matches!(next(&mut reader), Step::Head(_)));
        assert!(matches!(next(&mut reader), Step::Body(body) if body == b"x"));
        assert_eq!(reader.framing(), 50_005 + small.len() as u64 - 1);
    }

    #[test]
    fn a_rejection_is_final_and_holds_no_memory() {
        let mut reader = RequestReader::with_bytes(b"GET\r\n".to_vec());
        for _ in 0..2 {
            assert!(matches!(next(&mut reader), Step::Rejected(Rejection { status: 400, .. })));
            reader.push(POST);
            assert_eq!(reader.buffered(), 0);
        }
        assert!(!reader.is_idle() && !reader.awaits_body());
    }

    #[test]
    fn what_is_taken_is_moved_away_now_and_then() {
        let mut reader = RequestReader::new();
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for _ in 0..1000 {
            reader.push(&[&request[..], &request[..10]].concat());
            while !matches!(next(&mut reader), Step::Incomplete) {}
            reader.push(&request[10..]);
            while !matches!(next(&mut reader), Step::Incomplete) {}
        }
        assert!(reader.buffer.capacity() < 1000, "{}", reader.buffer.capacity());
    }
}
