//! What comes of a request.

use crate::api::Response;
use crate::event::Refusal;
use crate::shard::Arrival;

/// What comes of a task.
pub(super) enum Outcome {
    /// This answer.
    Answer(Response),
    /// An answer that event loops have a part in.
    Later,
    /// The head of a stream, and no more.
    StreamHead,
    /// A stream, which an event loop takes over.
    Stream(Box<Arrival>),
    /// A stream, but not now: an answer that a browser takes for a stream, and comes back after.
    Refused(Refusal),
}
