//! The journal whose history survives: the log on disk, and the newest events in memory.
//!
//! Publications wait in a queue. The committer takes all that wait, writes them to the log as one group, syncs once where
//! that is asked for, and only then delivers and acknowledges them. A stream whose position the memory still holds is
//! answered from there; for an older one the replayer reads the log, in pieces. The last part of every answer is taken from
//! memory under the lock under which events are delivered, so each event is either in the answer or behind it.
//!
//! Each piece of [`Work`] has a thread of its own, since it waits for the disk. No event loop and no control thread does.

mod committer;
mod counters;
mod hot;
mod journal;
mod opening;
mod options;
mod queue;
mod replayer;
mod report;
mod shared;
mod syncer;
mod upkeep;
mod work;

pub use committer::Committer;
pub use journal::DurableJournal;
pub use opening::{DurableLog, Opened};
pub use options::{DurableOptions, SyncPolicy};
pub use replayer::Replayer;
pub use report::DiskReport;
pub use syncer::Syncer;
pub use upkeep::Upkeep;
pub use work::{Clock, Work};
