//! Heads of requests.

use httparse::{EMPTY_HEADER, Header, Status};

use super::body::BodyFraming;
use super::limits::MAX_FIELDS;
use super::method::Method;
use super::rejection::Rejection;
use super::scanner::Outline;
use super::target::{Target, TargetForm};
use super::version::Version;

/// The head of a request: a view of the bytes that it was read from, without any decoding.
#[derive(Clone, Debug)]
pub struct Head<'b> {
    /// The method.
    pub method: Method<'b>,
    /// The form of the target, which determines what [`path`](Self::path) can be.
    pub form: TargetForm,
    /// `/…`; `*` for the asterisk form; empty for the authority form.
    pub path: &'b str,
    /// What follows the first `?` of the target.
    pub query: Option<&'b str>,
    /// The version.
    pub version: Version,
    /// The host that the request is for: the value of Host, which agrees with the target, or else the authority of the
    /// target. Always present in HTTP/1.1.
    pub host: Option<&'b str>,
    /// How the body is delimited.
    pub body: BodyFraming,
    /// Whether the client may send another request on the connection (RFC 9112, 9.3).
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body. Never without a body, or in
    /// HTTP/1.0 (RFC 9110, 10.1.1).
    pub expects_continue: bool,
    /// Whether it has an unknown expectation: 417.
    pub expects_unknown: bool,
    /// Boxed, since a head would otherwise be two kilobytes to move.
    fields: Box<[Header<'b>]>,
}

impl<'b> Head<'b> {
    /// Splits a head that a [`HeadScanner`](super::HeadScanner) has found valid. `bytes` begins with it.
    ///
    /// # Errors
    ///
    /// 400 if httparse reads the head differently from the scanner, or if `outline` is not of these bytes.
    pub fn parse(bytes: &'b [u8], outline: &Outline) -> Result<Self, Rejection> {
        let (method, version) = (outline.line.method(bytes), outline.line.version);
        let target = Target::parse(method, outline.line.target(bytes))?;
        let section = bytes.get(outline.fields..outline.length).unwrap_or_default();
        let fields = match split::<FEW_FIELDS>(section) {
            Err(httparse::Error::TooManyHeaders) => split::<MAX_FIELDS>(section),
            split => split,
        };
        let Ok(Some(fields)) = fields else {
            return Err(Rejection::malformed("the fields can be read in more than one way"));
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
        };
        head.interpret();
        head.host = head.host.or(target.authority);
        Ok(head)
    }

    /// The value of the first field with this name, in any case.
    pub fn field(&self, name: &str) -> Option<&'b [u8]> {
        self.fields(name).next()
    }

    /// The value of the only field with this name, in any case; `None` if there are several. For security decisions: a
    /// proxy before us may have checked another of them.
    pub fn only_field(&self, name: &str) -> Option<&'b [u8]> {
        let mut values = self.fields(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// The values of all fields with this name, in any case, in order.
    pub fn fields<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'b [u8]> + 's {
        self.all_fields().filter(move |field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1)
    }

    /// Names and values of all fields, in order.
    pub fn all_fields(&self) -> impl Iterator<Item = (&'b str, &'b [u8])> {
        self.fields.iter().map(|field| (field.name, field.value))
    }

    /// Reads the fields about the connection, in one pass.
    fn interpret(&mut self) {
        let (mut close, mut keep_alive) = (false, false);
        for field in &self.fields {
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

/// Nearly every head has fewer fields, and preparing room for [`MAX_FIELDS`] would take as long as splitting these.
const FEW_FIELDS: usize = 16;

/// Splits up to this many fields; `None` if something is left over.
fn split<const MOST: usize>(section: &[u8]) -> Result<Option<Box<[Header<'_>]>>, httparse::Error> {
    let mut fields = [EMPTY_HEADER; MOST];
    Ok(match httparse::parse_headers(section, &mut fields)? {
        Status::Complete((length, fields)) if length == section.len() => Some(Box::from(fields)),
        _ => None,
    })
}

/// The elements of a list (RFC 9110, 5.6.1), without empty ones.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::{HeadScanner, RequestLimits, Scan};
    use super::*;

    fn parse(bytes: &[u8]) -> Head<'_> {
        match HeadScanner::default().scan(bytes, &RequestLimits::default()) {
            Scan::Complete(outline) => Head::parse(bytes, &outline).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn with(fields: &str) -> String {
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n{fields}\r\n")
    }

    #[test]
    fn a_head_is_split() {
        let head = parse(b"\r\nGET http://A:80/b?c HTTP/1.1\r\nX: 1\r\nhost: a\r\nx:\t2 3 \r\n\r\nmore");
        assert_eq!(
            (head.method, head.version, head.body),
            (Method::Get, Version::Http11, BodyFraming::Empty)
        );
        assert_eq!((head.form, head.path, head.query), (TargetForm::Absolute, "/b", Some("c")));
        assert_eq!(head.host, Some("a"));
        assert_eq!((head.field("x"), head.field("Y")), (Some(&b"1"[..]), None));
        assert_eq!(head.fields("X").collect::<Vec<_>>(), [&b"1"[..], b"2 3"]);
        assert_eq!(head.all_fields().map(|field| field.0).collect::<String>(), "Xhostx");
    }

    #[test]
    fn only_the_target_may_say_where_a_request_goes_in_1_0() {
        assert_eq!(parse(b"GET http://a:8/ HTTP/1.0\r\n\r\n").host, Some("a:8"));
        assert_eq!(parse(b"CONNECT a:8 HTTP/1.0\r\n\r\n").host, Some("a:8"));
        assert_eq!(parse(b"CONNECT a:8 HTTP/1.1\r\nHost: b\r\n\r\n").host, Some("b"));
        assert_eq!(parse(b"GET / HTTP/1.0\r\n\r\n").host, None);
    }

    #[test]
    fn expectations_are_noted() {
        let cases = [
            ("", false, false),
            ("Expect:\r\n", false, false),
            ("Expect: 100-Continue\r\n", true, false),
            ("Expect: ,100-continue , \r\n", true, false),
            ("Expect: 100-continue\r\nExpect: x\r\n", true, true),
            ("Expect: 100-continue;a\r\n", false, true),
            ("Expect: 200-ok\r\n", false, true),
        ];
        for (fields, expects_continue, expects_unknown) in cases {
            let text = with(fields);
            let head = parse(text.as_bytes());
            assert_eq!(
                (head.expects_continue, head.expects_unknown),
                (expects_continue, expects_unknown),
                "{fields}"
            );
        }
        let old = with("Expect: 100-continue\r\n").replace("1.1", "1.0");
        assert!(!parse(old.as_bytes()).expects_continue);
        assert!(!parse(b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n").expects_continue);
    }

    #[test]
    fn an_outline_of_other_bytes_is_no_reason_to_panic() {
        let text = with("X: y\r\n");
        let Scan::Complete(outline) = HeadScanner::default().scan(text.as_bytes(), &RequestLimits::default())
        else {
            panic!("not complete")
        };
        for cut in 0..text.len() {
            assert_eq!(
                Head::parse(&text.as_bytes()[..cut], &outline).map_err(|error| error.status).err(),
                Some(400)
            );
        }
        assert!(Head::parse(&[b'\xff'; 1000], &outline).is_err());
    }
}
