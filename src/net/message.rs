//! Messages between the threads of an engine.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::verdict::Verdict;
use crate::api::{ListenerKind, Response};
use crate::event::Refusal;
use crate::metrics::Histogram;
use crate::shard::{Arrival, Command, Decision, Reply, Report};

/// A message to an event loop.
pub(super) enum LoopMessage {
    /// A command for its shard.
    Command(Command),
    /// A stream that the control thread has judged and admitted, and the number of bytes that followed its request.
    Adopt(OwnedFd, Arrival, usize),
    /// Close up to this many connections that are not streams, oldest first.
    Reclaim(usize),
    /// Report statistics.
    Report(Reply<LoopReport>),
    /// Close all remaining connections and end.
    Stop,
}

/// The statistics of an event loop.
pub(super) struct LoopReport {
    pub(super) number: usize,
    pub(super) shard: Report,
    /// The durations of its turns since the start, without waiting.
    pub(super) turns: Histogram,
}

/// A message to the control thread.
pub(super) enum ControlMessage {
    /// A connection that is not a stream, or not known to be one.
    Handoff(Handoff),
    /// An answer that needed event loops or the journal.
    Answer(Asker, Response),
    /// Who a request is from.
    Identified(Asker, Box<Verdict>),
    /// Finish the requests in progress within this time, and end.
    Stop(Duration),
    /// Accept no new connections.
    Drain,
    /// Close up to this many connections, those idle for longest first.
    Reclaim(usize),
}

/// A connection that an event loop hands over.
pub(super) struct Handoff {
    pub(super) socket: OwnedFd,
    pub(super) peer: IpAddr,
    /// The bytes read from it.
    pub(super) bytes: Vec<u8>,
    /// When the first byte arrived, in ms since the start.
    pub(super) first_byte_ms: u64,
    /// Why its stream is refused temporarily, if it is.
    pub(super) refusal: Option<Refusal>,
    /// The decision about its first request, if there is one.
    pub(super) decision: Option<Decision>,
    /// The kind of listener that accepted it.
    pub(super) listener_kind: ListenerKind,
}

/// Who waits for an answer.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    pub(super) slot: usize,
    pub(super) serial: u32,
    /// The number of the request on its connection.
    pub(super) request: u32,
}
