//! How far a shard has come with what was published.

use std::sync::Arc;

use super::command::Newest;
use crate::event::Record;

/// How far publications have been applied.
#[derive(Debug)]
pub(super) struct Applied {
    /// The newest event applied.
    pub(super) newest: Newest,
    /// A batch that is being published.
    pub(super) batch: Option<Batch>,
}

/// Several events that are published in a row, and how many of them were.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) records: Arc<[Arc<Record>]>,
    pub(super) published: usize,
}
