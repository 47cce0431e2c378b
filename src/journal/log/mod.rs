//! The log on disk that stands behind a journal whose history survives.
//!
//! ```text
//! LOCK             held while the log is open; under which kernel, and how it ended
//! <seq>.log        segments: the records, in groups that are there whole or not at all
//! <seq>.idx        the index of a segment that is no longer written to
//! losses.a, .b     for whom what was lost is no longer there, in turns
//! *.new            a file that is not whole yet
//! ```
//!
//! Every file but the segment that is written to, `LOCK` and the losses is written once and then renamed into place. A log
//! has three ends, each for a thread that may wait for the disk: [`Appender`] writes groups and syncs them, [`Reader`]
//! reads, [`Maintenance`] seals segments and removes the old ones. None takes the time itself.
//!
//! What is promised, and proved by `tests/log`: what was appended is there after a crash if it was synced, in order; a batch
//! is there whole or not at all; no seq of an epoch is ever given to two events that anybody has seen; what is missing is
//! told to whom it may concern; nothing valid behind damage is removed.

mod address;
mod appender;
mod disk;
mod epochs;
mod error;
mod folder;
mod found;
mod group;
mod index_file;
mod index_format;
mod input;
mod key;
mod lock;
mod losses;
mod maintenance;
mod memory_index;
mod options;
mod reader;
mod record;
mod recovery;
mod replay;
mod scan;
mod sealing;
mod segment;
mod shared;
mod window;

pub use address::storable;
pub use appender::{Append, Appender, Unsynced};
pub use disk::{Disk, File};
pub use error::{OpenError, RefusedAppend, Unstorable};
pub use folder::Folder;
pub use key::Query;
pub use maintenance::{Done, Maintenance};
pub use options::{LogOptions, SEGMENT_BYTES};
pub use reader::{KeptKey, LogReport, Reader};
pub use record::{AppendKey, Entry, Stored};
pub use recovery::{Log, Opening, Recovery};
pub use replay::{Budget, Piece, Replay};
