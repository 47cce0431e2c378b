//! Problem responses: `application/problem+json` (RFC 9457).

use std::borrow::Cow;

/// A refusal: `application/problem+json` (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request.
    pub detail: Cow<'static, str>,
    /// An additional response field, such as `Allow` or `Retry-After`.
    pub field: Option<(&'static str, Cow<'static, str>)>,
}

/// A kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProblemKind {
    /// The HTTP status. There is one kind for each.
    pub status: u16,
    /// The last part of `type`, after `urn:fanfare:problem:`.
    pub name: &'static str,
    /// The `title`: the reason phrase of the status (RFC 9110, 15).
    pub title: &'static str,
    /// What it means, and what to do about it.
    pub meaning: &'static str,
}

/// The first part of `type`.
pub const PROBLEM_TYPE: &str = "urn:fanfare:problem:";

const fn kind(status: u16, name: &'static str, title: &'static str, meaning: &'static str) -> ProblemKind {
    ProblemKind { status, name, title, meaning }
}

/// Every kind of problem.
///
#[doc = include_str!("problems.md")]
pub const PROBLEMS: [ProblemKind; 20] = [
    kind(
        400,
        "malformed",
        "Bad Request",
        "The request is not HTTP, its path, query or JSON is malformed, a query parameter is nearly one of ours, or it \
         is in doubt where the request ends. In the last case the connection is closed.",
    ),
    kind(
        401,
        "unauthenticated",
        "Unauthorized",
        "No credential was brought, or it does not count: `WWW-Authenticate` has `error=\"invalid_token\"` then.",
    ),
    kind(
        403,
        "forbidden",
        "Forbidden",
        "It is known who asks, and it is not permitted: the detail names the scope or the topic. In open mode: the \
         `Host` is not a loopback address.",
    ),
    kind(404, "not-found", "Not Found", "Nothing is at this path, or it is switched off here."),
    kind(405, "method-not-allowed", "Method Not Allowed", "The resource takes the methods in `Allow`."),
    kind(
        406,
        "not-acceptable",
        "Not Acceptable",
        "The stream is `text/event-stream`, which the `Accept` field excludes.",
    ),
    kind(
        408,
        "too-slow",
        "Request Timeout",
        "The head was not whole in time, or the body came too slowly. The connection is closed.",
    ),
    kind(
        409,
        "key-under-way",
        "Conflict",
        "A request with the same `Idempotency-Key` has not been answered yet. Nothing was published by this one; try \
         again after `Retry-After` seconds.",
    ),
    kind(413, "body-too-large", "Content Too Large", "The body is over the limit. The connection is closed."),
    kind(414, "target-too-long", "URI Too Long", "The target is over the limit. The connection is closed."),
    kind(
        415,
        "unsupported-media-type",
        "Unsupported Media Type",
        "The body is not of a type that `Accept` of the answer names, or it is encoded.",
    ),
    kind(417, "unknown-expectation", "Expectation Failed", "Only `100-continue` can be expected."),
    kind(
        422,
        "invalid-event",
        "Unprocessable Content",
        "Well-formed, but not an event that can be sent, or kept: the detail names the member, and of a batch the \
         line. Or something else was published with the same `Idempotency-Key`. Nothing was published.",
    ),
    kind(
        429,
        "rate-limited",
        "Too Many Requests",
        "Published faster than allowed, or too many connections from one address. Nothing was published; try again \
         after `Retry-After` seconds.",
    ),
    kind(
        431,
        "head-too-large",
        "Request Header Fields Too Large",
        "The fields are over the limit, in bytes or number. The connection is closed.",
    ),
    kind(500, "internal", "Internal Server Error", "A fault of the server, which is in its log."),
    kind(501, "method-unknown", "Not Implemented", "The server does not know the method."),
    kind(
        503,
        "unavailable",
        "Service Unavailable",
        "Full, draining, or the history on disk has failed: the detail says which. Nothing was published; try again after \
         `Retry-After` seconds.",
    ),
    kind(505, "version-unknown", "HTTP Version Not Supported", "HTTP/1.0 and HTTP/1.1 are spoken."),
    kind(
        507,
        "disk-full",
        "Insufficient Storage",
        "The disk that keeps history is full. Nothing was published; publishing goes on when there is room.",
    ),
];

impl Problem {
    /// Creates a problem with this status.
    pub fn new(status: u16, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into(), field: None }
    }

    /// Adds a response field.
    #[must_use]
    pub fn with_field(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.field = Some((name, value.into()));
        self
    }

    /// Makes it temporary: the client may try again after this many seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.with_field("Retry-After", seconds.to_string())
    }
}

/// The kind for a status.
pub(super) fn kind_of(status: u16) -> Option<&'static ProblemKind> {
    PROBLEMS.iter().find(|kind| kind.status == status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_for_readers_is_the_list() {
        let row = |kind: &ProblemKind| format!("| {} | `{}` | {} |", kind.status, kind.name, kind.meaning);
        let expected: Vec<String> = PROBLEMS.iter().map(row).collect();
        let listed: Vec<&str> =
            include_str!("problems.md").lines().filter(|line| line.starts_with('|')).skip(2).collect();
        assert_eq!(listed, expected);
        let mut statuses: Vec<u16> = PROBLEMS.iter().map(|kind| kind.status).collect();
        statuses.dedup();
        assert!(statuses.is_sorted() && statuses.len() == PROBLEMS.len(), "one kind a status, in order");
    }
}
