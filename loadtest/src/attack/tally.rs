//! What the attackers got.

use std::collections::BTreeMap;

/// Counts over the whole attack.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    /// Connections that came about, as the kernel sees it: whether the server knows of them yet is another matter.
    pub(crate) connections: u64,
    /// Requests sent whole; of bodies all but the last byte, of heads what there is of them.
    pub(crate) requests: u64,
    /// Answers by status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Of the 200, those whose first event says that the stream is refused.
    pub(crate) refused: u64,
    /// Connections that the server closed.
    pub(crate) closed: u64,
    /// Connections that did not come about.
    pub(crate) failed: u64,
    /// Connections that were there at the end.
    pub(crate) held: u64,
}

impl Tally {
    pub(super) fn answered(&mut self, status: u16) {
        *self.statuses.entry(status).or_default() += 1;
    }
}
