//! Which publications a shard has applied.

use std::sync::Arc;

use super::command::Newest;
use crate::event::Record;

/// Which publications have been applied.
#[derive(Debug)]
pub(super) struct Applied {
    /// The newest event applied.
    pub(super) newest: Newest,
    /// A batch that is being published.
    pub(super) batch: Option<Batch>,
}

/// The events of a batch, and how many of them are published.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) records: Arc<[Arc<Record>]>,
    pub(super) published: usize,
}
