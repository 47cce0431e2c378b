//! What a client makes of the bytes of a stream: head, chunks, events, end; with every fault noted.

#![allow(dead_code, unreachable_pub, reason = "shared by test binaries that each use a part of it")]

use super::response::{Part, ResponseHead, ResponseReader};
use super::sse::{EventStream, Message};

/// Reads the answer to a stream request as it arrives.
#[derive(Debug, Default)]
pub struct StreamReader {
    response: ResponseReader,
    events: EventStream,
    /// The response head, once it is there.
    pub head: Option<ResponseHead>,
    /// The body has ended as its framing says.
    pub ended: bool,
    /// Every event so far.
    pub messages: Vec<Message>,
}

impl StreamReader {
    /// Nothing has arrived.
    pub fn new() -> Self {
        Self::default()
    }

    /// The stream that answers the last request on a connection, of which these parts were read already.
    pub fn after(response: ResponseReader, parts: Vec<Part>) -> Self {
        let mut reader = Self { response, ..Self::default() };
        reader.take(parts);
        reader
    }

    /// Takes bytes as they arrive. Panics on a stream that is not HTTP, or a chunk that does not end where an
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

    /// Whether nothing would be lost if the connection ended here.
    pub fn is_at_boundary(&self) -> bool {
        self.events.is_at_boundary() && (self.ended || self.response.may_end() || self.is_chunked())
    }

    /// Whether its end has to be said.
    pub fn is_chunked(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.field("transfer-encoding").is_some())
    }
}
