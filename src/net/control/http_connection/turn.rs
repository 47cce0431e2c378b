//! How much of one connection is looked at before others have their turn.

/// The most of one connection that a turn looks at.
#[derive(Clone, Copy)]
pub(in crate::net::control) struct Turn {
    pub(in crate::net::control) most_reads: usize,
    /// In bytes; one is looked at in any case.
    pub(in crate::net::control) most_heads: usize,
    /// One is looked at in any case.
    pub(in crate::net::control) most_requests: usize,
}
