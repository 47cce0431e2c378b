//! The journal orders everything.
//!
//! A publication goes through three stages:
//!
//! 1. **Sequence**: it gets its ids and its positions.
//! 2. **Keep**: it is put where streams that come back find it, and where it must not get lost.
//! 3. **Deliver**: it is put into every shard's inbox, and acknowledged.
//!
//! Nothing reaches a shard, and nobody is answered, before it is kept. In memory all three are done at once, under one
//! short lock; where it takes longer until an event is kept, [`append`](Journal::append) does not wait for that, and the
//! publication is acknowledged later. Inbox order is the order of positions on every shard. What a client missed goes into
//! its shard's inbox under the lock of the last stage: each event is either in the answer or behind it, never both, never
//! neither.
//!
//! Publishers wait for the lock, so what is done under it is bounded: an answer is a limited number of events, found in
//! an index by hash. The shard compares them with the stream's patterns when it takes the answer out of its inbox.

mod delivery;
#[doc(hidden)]
pub mod durable;
mod epochs;
mod history;
#[doc(hidden)]
pub mod idempotency;
mod keys;
#[doc(hidden)]
pub mod log;
mod loss_table;
mod losses;
mod memory;
mod reading;
mod wanted;

pub use delivery::Delivery;
pub use epochs::Epochs;
pub use history::HistoryLimits;
pub use log::Unstorable;
pub use memory::MemoryJournal;
pub use reading::{Page, Published, ReadError, Reading, Told};

use std::time::Duration;

use crate::event::{Drafts, EventId, Now};
use crate::shard::{Newest, Resume};

impl idempotency::Repeat {
    /// The ticket of what is to be published; or what it was answered before; or why it is refused.
    fn into_ticket(self) -> Result<Result<idempotency::Ticket, Appended>, AppendError> {
        match self {
            Self::First(ticket) => Ok(Ok(ticket)),
            Self::Answered(idempotency::Answer { first, last }) => {
                Ok(Err(Appended { first, last, is_repeat: true }))
            }
            Self::UnderWay => Err(AppendError::KeyUnderWay),
            Self::OtherBody => Err(AppendError::KeyReused),
            Self::TooMany => Err(AppendError::KeysFull),
        }
    }
}

/// Why an event was not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// An event loop, or the disk, has as much before it as it may; nothing was published. Try again shortly.
    #[error("an event loop is too far behind; nothing was published")]
    Full,
    /// The engine is shutting down, and its streams are being ended; nothing was published.
    #[error("the server is shutting down; nothing was published")]
    Ended,
    /// The disk that keeps history is full; nothing was published. Publishing goes on when there is room.
    #[error("the disk is full; nothing was published")]
    DiskFull,
    /// The disk refused to write, and may take it another time; nothing was published.
    #[error("the history cannot be written; nothing was published")]
    Disk,
    /// A write to the disk was lost, so nobody knows what it holds; nothing is published until a restart.
    #[error("the history has failed; nothing is published until a restart")]
    Failed,
    /// A history on disk cannot keep the event; nothing was published.
    #[error("{0}; nothing was published")]
    Unstorable(#[from] log::Unstorable),
    /// A publication with the same idempotency key has not been acknowledged yet; this one was not published.
    #[error("a publication with this idempotency key is under way")]
    KeyUnderWay,
    /// Something else was published with the same idempotency key; this was not.
    #[error("something else was published with this idempotency key")]
    KeyReused,
    /// As many publications with an idempotency key are under way as may be; nothing was published.
    #[error("too many publications with an idempotency key are under way; nothing was published")]
    KeysFull,
}

/// One publication, or one batch: what is kept and delivered whole, or not at all.
#[derive(Debug)]
pub struct Append {
    /// Its events, in order; not empty.
    pub drafts: Drafts,
    /// What makes repeating it safe.
    pub key: Option<Box<IdempotencyKey>>,
}

/// The key of a publication that may be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Whose key it is: the same key of another publisher is another.
    pub scope: Box<str>,
    /// The key, from 1 to 255 bytes.
    pub key: Box<str>,
    /// A hash of what is published with it.
    pub body: idempotency::BodyHash,
}

impl From<Drafts> for Append {
    fn from(drafts: Drafts) -> Self {
        Self { drafts, key: None }
    }
}

/// What is called once a publication is acknowledged: it is kept and delivered, or it is not and never will be. It must
/// not block.
pub type Acknowledge = Box<dyn FnOnce(Result<Appended, AppendError>) + Send>;

/// The ids that a batch got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Of its first event.
    pub first: EventId,
    /// Of its last event.
    pub last: EventId,
    /// Whether it had been published before, with the same idempotency key: nothing was published now.
    pub is_repeat: bool,
}

/// What a journal holds.
#[derive(Clone, Debug, Default)]
pub struct JournalReport {
    /// The epoch of the events that are published now.
    pub epoch: u64,
    /// Events held.
    pub events: u64,
    /// Bytes of memory in use.
    pub bytes: u64,
    /// How old the oldest event held is, in ms; 0 where there is none.
    pub age_ms: u64,
    /// What it has on disk; `None` where it is in memory alone.
    pub disk: Option<durable::DiskReport>,
}

/// An ordered history of events, and the way from it to every shard.
pub trait Journal: Send + Sync {
    /// Publishes events, in order and with ids in a row: all, or none.
    ///
    /// `Some`: they are acknowledged. `None`: they will be, in the order of all publications; `later` has been asked for
    /// what is to be called then, on any thread, perhaps before this returns. Of what is acknowledged at once, the shards
    /// need not know before they are [woken](Self::wake).
    fn append(
        &self,
        append: Append,
        now: Now,
        later: &mut dyn FnMut() -> Acknowledge,
    ) -> Result<Option<Appended>, AppendError>;

    /// Says that nothing more is appended for now: wakes every shard that has events before it, and who keeps them, once for
    /// all that were appended.
    fn wake(&self);

    /// Ends publishing: [`append`](Self::append) fails from now on, and each shard is sent
    /// [`Drain`](crate::shard::Command::Drain) behind everything that was published. So each event that was published
    /// reaches every stream before the stream is told that it ends.
    fn drain(&self, spread: Duration);

    /// Answers with a [`Join`](crate::shard::Join) in the asking shard's inbox.
    fn resume(&self, resume: &Resume, now: Now);

    /// Reads what is held. `done` is told it, on any thread, perhaps before this returns.
    fn read(&self, reading: Reading, now: Now, done: Told);

    /// The newest event; before any, what stands before the first.
    fn newest(&self) -> Newest;

    /// Whether a write to the disk was lost, so that nothing is published until a restart.
    fn has_failed(&self) -> bool {
        false
    }

    /// What is held.
    fn report(&self, now: Now) -> JournalReport;

    /// Ends the journal: returns once everything that was acknowledged is where it is to be kept. Nothing is appended and
    /// nobody resumes after this.
    fn close(&self);
}
