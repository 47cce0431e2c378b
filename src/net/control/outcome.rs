//! The outcome of a request.

use crate::api::Response;
use crate::event::Refusal;
use crate::shard::Arrival;

/// The outcome of a task.
pub(super) enum Outcome {
    /// A response.
    Answer(Response),
    /// A response that comes later: from event loops, or from the journal.
    Later,
    /// Only the response head of a stream.
    StreamHead,
    /// A stream, for an event loop.
    Stream(Box<Arrival>),
    /// A stream that is refused temporarily: a response that browsers take for a stream, and reconnect after.
    Refused(Refusal),
}
