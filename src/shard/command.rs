//! What reaches a shard from outside, and what it asks for: two enums are the interface of the core.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::close::CloseReason;
use super::decision::{Decision, Inquiry};
use super::report::Report;
pub use crate::event::StreamToken;
use crate::event::{Client, ClientId, Continuity, EventId, Profile, Record, Refusal};

/// What a shard is told by another thread. Publications and joins arrive in id order.
pub enum Command {
    /// An event, for whom it may concern.
    Publish(Arc<Record>),
    /// Several, in order.
    PublishBatch(Arc<[Arc<Record>]>),
    /// The answer to a [`Resume`].
    Join(Join),
    /// The answer to an [`Inquiry`].
    Decided(StreamToken, Decision),
    /// Send a heartbeat now to the streams of a user, or to all.
    Ping(Option<Arc<str>>),
    /// End streams; tells how many.
    Disconnect(DisconnectTarget, Reply<usize>),
    /// Tell how it stands.
    Report(Reply<Report>),
    /// End all streams now. Their clients are told to come back after a second at the earliest, spread over that
    /// time.
    Drain(Duration),
}

/// Whose streams to end.
#[derive(Clone, Debug)]
pub enum DisconnectTarget {
    /// All streams of a user.
    User(Arc<str>),
    /// One stream.
    Client(ClientId),
}

/// Where an answer goes. It must not block.
pub type Reply<T> = Box<dyn FnOnce(T) + Send>;

/// A stream asks the journal for what it missed.
#[derive(Clone, Debug)]
pub struct Resume {
    /// Who asks.
    pub token: StreamToken,
    /// Where it goes on.
    pub after: After,
    /// What it may see; `None` where it may only see what goes to everyone.
    pub profile: Option<Arc<Profile>>,
    /// About how many bytes it can take at once, at least one event.
    pub budget: usize,
    /// Maximum number of comparisons of the answer's events with its patterns; at least one event is answered.
    pub effort: usize,
}

/// The event behind which a stream goes on: it knows everything up to there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The client has brought this id. What it means is for the journal to say.
    Id(EventId),
    /// Everything that history holds.
    Earliest,
    /// What was published from this time on, in ms since the Unix epoch, and history holds.
    Since(u64),
    /// The shard has sent everything up to this position.
    Position(u64),
}

/// The answer to a [`Resume`].
#[derive(Clone, Debug)]
pub struct Join {
    /// Whose answer it is.
    pub token: StreamToken,
    /// What was found; `None` where history cannot be read. The stream is ended then.
    pub missed: Option<Missed>,
}

/// What a stream missed, or as much of it as it can take at once.
#[derive(Clone, Debug)]
pub struct Missed {
    /// What may be for it, in order; the shard looks closer.
    pub records: Vec<Arc<Record>>,
    /// Everything up to this has been considered.
    pub position: u64,
    /// What a stream is greeted with that is sent nothing before that position: the id that the client has brought, if
    /// all that came after it is there, else the id at `position`.
    pub id: EventId,
    /// Whether that is all there is: what follows in the inbox is news.
    pub last: bool,
    /// Whether everything after the id that was given is there.
    pub continuity: Continuity,
}

/// The newest event of a journal, or what stands before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Its position.
    pub position: u64,
    /// Its id.
    pub id: EventId,
}

/// The way into a shard, seen from the journal.
pub trait ShardSender: Send + Sync {
    /// Whether publications of so many bytes can be taken now. Where they cannot, the shard is woken.
    fn has_room(&self, records: usize, bytes: usize) -> bool;
    /// Waits until they can be, for so long at most; whether they can.
    fn wait_for_room(&self, records: usize, bytes: usize, at_most: Duration) -> bool;
    /// Hands a command over. Commands of one thread, or under one lock, arrive in order. A publication does not wake the
    /// shard, since many may follow: call [`wake`](Self::wake) behind the last; anything else does.
    fn send(&self, command: Command);
    /// Wakes the shard if publications wait for it.
    fn wake(&self);
}

/// What a shard asks the world to do.
pub enum Effect<S> {
    /// A request that is not a stream, or must be refused.
    HandOver(HandOver<S>),
    /// A stream needs a decision on who it is for.
    Inquire(Inquiry),
    /// A stream needs history.
    Resume(Resume),
    /// A stream was refused for now, after it had been opened; for statistics.
    Refused(Refusal),
    /// Everything is written to the connection in that slot: say that nothing follows (a half-close).
    Finish(u32),
    /// A stream was opened. Only with [`Settings::watch`](super::Settings::watch).
    Connected(Client),
    /// A stream was ended. Only with [`Settings::watch`](super::Settings::watch).
    Disconnected(Client, CloseReason),
}

/// A connection that leaves the shard, with what was read from it.
pub struct HandOver<S> {
    /// The connection.
    pub socket: S,
    /// Who is at the other end.
    pub peer: IpAddr,
    /// All bytes read and not acted upon.
    pub bytes: Vec<u8>,
    /// When the first byte of the request came, in ms since the start.
    pub first_byte_ms: u64,
    /// Why its stream is refused for now, if it is.
    pub refusal: Option<Refusal>,
    /// What is decided of the first request, if anything is: it is for a stream then, and sound.
    pub decision: Option<Decision>,
}

impl Command {
    /// Of a publication, its newest event.
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
    /// What stands before the first event of a history that begins with this epoch.
    pub fn before_first(epoch: u64) -> Self {
        Self { position: 0, id: EventId { epoch, seq: 0 } }
    }

    /// Where this is the newest event.
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

/// What was read, which may hold credentials, is left out.
impl<S> fmt::Debug for HandOver<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandOver")
            .field("peer", &self.peer)
            .field("refusal", &self.refusal)
            .finish_non_exhaustive()
    }
}
