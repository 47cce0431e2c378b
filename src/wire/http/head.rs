//! Heads of requests.

use httparse::{EMPTY_HEADER, Header, Status};

use super::body::BodyFraming;
use super::limits::MAX_FIELDS;
use super::method::Method;
use super::rejection::Rejection;
use super::scanner::Outline;
use super::target::{Target, TargetForm};

/// Versions of HTTP/1. A higher minor version counts as 1.1 (RFC 9110, 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// The head of a request: a view of the bytes that it was read from, nothing in it decoded.
#[derive(Clone, Debug)]
pub struct Head<'b> {
    /// What is to be done.
    pub method: Method<'b>,
    /// How the target was written. It says what [`path`](Self::path) can be.
    pub form: TargetForm,
    /// `/…`; `*` for the asterisk form; empty for the authority form.
    pub path: &'b str,
    /// What follows the first `?` of the target.
    pub query: Option<&'b str>,
    /// The version.
    pub version: Version,
    /// Where the request is for: the Host field, which agrees with the target, or what only the target says. There is always one in HTTP/1.1.
    pub host: Option<&'b str>,
    /// How the body is delimited.
    pub body: BodyFraming,
    /// Whether the client would send another request on the connection (RFC 9112, 9.3).
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body. Never without a body, or in HTTP/1.0 (RFC 9110, 10.1.1).
    pub expects_continue: bool,
    /// Whether it expects what nobody knows: 417.
    pub expects_unknown: bool,
    fields: [Header<'b>; MAX_FIELDS],
    field_count: usize,
}

impl<'b> Head<'b> {
    /// Splits a head that a [`HeadScanner`](super::HeadScanner) has found sound. `bytes` begins with it.
    ///
    /// # Errors
    ///
    /// 400 if httparse reads the head differently from the scanner, or if `outline` is not of these bytes.
    pub fn parse(bytes: &'b [u8], outline: &Outline) -> Result<Self, Rejection> {
        let (method, version) = (outline.line.method(bytes), outline.line.version);
        let target = Target::parse(method, outline.line.target(bytes))?;
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let section = bytes.get(outline.fields..outline.length).unwrap_or_default();
        let field_count = match httparse::parse_headers(section, &mut fields) {
            Ok(Status::Complete((length, fields))) if length == section.len() => fields.len(),
            _ => return Err(Rejection::malformed("the fields can be read in more than one way")),
        };
        let mut head = Self {
            method: Method::of(method),
            form: target.form,
            path: target.path,
            query: target.query,
            version,
            host: None,
            body: outline.body,
            keep_alive: version == Version::Http11,
            expects_continue: false,
            expects_unknown: false,
            fields,
            field_count,
        };
        head.interpret();
        head.host = head.host.or(target.authority);
        Ok(head)
    }

    /// The value of the first field with this name, in any case.
    pub fn field(&self, name: &str) -> Option<&'b [u8]> {
        self.fields(name).next()
    }

    /// The values of all fields with this name, in any case, in their order.
    pub fn fields<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'b [u8]> + 's {
        self.all_fields().filter(move |field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1)
    }

    /// Names and values of all fields, in their order.
    pub fn all_fields(&self) -> impl Iterator<Item = (&'b str, &'b [u8])> {
        self.fields.iter().take(self.field_count).map(|field| (field.name, field.value))
    }

    /// Reads the fields that concern the connection, in one pass.
    fn interpret(&mut self) {
        let (mut close, mut keep_alive) = (false, false);
        for field in self.fields.iter().take(self.field_count) {
            match field.name.len() {
                4 if field.name.eq_ignore_ascii_case("host") => {
                    self.host = std::str::from_utf8(field.value).ok()
                }
                6 if field.name.eq_ignore_ascii_case("expect") => {
                    let is_continue = |expectation: &[u8]| expectation.eq_ignore_ascii_case(b"100-continue");
                    self.expects_continue |= elements(field.value).any(is_continue);
                    self.expects_unknown |= !elements(field.value).all(is_continue);
                }
                10 if field.name.eq_ignore_ascii_case("connection") => {
                    close |= elements(field.value).any(|option| option.eq_ignore_ascii_case(b"close"));
                    keep_alive |=
                        elements(field.value).any(|option| option.eq_ignore_ascii_case(b"keep-alive"));
                }
                _ => {}
            }
        }
        self.keep_alive = !close && (keep_alive || self.version == Version::Http11);
        self.expects_continue &= self.version == Version::Http11 && self.body != BodyFraming::Empty;
    }
}

/// The elements of a list (RFC 9110, 5.6.1), the empty ones left out.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}
