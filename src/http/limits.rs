//! How large a request may be.

/// Most field lines that a head can hold, whatever [`RequestLimits::fields`] says: a [`Head`](super::Head)
/// keeps them in an array.
pub const MAX_FIELDS: usize = 64;

/// How large a request may be. They must not change while a request is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Bytes of a head, from the first (an empty line that is skipped counts) to its empty line: 431 beyond
    /// it. Trailers have as much again. Default 16 KiB.
    pub head: usize,
    /// Bytes of a request target: 414 beyond it. Default 8 KiB.
    pub target: usize,
    /// Field lines of a head, and of a trailer section: 431 beyond it. At most, and by default,
    /// [`MAX_FIELDS`].
    pub fields: usize,
    /// Bytes of a body's payload: 413 beyond it. Default 1 MiB.
    pub body: usize,
}

impl RequestLimits {
    /// Field lines that are taken.
    pub(super) fn field_lines(&self) -> usize {
        self.fields.min(MAX_FIELDS)
    }

    /// Bytes of payload that are taken.
    pub(super) fn payload(&self) -> u64 {
        u64::try_from(self.body).unwrap_or(u64::MAX)
    }
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self { head: 16 << 10, target: 8 << 10, fields: MAX_FIELDS, body: 1 << 20 }
    }
}
