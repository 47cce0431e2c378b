//! An independent, strict HTTP/1.1 response parser (RFC 9112). It shares no code with the server.

#![allow(dead_code, unreachable_pub, reason = "shared by test binaries that each use a part of it")]

/// The head of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status code.
    pub status: u16,
    /// Names, in lower case, and values, in order.
    pub fields: Vec<(String, String)>,
}

impl ResponseHead {
    /// The value of a field. Panics if the field is repeated.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "field {name} is repeated");
        value
    }
}

/// A parsed part of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A head. No `End` follows that of an interim response (1xx).
    Head(ResponseHead),
    /// A part of a body; exactly one chunk if the body is chunked.
    Data(Vec<u8>),
    /// The body is complete.
    End,
}

/// Parses the responses on one connection incrementally. Panics on anything that is not valid HTTP.
#[derive(Debug, Default)]
pub struct ResponseReader {
    buffer: Vec<u8>,
    body: Body,
    /// Whether each request was a HEAD, whose response has no body.
    heads: std::collections::VecDeque<bool>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Body {
    #[default]
    None,
    Length(usize),
    Chunked,
    UntilClose,
}

impl ResponseReader {
    /// A parser at the start of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells whether the next response answers a HEAD request. The default is that it does not.
    pub fn expect(&mut self, is_head: bool) {
        self.heads.push_back(is_head);
    }

    /// Whether the connection may end here: between responses, or in a body that the end of the connection ends.
    pub fn may_end(&self) -> bool {
        self.buffer.is_empty() && matches!(self.body, Body::None | Body::UntilClose)
    }

    /// Whether a body is incomplete.
    pub fn in_body(&self) -> bool {
        self.body != Body::None
    }

    /// Takes bytes, split anywhere, and returns the parts that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Part> {
        self.buffer.extend_from_slice(bytes);
        let mut parts = Vec::new();
        while self.step(&mut parts) {}
        parts
    }

    fn step(&mut self, parts: &mut Vec<Part>) -> bool {
        match self.body {
            Body::None => self.head(parts),
            Body::Length(0) => {
                self.body = Body::None;
                parts.push(Part::End);
                true
            }
            Body::Length(left) => {
                let count = left.min(self.buffer.len());
                if count > 0 {
                    parts.push(Part::Data(self.buffer.drain(..count).collect()));
                    self.body = Body::Length(left - count);
                }
                count > 0
            }
            Body::UntilClose => {
                if !self.buffer.is_empty() {
                    parts.push(Part::Data(std::mem::take(&mut self.buffer)));
                }
                false
            }
            Body::Chunked => self.chunk(parts),
        }
    }

    fn head(&mut self, parts: &mut Vec<Part>) -> bool {
        let Some(end) = find(&self.buffer, b"\r\n\r\n") else { return false };
        let text = String::from_utf8(self.buffer.drain(..end + 4).collect()).expect("a head in ASCII");
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).expect("a status line");
        assert!(status.len() > 4 && status.as_bytes()[3] == b' ', "status line {status:?}");
        let status: u16 = status[..3].parse().expect("a status");
        let fields: Vec<_> = lines.map(field).collect();
        let head = ResponseHead { status, fields };
        let is_head = status >= 200 && self.heads.pop_front().unwrap_or(false);
        let length = head.field("content-length").map(|length| length.parse().expect("a length"));
        let chunked = head.field("transfer-encoding").map(|coding| assert_eq!(coding, "chunked")).is_some();
        assert!(!(chunked && length.is_some()), "two framings");
        self.body = match (chunked, length) {
            _ if status < 200 => Body::None,
            _ if is_head || matches!(status, 204 | 304) => Body::Length(0),
            (true, _) => Body::Chunked,
            (_, Some(length)) => Body::Length(length),
            _ => Body::UntilClose,
        };
        parts.push(Part::Head(head));
        true
    }

    fn chunk(&mut self, parts: &mut Vec<Part>) -> bool {
        let Some(end) = find(&self.buffer, b"\r\n") else { return false };
        let size = std::str::from_utf8(&self.buffer[..end]).expect("a chunk size");
        let size = usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("chunk size {size:?}"));
        let whole = end + 2 + size + 2;
        if self.buffer.len() < whole {
            return false;
        }
        let chunk: Vec<u8> = self.buffer.drain(..whole).collect();
        assert_eq!(&chunk[whole - 2..], b"\r\n", "the end of a chunk");
        if size == 0 {
            self.body = Body::None;
            parts.push(Part::End);
        } else {
            parts.push(Part::Data(chunk[end + 2..whole - 2].to_vec()));
        }
        true
    }
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("field line {line:?}"));
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    assert!(!name.is_empty() && name.bytes().all(token), "field name {name:?}");
    assert!(!value.bytes().any(|byte| byte < b' ' && byte != b'\t'), "field value {value:?}");
    (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned())
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_same_however_the_bytes_are_cut() {
        let input = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok\
            HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
            HTTP/1.1 200 OK\r\n\r\nrest";
        let mut whole = ResponseReader::new();
        let expected = whole.push(input);
        let statuses: Vec<u16> = expected
            .iter()
            .filter_map(|part| if let Part::Head(head) = part { Some(head.status) } else { None })
            .collect();
        assert_eq!(statuses, [100, 202, 204, 200, 200]);
        assert!(whole.may_end());
        let join = |parts: Vec<Part>| {
            parts
                .into_iter()
                .map(|part| match part {
                    Part::Head(head) => format!("<{}>", head.status),
                    Part::Data(data) => String::from_utf8(data).unwrap(),
                    Part::End => "<end>".to_owned(),
                })
                .collect::<String>()
        };
        let expected = join(expected);
        for cut in 0..=input.len() {
            let mut reader = ResponseReader::new();
            let mut parts = reader.push(&input[..cut]);
            parts.extend(reader.push(&input[cut..]));
            assert_eq!(join(parts), expected, "cut at {cut}");
        }
    }
}
