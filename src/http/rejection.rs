//! Invalid requests.

use std::fmt;

use super::limits::RequestLimits;

/// Why a request is not interpreted further. It is answered once, with `Connection: close`, and nothing that follows it
/// on the connection is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// 400 if the framing is in doubt; 413, 414 or 431 if something is too large; 505.
    pub status: u16,
    /// What is wrong, for the client: one clause without a full stop.
    pub detail: &'static str,
    /// The limit that is exceeded, and what it counts.
    pub limit: Option<(usize, &'static str)>,
}

impl Rejection {
    /// 400: neither the contents of the request nor its end can be relied on.
    pub(super) const fn malformed(detail: &'static str) -> Self {
        Self { status: 400, detail, limit: None }
    }

    pub(super) const fn body_too_large(limits: &RequestLimits) -> Self {
        let detail = "the body is larger than this server takes";
        Self { status: 413, detail, limit: Some((limits.body, "bytes")) }
    }

    pub(super) const fn target_too_long(limits: &RequestLimits) -> Self {
        let detail = "the request target is longer than this server takes";
        Self { status: 414, detail, limit: Some((limits.target, "bytes")) }
    }

    pub(super) const fn head_too_large(limits: &RequestLimits) -> Self {
        let detail = "the head is larger than this server takes";
        Self { status: 431, detail, limit: Some((limits.head, "bytes")) }
    }

    pub(super) const fn too_many_fields(most: usize) -> Self {
        let detail = "there are more fields than this server takes";
        Self { status: 431, detail, limit: Some((most, "fields")) }
    }

    pub(super) const fn version() -> Self {
        Self { status: 505, detail: "this server speaks HTTP/1.1 and HTTP/1.0", limit: None }
    }

    pub(super) const fn bare_lf() -> Self {
        Self::malformed("a line ends with LF alone")
    }

    pub(super) const fn bare_cr() -> Self {
        Self::malformed("a CR is not followed by LF")
    }

    /// Whether the target or the head is too large, and nothing else is wrong.
    pub fn is_of_size(&self) -> bool {
        matches!(self.status, 414 | 431)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail)?;
        match self.limit {
            Some((most, unit)) => write!(f, ": at most {most} {unit}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Rejection {}
