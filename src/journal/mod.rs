//! The journal orders everything.
//!
//! Under one short lock it gives an event its id, remembers it, and puts it into every shard's inbox, so inbox
//! order is id order on every shard. What a client missed goes into its shard's inbox under the same lock: each
//! event is either in the answer or behind it, never both, never neither.
//!
//! Publishers wait for the lock, so what is done under it is bounded: an answer is a limited number of events, found in
//! an index by hash. The shard compares them with the stream's patterns when it takes the answer out of its inbox.

mod history;
#[doc(hidden)]
pub mod idempotency;
mod keys;
#[doc(hidden)]
pub mod log;
mod losses;
mod memory;
mod wanted;

pub use history::HistoryLimits;
pub use memory::MemoryJournal;

use std::time::Duration;

use crate::shard::Resume;
use crate::wire::{Drafts, EventId, Now};

/// Why an event was not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// An event loop has as much before it as it may; nothing was published. Try again shortly.
    #[error("an event loop is too far behind; nothing was published")]
    Full,
    /// The engine is shutting down, and its streams are being ended; nothing was published.
    #[error("the server is shutting down; nothing was published")]
    Ended,
}

/// The ids that a batch got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Of its first event.
    pub first: EventId,
    /// Of its last event.
    pub last: EventId,
}

/// What a journal holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalReport {
    /// The newest event's count; 0 before any.
    pub newest: u64,
    /// Events held.
    pub events: u64,
    /// Bytes held.
    pub bytes: u64,
    /// How old the oldest event held is, in ms; 0 where there is none.
    pub age_ms: u64,
}

/// An ordered history of events, and the way from it to every shard.
pub trait Journal: Send + Sync {
    /// What the ids of this history begin with, and those of no other.
    fn epoch(&self) -> u64;

    /// Gives the events the next ids, in order, and hands them to every shard: all, or none. `drafts` must not
    /// be empty.
    fn append(&self, drafts: Drafts, now: Now) -> Result<Appended, AppendError>;

    /// Ends publishing: [`append`](Self::append) fails from now on, and each shard is sent
    /// [`Drain`](crate::shard::Command::Drain) behind everything that was published. So each event that was published
    /// reaches every stream before the stream is told that it ends.
    fn drain(&self, spread: Duration);

    /// Answers with a [`Join`](crate::shard::Join) in the asking shard's inbox.
    fn resume(&self, resume: &Resume, now: Now);

    /// What is held.
    fn report(&self, now: Now) -> JournalReport;
}
