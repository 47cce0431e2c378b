//! Commands to workers and reports from them, within a process or as lines of JSON between processes.

use serde::{Deserialize, Serialize};

use super::tally::Tally;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Report the tally since the last mark.
    Mark,
    /// Close every stream.
    Disconnect,
    /// Open every stream again, with its last id if the plan says so.
    Connect,
    /// Stop reading one stream in `every`; 0 to read all again.
    Stall { every: usize },
    /// Close this many streams per second in turn, over all workers, and open each again without an id; 0 to stop.
    Churn { per_second: f64 },
    /// Expect this many bytes of data in each event from now on.
    Payload { bytes: usize },
    /// Report the last tally and end.
    Finish,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// Streams that have received their first event, streams that failed before it, streams that have ended, and the number of
    /// times that the server closed an open stream.
    Opened { opened: u64, refused: u64, ended: u64, closings: u64 },
    /// Every open stream has event `n` of series 0 and all before it.
    Settled(u64),
    /// Different events received so far, over all streams.
    Received(u64),
    /// The answer to a mark.
    Marked(Box<Tally>),
    /// The last tally, before the worker ends.
    Finished(Box<Tally>),
    /// The worker has failed.
    Failed(String),
}

/// A line from a process with several workers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) worker: usize,
    pub(super) report: Report,
}
