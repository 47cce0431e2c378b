//! Answers to requests that are not streams.

use std::borrow::Cow;
use std::io::Write as _;

use serde::Serialize;

/// A refusal: `application/problem+json` (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What was wrong with this very request.
    pub detail: Cow<'static, str>,
    /// One more response field, such as `Allow` or `Retry-After`.
    pub field: Option<(&'static str, Cow<'static, str>)>,
}

impl Problem {
    /// A refusal of that status.
    pub fn new(status: u16, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into(), field: None }
    }

    /// With one more response field.
    #[must_use]
    pub fn with_field(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.field = Some((name, value.into()));
        self
    }

    /// A refusal for now: the client may try again after so many seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.with_field("Retry-After", seconds.to_string())
    }
}

/// An answer with a body of known length.
#[derive(Clone, Debug)]
pub struct Response {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
    field: Option<(&'static str, Cow<'static, str>)>,
}

impl Response {
    /// An answer with a JSON body.
    pub fn json<T: Serialize + ?Sized>(status: u16, value: &T) -> Self {
        // Our own plain structs always serialize.
        let body = serde_json::to_vec(value).unwrap_or_default();
        Self { status, content_type: "application/json", body, field: None }
    }

    /// An answer with a plain text body.
    pub fn text(status: u16, text: &str) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: text.into(), field: None }
    }

    /// An answer without a body (204).
    pub fn empty() -> Self {
        Self { status: 204, content_type: "", body: Vec::new(), field: None }
    }

    /// With one more response field.
    #[must_use]
    pub fn with_field(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.field = Some((name, value.into()));
        self
    }

    /// Appends the answer. `head_only` leaves the body out, as the answer to HEAD does; `close` announces
    /// that the connection ends with it; `date` is the value of the `Date` field.
    pub fn write(&self, out: &mut Vec<u8>, head_only: bool, close: bool, date: &str) {
        let _ = write!(out, "HTTP/1.1 {} {}\r\nDate: {date}\r\n", self.status, reason_phrase(self.status));
        if !self.content_type.is_empty() {
            let length = self.body.len();
            let _ = write!(out, "Content-Type: {}\r\nContent-Length: {length}\r\n", self.content_type);
        }
        if let Some((name, value)) = &self.field {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        if close {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        out.extend_from_slice(b"Cache-Control: no-store\r\n\r\n");
        if !head_only {
            out.extend_from_slice(&self.body);
        }
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        #[derive(Serialize)]
        struct Body<'p> {
            r#type: &'p str,
            title: &'p str,
            status: u16,
            detail: &'p str,
        }
        let Problem { status, detail, field } = problem;
        let body = Body { r#type: "about:blank", title: reason_phrase(status), status, detail: &detail };
        Self { content_type: "application/problem+json", field, ..Self::json(status, &body) }
    }
}

/// The phrase of a status (RFC 9110, 15).
fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
