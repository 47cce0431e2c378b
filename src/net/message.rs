//! What threads of the engine tell each other.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::verdict::Verdict;
use crate::api::{ListenerKind, Response};
use crate::event::Refusal;
use crate::metrics::Histogram;
use crate::shard::{Arrival, Command, Decision, Reply, Report};

/// What reaches an event loop from other threads.
pub(super) enum LoopMessage {
    /// For its shard.
    Command(Command),
    /// A stream that was judged and admitted by the control thread, and how many bytes came behind its request.
    Adopt(OwnedFd, Arrival, usize),
    /// Close so many connections at most that are no streams, those first that came first.
    Reclaim(usize),
    /// Tell how it stands.
    Report(Reply<LoopReport>),
    /// Close everything that is left and end.
    Stop,
}

/// How an event loop stands.
pub(super) struct LoopReport {
    pub(super) number: usize,
    pub(super) shard: Report,
    /// Its turns since the start, without their waiting.
    pub(super) turns: Histogram,
}

/// What reaches the control thread from others.
pub(super) enum ControlMessage {
    /// A connection that is not a stream, or not known to be one.
    Handoff(Handoff),
    /// An answer that event loops had a part in.
    Answer(Asker, Response),
    /// Who a request is from.
    Identified(Asker, Box<Verdict>),
    /// Finish what is under way, within that time, and end.
    Stop(Duration),
    /// Nobody new is let in any more.
    Drain,
    /// Close so many connections at most, those first that have been idle for longest.
    Reclaim(usize),
}

/// A connection on its way from an event loop.
pub(super) struct Handoff {
    pub(super) socket: OwnedFd,
    pub(super) peer: IpAddr,
    /// What was read from it.
    pub(super) bytes: Vec<u8>,
    /// When the first byte came, in ms since the start.
    pub(super) first_byte_ms: u64,
    /// Why its stream is refused for now, if it is.
    pub(super) refusal: Option<Refusal>,
    /// What is decided of its first request, if anything is.
    pub(super) decision: Option<Decision>,
    /// Through which listener it came.
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
