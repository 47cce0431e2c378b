//! Responses to requests that are not streams.

use std::borrow::Cow;

use serde::Serialize;

use super::problem::{PROBLEM_TYPE, Problem, kind_of};
use crate::event::EventId;

/// A response with a body of known length.
#[derive(Clone, Debug)]
pub struct Response {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
    fields: Vec<(&'static str, Cow<'static, str>)>,
    cache_control: &'static str,
}

/// The contents may change at any time.
const NO_STORE: &str = "no-store";

/// How to write a response.
#[derive(Clone, Copy, Debug)]
pub struct ResponseOptions<'m> {
    /// Omit the body, as for HEAD.
    pub head_only: bool,
    /// Close the connection after the response.
    pub close: bool,
    /// The value of the `Date` field.
    pub date: &'m str,
    /// Additional fields, each with its line end: those of [`Cors`](super::Cors).
    pub cross_origin: &'m [u8],
}

impl Response {
    /// A response with a JSON body.
    pub fn json<T: Serialize + ?Sized>(status: u16, value: &T) -> Self {
        // Serializing our own plain structs cannot fail.
        let body = serde_json::to_vec(value).unwrap_or_default();
        Self { status, content_type: "application/json", body, fields: Vec::new(), cache_control: NO_STORE }
    }

    /// A response whose body is written already.
    pub fn of_json(status: u16, body: Vec<u8>) -> Self {
        Self { status, content_type: "application/json", body, fields: Vec::new(), cache_control: NO_STORE }
    }

    /// The response to a publication: accepted, with its id.
    pub fn published(id: EventId) -> Self {
        let mut body = Vec::with_capacity(64);
        body.extend_from_slice(b"{\"id\":\"");
        // Writing to memory cannot fail, and an id needs no escaping.
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

    /// The response for an event that was sent at once and has no id.
    pub fn sent() -> Self {
        Self::json(202, &serde_json::json!({ "id": null }))
    }

    /// A response with a plain text body.
    pub fn text(status: u16, text: &str) -> Self {
        let (content_type, body) = ("text/plain; charset=utf-8", text.into());
        Self { status, content_type, body, fields: Vec::new(), cache_control: NO_STORE }
    }

    /// A response without a body (204).
    pub fn empty() -> Self {
        Self { status: 204, content_type: "", body: Vec::new(), fields: Vec::new(), cache_control: NO_STORE }
    }

    /// A response for a client whose copy is current (304).
    pub fn not_modified() -> Self {
        Self { status: 304, ..Self::empty() }
    }

    /// Sets `Cache-Control`, in place of `no-store`.
    #[must_use]
    pub fn cached(mut self, cache_control: &'static str) -> Self {
        self.cache_control = cache_control;
        self
    }

    /// Adds a response field.
    #[must_use]
    pub fn with_field(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Sets the content type.
    #[must_use]
    pub fn of_type(mut self, content_type: &'static str) -> Self {
        self.content_type = content_type;
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Appends the encoded response.
    pub fn write(&self, out: &mut Vec<u8>, manner: ResponseOptions<'_>) {
        let ResponseOptions { head_only, close, date, cross_origin } = manner;
        // Written piece by piece, since every publication is answered and formatting would be a large part of the cost.
        let mut put = |pieces: &[&str]| pieces.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
        let mut number = itoa::Buffer::new();
        let (status, reason) = (number.format(self.status), reason_phrase(self.status));
        put(&["HTTP/1.1 ", status, " ", reason, "\r\nDate: ", date, "\r\n"]);
        // These have no body, and no length.
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

/// The reason phrase of a status (RFC 9110, 15).
fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        204 => "No Content",
        304 => "Not Modified",
        status => title_of(status),
    }
}

/// The reason phrase of an error status.
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
