//! Answers to requests that are not streams.

use std::borrow::Cow;

use serde::Serialize;

use super::problem::{PROBLEM_TYPE, Problem, kind_of};
use crate::event::EventId;

/// An answer with a body of known length.
#[derive(Clone, Debug)]
pub struct Response {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
    fields: Vec<(&'static str, Cow<'static, str>)>,
    cache_control: &'static str,
}

/// What is told here may be another a moment later.
const NO_STORE: &str = "no-store";

/// The way in which an answer is given.
#[derive(Clone, Copy, Debug)]
pub struct ResponseOptions<'m> {
    /// The body is left out, as in the answer to HEAD.
    pub head_only: bool,
    /// The connection ends with it.
    pub close: bool,
    /// The value of the `Date` field.
    pub date: &'m str,
    /// More fields, each with its line end: what [`Cors`](super::Cors) says.
    pub cross_origin: &'m [u8],
}

impl Response {
    /// An answer with a JSON body.
    pub fn json<T: Serialize + ?Sized>(status: u16, value: &T) -> Self {
        // Our own plain structs always serialize.
        let body = serde_json::to_vec(value).unwrap_or_default();
        Self { status, content_type: "application/json", body, fields: Vec::new(), cache_control: NO_STORE }
    }

    /// The answer to a publication: that it was taken, and its id.
    pub fn published(id: EventId) -> Self {
        let mut body = Vec::with_capacity(64);
        body.extend_from_slice(b"{\"id\":\"");
        // Writing to memory cannot fail, and nothing in an id needs to be escaped.
        let _ = id.write_to(&mut body);
        body.extend_from_slice(b"\"}");
        Self {
            status: 202,
            content_type: "application/json",
            body,
            fields: Vec::new(),
            cache_control: NO_STORE,
        }
    }

    /// The answer to what was sent at once, and has no id.
    pub fn sent() -> Self {
        Self::json(202, &serde_json::json!({ "id": null }))
    }

    /// An answer with a plain text body.
    pub fn text(status: u16, text: &str) -> Self {
        let (content_type, body) = ("text/plain; charset=utf-8", text.into());
        Self { status, content_type, body, fields: Vec::new(), cache_control: NO_STORE }
    }

    /// An answer without a body (204).
    pub fn empty() -> Self {
        Self { status: 204, content_type: "", body: Vec::new(), fields: Vec::new(), cache_control: NO_STORE }
    }

    /// An answer that says: what you have is still right (304).
    pub fn not_modified() -> Self {
        Self { status: 304, ..Self::empty() }
    }

    /// With this `Cache-Control`, in place of `no-store`.
    #[must_use]
    pub fn cached(mut self, cache_control: &'static str) -> Self {
        self.cache_control = cache_control;
        self
    }

    /// With one more response field.
    #[must_use]
    pub fn with_field(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// With a body of that type.
    #[must_use]
    pub fn of_type(mut self, content_type: &'static str) -> Self {
        self.content_type = content_type;
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Appends the answer.
    pub fn write(&self, out: &mut Vec<u8>, manner: ResponseOptions<'_>) {
        let ResponseOptions { head_only, close, date, cross_origin } = manner;
        // Put together piece by piece: every publication is answered, and formatting is a large part of that.
        let mut put = |pieces: &[&str]| pieces.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
        let mut number = itoa::Buffer::new();
        let (status, reason) = (number.format(self.status), reason_phrase(self.status));
        put(&["HTTP/1.1 ", status, " ", reason, "\r\nDate: ", date, "\r\n"]);
        // Neither has a body, nor says how long it would be.
        if !matches!(self.status, 204 | 304) {
            let length = number.format(self.body.len());
            put(&["Content-Type: ", self.content_type, "\r\nContent-Length: ", length, "\r\n"]);
        }
        for (name, value) in &self.fields {
            put(&[name, ": ", value, "\r\n"]);
        }
        if close {
            put(&["Connection: close\r\n"]);
        }
        put(&["Cache-Control: ", self.cache_control, "\r\n"]);
        out.extend_from_slice(cross_origin);
        out.extend_from_slice(b"\r\n");
        if !head_only {
            out.extend_from_slice(&self.body);
        }
    }
}

/// The phrase of a status (RFC 9110, 15).
fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        204 => "No Content",
        304 => "Not Modified",
        status => title_of(status),
    }
}

/// The phrase of a refusing status.
fn title_of(status: u16) -> &'static str {
    kind_of(status).map_or("", |kind| kind.title)
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        #[derive(Serialize)]
        struct Body<'p> {
            r#type: String,
            title: &'p str,
            status: u16,
            detail: &'p str,
        }
        let Problem { status, detail, field } = problem;
        let r#type = kind_of(status)
            .map_or_else(|| "about:blank".to_owned(), |kind| format!("{PROBLEM_TYPE}{}", kind.name));
        let body = Body { r#type, title: title_of(status), status, detail: &detail };
        let response = Self::json(status, &body).of_type("application/problem+json");
        match field {
            Some((name, value)) => response.with_field(name, value),
            None => response,
        }
    }
}
