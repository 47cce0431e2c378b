//! Parses the response to a stream request: head, chunks, events and end.

#![allow(dead_code, unreachable_pub, reason = "shared by test binaries that each use a part of it")]

use super::response::{Part, ResponseHead, ResponseReader};
use super::sse::{EventStream, Message};

/// Parses the response to a stream request incrementally.
#[derive(Debug, Default)]
pub struct StreamReader {
    response: ResponseReader,
    events: EventStream,
    /// The response head, once it has arrived.
    pub head: Option<ResponseHead>,
    /// Whether the body has ended as its framing requires.
    pub ended: bool,
    /// Every event so far.
    pub messages: Vec<Message>,
}

impl StreamReader {
    /// A reader at the start of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Continues with a stream of which these parts have been read already.
    pub fn after(response: ResponseReader, parts: Vec<Part>) -> Self {
        let mut reader = Self { response, ..Self::default() };
        reader.take(parts);
        reader
    }

    /// Takes bytes, split anywhere. Panics on invalid HTTP, on a fault in the stream, and on a chunk that does not end where an
    /// event ends.
    pub fn push(&mut self, bytes: &[u8]) {
        let parts = self.response.push(bytes);
        self.take(parts);
    }

    fn take(&mut self, parts: Vec<Part>) {
        for part in parts {
            match part {
                Part::Head(head) => {
                    assert!(self.head.replace(head).is_none(), "a second response on a stream");
                }
                Part::Data(data) => {
                    self.messages.extend(self.events.push(&data));
                    if self.is_chunked() {
                        assert!(self.events.is_at_boundary(), "a chunk ends within an event");
                    }
                }
                Part::End => self.ended = true,
            }
        }
        assert!(self.events.faults.is_empty(), "faults in the stream: {:?}", self.events.faults);
    }

    /// Comment lines so far.
    pub fn comments(&self) -> &[String] {
        &self.events.comments
    }

    /// Whether the connection could end here without losing anything.
    pub fn is_at_boundary(&self) -> bool {
        self.events.is_at_boundary() && (self.ended || self.response.may_end() || self.is_chunked())
    }

    /// Whether the body is chunked, and so needs a last chunk.
    pub fn is_chunked(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.field("transfer-encoding").is_some())
    }
}
