//! What is said to a crew and by it, within a process or as lines of JSON between processes.

use serde::{Deserialize, Serialize};

use super::tally::Tally;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Give the tally of what came since the last mark.
    Mark,
    /// Close every stream.
    Disconnect,
    /// Open every stream again, with its last id where the plan says so.
    Connect,
    /// From now on do not read every so-manyth stream; 0: read all again.
    Stall { every: usize },
    /// Close so many streams a second, of all crews together, in turn, and open each again without an id; 0: no more.
    Churn { per_second: f64 },
    /// From now on an event's data has so many bytes.
    Payload { bytes: usize },
    /// Give the last tally and end.
    Finish,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// Streams that have got their first event, streams that never will, and streams that were open and have ended; and how
    /// often one that was open was closed by the server.
    Opened { opened: u64, refused: u64, ended: u64, closings: u64 },
    /// Each open stream has event `n` of series 0 and all before it.
    Settled(u64),
    /// Different events received so far, over all streams.
    Received(u64),
    /// The answer to a mark.
    Marked(Box<Tally>),
    /// The last word.
    Finished(Box<Tally>),
    /// The crew could not go on.
    Failed(String),
}

/// A line from a process with several crews.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) crew: usize,
    pub(super) report: Report,
}
