//! Requests, and what a server must do with them: data without code of the server, for tests of its request reader and for
//! tests over sockets. They assume the default limits: head 16 KiB, target 8 KiB, 64 fields, body 1 MiB.

#[path = "requests/chunked.rs"]
mod chunked;
#[path = "requests/fields.rs"]
mod fields;
#[path = "requests/framing.rs"]
mod framing;
#[path = "requests/good.rs"]
mod good;
#[path = "requests/host.rs"]
mod host;
#[path = "requests/limits.rs"]
mod limits;
#[path = "requests/line.rs"]
mod line;

/// The bytes that one connection sends, and the expected results.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) input: Vec<u8>,
    /// The results in order. A rejection is the last; without one, the connection waits for more.
    pub(crate) expect: Vec<Expected>,
    /// Number of bytes of input after which the rejection must be known, and not before.
    pub(crate) at: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A complete request with its body. `target` is its path and query, without scheme and authority of an absolute form.
    Request { method: String, target: String, body: Vec<u8>, keeps_alive: bool },
    /// One answer with this status and `Connection: close`; the server ignores what follows.
    Rejected(u16),
}

/// All cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = good::cases();
    cases.extend(line::cases());
    cases.extend(fields::cases());
    cases.extend(host::cases());
    cases.extend(framing::cases());
    cases.extend(chunked::cases());
    cases.extend(limits::cases());
    cases
}

/// In the text of a case: follows the byte at which the server must reject the request.
const MARK: char = '¶';

/// Starts a request that is followed by field lines.
const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n";
/// Starts a request that is followed by field lines.
const POST: &str = "POST / HTTP/1.1\r\nHost: localhost\r\n";
/// The head of a chunked request.
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A request that keeps the connection.
fn request(method: &str, target: &str, body: impl AsRef<[u8]>) -> Expected {
    Expected::Request {
        method: method.into(),
        target: target.into(),
        body: body.as_ref().into(),
        keeps_alive: true,
    }
}

/// A request after which the connection is to be closed.
fn last(method: &str, target: &str, body: impl AsRef<[u8]>) -> Expected {
    Expected::Request {
        method: method.into(),
        target: target.into(),
        body: body.as_ref().into(),
        keeps_alive: false,
    }
}

/// Input after which the connection waits for more.
fn good(name: &'static str, input: impl AsRef<str>, expect: &[Expected]) -> Case {
    Case { name, input: input.as_ref().into(), expect: expect.to_vec(), at: None }
}

/// Input that is rejected at the mark.
fn bad(name: &'static str, status: u16, input: impl AsRef<str>) -> Case {
    bad_after(name, &[], status, input)
}

/// Good requests, and then one that is rejected at the mark.
fn bad_after(name: &'static str, expect: &[Expected], status: u16, input: impl AsRef<str>) -> Case {
    let input = input.as_ref();
    let expect = [expect, &[Expected::Rejected(status)]].concat();
    Case { name, input: input.replace(MARK, "").into(), expect, at: input.find(MARK) }
}

/// A GET with these field lines, rejected at the mark.
fn bad_get(name: &'static str, status: u16, lines: &str) -> Case {
    bad(name, status, [GET, lines].concat())
}

/// A POST with these field lines and this body, rejected at the mark.
fn bad_post(name: &'static str, status: u16, rest: &str) -> Case {
    bad(name, status, [POST, rest].concat())
}

/// A POST with this chunked body, rejected at the mark.
fn bad_chunks(name: &'static str, status: u16, body: &str) -> Case {
    bad(name, status, [CHUNKED, body].concat())
}
