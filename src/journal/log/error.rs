//! What can go wrong with a log.

use std::io;

/// Why a log could not be opened. Nothing was overwritten.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    #[error("the history is in use by another process")]
    Locked,
    /// There is a file that is not of a history.
    #[error("{name} is not of a fanfare history: give the history a folder of its own")]
    Foreign {
        /// The file.
        name: String,
    },
    /// A newer version of this program has written it.
    #[error(
        "the history has format {format}, and this version of fanfare knows formats up to {known}: use a newer version"
    )]
    Newer {
        /// The format that was found.
        format: u32,
        /// The newest format that is known.
        known: u32,
    },
    /// The file system refused something.
    #[error("cannot {what} {name}: {error}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        name: String,
        /// Why it failed.
        #[source]
        error: io::Error,
    },
}

impl OpenError {
    /// The folder itself cannot be opened.
    pub(crate) fn folder(error: io::Error) -> Self {
        Self::io("open", "the folder", error)
    }

    pub(super) fn io(what: &'static str, name: &str, error: io::Error) -> Self {
        Self::Io { what, name: name.to_owned(), error }
    }
}

/// Why nothing of an append is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedAppend {
    /// There is no room on the disk. It may be tried again.
    #[error("the disk is full")]
    Full,
    /// An event cannot be stored.
    #[error(transparent)]
    Unstorable(#[from] Unstorable),
    /// The file system refused it. It may be tried again.
    #[error("cannot write the history: {0}")]
    Io(#[source] io::Error),
    /// A write or a sync has failed, so nobody knows what the disk holds. All appends are refused until the log is opened
    /// again.
    #[error("the history has failed, and takes no more until a restart")]
    Failed,
}

/// Why an event cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unstorable {
    /// Its target is a closure of the program.
    #[error("a target with a filter cannot be kept on disk: only an event with a ttl of zero can have one")]
    Filter,
    /// Exceptions from exceptions from exceptions.
    #[error("a target has at most {} levels of exceptions", super::address::MAX_DEPTH)]
    Depth,
    /// It and what is appended with it take more than a group has room for.
    #[error("what is published at once takes more than {} MiB on disk", super::group::MAX_BODY >> 20)]
    Size,
}
