//! The interface of the core: the commands that a shard takes, and the effects that it asks for.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::close::CloseReason;
use super::decision::{Decision, Inquiry};
use super::report::Report;
pub use crate::event::StreamToken;
use crate::event::{Client, ClientId, Continuity, EventId, Profile, Record, Refusal};

/// A command from another thread. Publications and joins arrive in id order.
pub enum Command {
    /// One event for the streams it targets.
    Publish(Arc<Record>),
    /// Several events, in order.
    PublishBatch(Arc<[Arc<Record>]>),
    /// The answer to a [`Resume`].
    Join(Join),
    /// The answer to an [`Inquiry`].
    Decided(StreamToken, Decision),
    /// Sends a heartbeat now to the streams of a user, or to all streams.
    Ping(Option<Arc<str>>),
    /// Ends streams, and reports how many.
    Disconnect(DisconnectTarget, Reply<usize>),
    /// Reports statistics.
    Report(Reply<Report>),
    /// Ends all streams now. Their clients are told to reconnect after one second or more, spread over this time.
    Drain(Duration),
}

/// Which streams to end.
#[derive(Clone, Debug)]
pub enum DisconnectTarget {
    /// All streams of a user.
    User(Arc<str>),
    /// One stream.
    Client(ClientId),
}

/// Receives an answer. It must not block.
pub type Reply<T> = Box<dyn FnOnce(T) + Send>;

/// A stream's request to the journal for the events that it missed.
#[derive(Clone, Debug)]
pub struct Resume {
    /// Which stream asks.
    pub token: StreamToken,
    /// Where the stream continues.
    pub after: After,
    /// What it may see; `None` if only what goes to everyone.
    pub profile: Option<Arc<Profile>>,
    /// About how many bytes it can take at once; at least one event is answered.
    pub budget: usize,
    /// Maximum number of comparisons of the answer's events with its patterns; at least one event is answered.
    pub effort: usize,
}

/// The event after which a stream continues: it has everything up to there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// An id that the client sent. The journal decides what it means.
    Id(EventId),
    /// Everything that history holds.
    Earliest,
    /// What history holds of the events published since this time, in ms since the Unix epoch.
    Since(u64),
    /// The shard has sent everything up to this position.
    Position(u64),
}

/// The answer to a [`Resume`].
#[derive(Clone, Debug)]
pub struct Join {
    /// Which stream it is for.
    pub token: StreamToken,
    /// What was found; `None` if history cannot be read, which ends the stream.
    pub missed: Option<Missed>,
}

/// The events that a stream missed, or as many as it can take at once.
#[derive(Clone, Debug)]
pub struct Missed {
    /// Candidates in order; the shard checks each against the stream.
    pub records: Vec<Arc<Record>>,
    /// Everything up to this position has been considered.
    pub position: u64,
    /// The id in the greeting of a stream that is sent no event before `position`: the id that the client sent, if
    /// everything after it is there, else the id at `position`.
    pub id: EventId,
    /// Whether this is the last part: what follows in the inbox is new.
    pub last: bool,
    /// Whether everything after the given id is there.
    pub continuity: Continuity,
}

/// The newest event of a journal, or the position before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Its position.
    pub position: u64,
    /// Its id.
    pub id: EventId,
}

/// The journal's way to send to a shard.
pub trait ShardSender: Send + Sync {
    /// Whether there is room for publications of this many bytes now. If not, the shard is woken.
    fn has_room(&self, records: usize, bytes: usize) -> bool;
    /// Waits for that room, at most for the given time, and returns whether there is room.
    fn wait_for_room(&self, records: usize, bytes: usize, at_most: Duration) -> bool;
    /// Sends a command. Commands from one thread, or sent under one lock, arrive in order. A publication does not wake
    /// the shard, since many may follow: call [`wake`](Self::wake) after the last. Any other command does.
    fn send(&self, command: Command);
    /// Wakes the shard if publications wait for it.
    fn wake(&self);
}

/// What a shard asks its caller to do.
pub enum Effect<S> {
    /// A request that is not a stream, or must be refused.
    HandOver(HandOver<S>),
    /// A stream needs a decision about who it is for.
    Inquire(Inquiry),
    /// A stream needs history.
    Resume(Resume),
    /// A stream was refused temporarily after it had been opened. For statistics.
    Refused(Refusal),
    /// Everything is written to the connection in this slot: shut down its sending side.
    Finish(u32),
    /// A stream was opened. Only with [`Settings::watch`](super::Settings::watch).
    Connected(Client),
    /// A stream was ended. Only with [`Settings::watch`](super::Settings::watch).
    Disconnected(Client, CloseReason),
}

/// A connection that leaves the shard, with the bytes read from it.
pub struct HandOver<S> {
    /// The connection.
    pub socket: S,
    /// The address of the peer.
    pub peer: IpAddr,
    /// All bytes that were read and not processed.
    pub bytes: Vec<u8>,
    /// When the first byte of the request came, in ms since the start.
    pub first_byte_ms: u64,
    /// Why its stream is refused temporarily, if it is.
    pub refusal: Option<Refusal>,
    /// The decision about its first request, if there is one. The request is then a valid one for a stream.
    pub decision: Option<Decision>,
}

impl Command {
    /// The newest event of a publication.
    pub fn newest(&self) -> Option<Newest> {
        let record = match self {
            Self::Publish(record) => record,
            Self::PublishBatch(records) => records.last()?,
            _ => return None,
        };
        Some(Newest::of(record))
    }
}

impl Newest {
    /// The position before the first event of a history that begins with this epoch.
    pub fn before_first(epoch: u64) -> Self {
        Self { position: 0, id: EventId { epoch, seq: 0 } }
    }

    /// The position and id of this record.
    pub fn of(record: &Record) -> Self {
        Self { position: record.position, id: record.id }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish(record) => f.debug_tuple("Publish").field(record).finish(),
            Self::PublishBatch(records) => f.debug_tuple("PublishBatch").field(records).finish(),
            Self::Join(join) => f.debug_tuple("Join").field(join).finish(),
            // Most of the others hold closures.
            _ => f.debug_struct("Command").finish_non_exhaustive(),
        }
    }
}

impl<S> fmt::Debug for Effect<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resume(resume) => f.debug_tuple("Resume").field(resume).finish(),
            Self::Finish(slot) => f.debug_tuple("Finish").field(slot).finish(),
            _ => f.debug_struct("Effect").finish_non_exhaustive(),
        }
    }
}

/// Omits the bytes, which may hold credentials.
impl<S> fmt::Debug for HandOver<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandOver")
            .field("peer", &self.peer)
            .field("refusal", &self.refusal)
            .finish_non_exhaustive()
    }
}
