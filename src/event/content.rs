//! Events as publishers create them: a name, data and a reconnection time.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

/// Longest event name, in bytes.
pub const MAX_EVENT_NAME: usize = 256;
/// Longest reconnection time that clients can be sent, in ms: one day. A client with a longer one would hardly come
/// back.
pub const MAX_RETRY_MS: u64 = 24 * 60 * 60 * 1000;
/// Event names that only the server uses.
const RESERVED: [&str; 2] = ["connection", "ping"];

/// Why an event is invalid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The name cannot be written in an `event:` field.
    #[error("event names are 1 to {MAX_EVENT_NAME} bytes without control characters")]
    Name,
    /// The name is reserved for the server: `connection` or `ping`.
    #[error("cannot be connection or ping: these are the server's own")]
    Reserved,
    /// The reconnection time is too long.
    #[error("the reconnection time must be at most {MAX_RETRY_MS} ms, which is one day")]
    Retry,
    /// The payload did not serialize to JSON.
    #[error("the data does not serialize to JSON: {0}")]
    Data(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An event: a name and data, without a target.
///
/// A name is 1 to [`MAX_EVENT_NAME`] bytes without control characters ([`EventError::Name`]), and neither `connection`
/// nor `ping` ([`EventError::Reserved`]).
///
/// ```
/// use fanfare::Event;
/// let event = Event::json("price", &serde_json::json!({"eur": 3}))?.retry(5_000);
/// assert_eq!(event.name(), "price");
/// # Ok::<(), fanfare::EventError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Event {
    name: Option<Box<str>>,
    data: Data,
    retry: Option<u64>,
}

/// The data of an event, in the form in which it is sent.
#[derive(Clone, Debug)]
enum Data {
    /// JSON text without white space between tokens, so without a line end.
    Json(Box<str>),
    /// Any text; each of its lines becomes a `data:` line.
    Text(Box<str>),
}

impl Event {
    /// Creates an event whose data is `value` as JSON on one line.
    pub fn json<T: Serialize + ?Sized>(name: &str, value: &T) -> Result<Self, EventError> {
        let data = serde_json::to_string(value).map_err(|error| EventError::Data(error.into()))?;
        Ok(Self { name: checked(name)?, data: Data::Json(data.into()), retry: None })
    }

    /// Creates an event whose data is already serialized JSON. Numbers, strings and the order of members stay as they
    /// are; white space between tokens is removed.
    pub fn raw_json(name: &str, json: &RawValue) -> Result<Self, EventError> {
        Ok(Self { name: checked(name)?, data: Data::Json(compact(json.get()).into()), retry: None })
    }

    /// Creates an event whose data is `text`, sent line by line. CRLF, LF and CR end a line (WHATWG HTML 9.2.6), so a
    /// client reads all three as LF.
    pub fn text(name: &str, text: &str) -> Result<Self, EventError> {
        Ok(Self { name: checked(name)?, data: Data::Text(text.into()), retry: None })
    }

    /// Also tells clients to wait `ms` milliseconds before they reconnect: from 0 to [`MAX_RETRY_MS`], one day.
    /// Publishing a longer time fails with [`EventError::Retry`].
    #[must_use]
    pub fn retry(mut self, ms: u64) -> Self {
        self.retry = Some(ms);
        self
    }

    /// The name under which clients dispatch the event; `message` is sent without an `event:` field.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("message")
    }

    /// The reconnection time that is sent with the event, in ms.
    pub(crate) fn retry_ms(&self) -> Option<u64> {
        self.retry
    }

    /// Whether the data is text rather than JSON.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.data, Data::Text(_))
    }

    /// Checks what the constructors could not.
    pub(crate) fn check(&self) -> Result<(), EventError> {
        match self.retry {
            Some(ms) if ms > MAX_RETRY_MS => Err(EventError::Retry),
            _ => Ok(()),
        }
    }

    /// The number of bytes that [`write_fields`](Self::write_fields) appends; for text of several lines an estimate
    /// from below.
    pub(crate) fn fields_size(&self) -> usize {
        let (Data::Json(data) | Data::Text(data)) = &self.data;
        let name = self.name.as_ref().map_or(0, |name| "event: \n".len() + name.len());
        name + "data: \n".len() + data.len() + "\n".len()
    }

    /// Appends the `event:` and `data:` lines and the empty line that ends the event.
    pub(crate) fn write_fields(&self, out: &mut Vec<u8>) {
        if let Some(name) = &self.name {
            line(out, b"event: ", name);
        }
        match &self.data {
            Data::Json(json) => line(out, b"data: ", json),
            Data::Text(text) => lines(text).for_each(|text| line(out, b"data: ", text)),
        }
        out.push(b'\n');
    }
}

