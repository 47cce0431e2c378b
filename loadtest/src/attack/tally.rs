//! The counts of an attack.

use std::collections::BTreeMap;

/// Counts over the whole attack.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    /// Connections that the kernel has established; the server may not have accepted them.
    pub(crate) connections: u64,
    /// Requests sent, as far as the script sends them.
    pub(crate) requests: u64,
    /// Answers by status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Answers 200 whose first event refuses the stream.
    pub(crate) refused: u64,
    /// Connections that the server closed.
    pub(crate) closed: u64,
    /// Connections that failed.
    pub(crate) failed: u64,
    /// Connections that were open at the end.
    pub(crate) held: u64,
}

impl Tally {
    pub(super) fn answered(&mut self, status: u16) {
        *self.statuses.entry(status).or_default() += 1;
    }
}