fn line(out: &mut Vec<u8>, field: &[u8], value: &str) {
    out.extend_from_slice(field);
    out.extend_from_slice(value.as_bytes());
    out.push(b'\n');
}

/// Writes nothing for `message`, the name that clients assume without the field.
fn checked(name: &str) -> Result<Option<Box<str>>, EventError> {
    // `char::is_control` is exactly C0, DEL and C1.
    if name.is_empty() || name.len() > MAX_EVENT_NAME || name.chars().any(char::is_control) {
        return Err(EventError::Name);
    }
    if RESERVED.contains(&name) {
        return Err(EventError::Reserved);
    }
    Ok((name != "message").then(|| name.into()))
}

/// The lines of a text in an event stream: they end at CRLF, LF and CR, and nowhere else.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\r', '\n']) else {
            rest = None;
            return Some(text);
        };
        let width = if text[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&text[end + width..]);
        Some(&text[..end])
    })
}

/// Removes the white space between the tokens of valid JSON.
fn compact(json: &str) -> Cow<'_, str> {
    let is_space = |byte: u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    // Not `any`: since it stops at the first match, it cannot check many bytes at once.
    if !json.bytes().fold(false, |found, byte| found | is_space(byte)) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    let (mut in_string, mut escaped, mut start) = (false, false, 0);
    for (at, byte) in json.bytes().enumerate() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte == b'"' {
            in_string = true;
        } else if is_space(byte) {
            out.push_str(&json[start..at]);
            start = at + 1;
        }
    }
    out.push_str(&json[start..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(event: &Event) -> String {
        let mut out = Vec::new();
        event.write_fields(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_split_at_the_three_line_ends_only() {
        let cases = [
            ("", "data: \n\n"),
            ("a", "data: a\n\n"),
            (" a", "data:  a\n\n"),
            ("a\nb", "data: a\ndata: b\n\n"),
            ("a\r\nb\rc\n", "data: a\ndata: b\ndata: c\ndata: \n\n"),
            ("a\r\rb", "data: a\ndata: \ndata: b\n\n"),
            ("a\n\r\nb", "data: a\ndata: \ndata: b\n\n"),
            ("a\u{2028}b\u{85}c", "data: a\u{2028}b\u{85}c\n\n"),
        ];
        for (text, expected) in cases {
            assert_eq!(fields(&Event::text("message", text).unwrap()), expected, "{text:?}");
        }
    }

    #[test]
    fn raw_json_keeps_every_byte_but_white_space_between_tokens() {
        let cases = [
            ("1.0e+5", "1.0e+5"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("{ \"b\" : 1,\r\n\t\"a\" : \" x\\\" y \" }", "{\"b\":1,\"a\":\" x\\\" y \"}"),
            (r#"{"a" : "\\" , "b" : " "}"#, r#"{"a":"\\","b":" "}"#),
            ("[ ]", "[]"),
            (r#""\u2028 é""#, r#""\u2028 é""#),
        ];
        for (json, expected) in cases {
            let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
            let event = Event::raw_json("message", &raw).unwrap();
            assert_eq!(fields(&event), format!("data: {expected}\n\n"), "{json}");
        }
    }

    #[test]
    fn names_that_could_forge_a_field_are_refused() {
        for name in ["", "a\nb", "a\rb", "\0", "a\u{7f}", "a\u{85}b", "\u{9f}", "\t"] {
            assert!(matches!(Event::text(name, ""), Err(EventError::Name)), "{name:?}");
        }
        assert!(Event::text(&"n".repeat(MAX_EVENT_NAME + 1), "").is_err());
        for name in ["connection", "ping"] {
            assert!(matches!(Event::text(name, ""), Err(EventError::Reserved)), "{name}");
            assert!(matches!(Event::json(name, &1), Err(EventError::Reserved)), "{name}");
        }
        for name in ["a b", "a:b", " a", "é", "\u{2028}", "Ping", "PING", "ping ", "pings", "Connection"] {
            let event = Event::text(name, "").unwrap();
            assert_eq!(fields(&event), format!("event: {name}\ndata: \n\n"));
        }
    }
}
