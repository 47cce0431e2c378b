//! An HTTP/1 client on one connection. It sends requests as bytes, parses answers strictly, and every wait has a deadline.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::clock::{Deadline, PATIENCE};
use super::response::{Part, ResponseHead, ResponseReader};

/// A connection to a server.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    reader: ResponseReader,
    parts: VecDeque<Part>,
    ended: bool,
}

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The head.
    pub head: ResponseHead,
    /// The body.
    pub body: Vec<u8>,
    /// Statuses of the interim answers before it.
    pub interim: Vec<u16>,
}

impl Connection {
    /// Connects to the server.
    pub fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect_timeout(&address, PATIENCE).expect("a connection");
        Self::over(socket)
    }

    /// Uses a connected socket.
    pub fn over(socket: TcpStream) -> Self {
        socket.set_nodelay(true).expect("no delay");
        socket.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Self { socket, reader: ResponseReader::new(), parts: VecDeque::new(), ended: false }
    }

    /// Sends bytes unchanged.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).expect("the server takes what is sent");
    }

    /// Sends bytes. Returns false if the server has closed the connection.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.socket.write_all(bytes.as_ref()).is_ok()
    }

    /// Closes the sending direction.
    pub fn finish_sending(&self) {
        // The server may have closed already.
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Expects the next answer to be without a body, as for a HEAD request.
    pub fn expect_head_only(&mut self) {
        self.reader.expect(true);
    }

    /// For each of the next answers, whether it is to a HEAD.
    pub fn expect_heads(&mut self, heads: impl IntoIterator<Item = bool>) {
        heads.into_iter().for_each(|is_head| self.reader.expect(is_head));
    }

    /// Sends a request, and returns the answer. `fields` are whole lines.
    pub fn request(&mut self, method: &str, target: &str, fields: &str, body: impl AsRef<[u8]>) -> Response {
        if method == "HEAD" {
            self.expect_head_only();
        }
        self.send(request(method, target, fields, body));
        self.response()
    }

    /// Sends a GET request, and returns the answer.
    pub fn get(&mut self, target: &str) -> Response {
        self.request("GET", target, "", "")
    }

    /// Posts JSON, and returns the answer.
    pub fn post(&mut self, target: &str, json: impl AsRef<[u8]>) -> Response {
        self.request("POST", target, "Content-Type: application/json\r\n", json)
    }

    /// Reads an interim answer, and returns its status. Panics on a final answer.
    pub fn interim(&mut self) -> u16 {
        match self.part() {
            Some(Part::Head(head)) if head.status < 200 => head.status,
            part => panic!("{part:?} instead of an interim answer"),
        }
    }

    /// The status of the next answer, which is left unread.
    pub fn next_status(&mut self) -> u16 {
        match self.part() {
            Some(Part::Head(head)) => {
                let status = head.status;
                self.parts.push_front(Part::Head(head));
                status
            }
            part => panic!("{part:?} instead of an answer"),
        }
    }

    /// Reads the next final answer. Panics if the connection ends first.
    pub fn response(&mut self) -> Response {
        self.try_response().expect("an answer before the connection ends")
    }

    /// Reads the next final answer. `None` if the connection ends before its first byte.
    pub fn try_response(&mut self) -> Option<Response> {
        let mut interim = Vec::new();
        let head = loop {
            match self.part()? {
                Part::Head(head) if head.status < 200 => interim.push(head.status),
                Part::Head(head) => break head,
                part => panic!("{part:?} outside of an answer"),
            }
        };
        let mut body = Vec::new();
        loop {
            match self.part() {
                Some(Part::Data(data)) => body.extend(data),
                Some(Part::End) => break,
                None if self.reader.may_end() => break,
                part => panic!("{part:?} within an answer of status {}", head.status),
            }
        }
        Some(Response { head, body, interim })
    }

    /// Waits until bytes arrive, and leaves them unread.
    pub fn wait_for_bytes(&mut self) {
        self.socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let peeked = loop {
            match self.socket.peek(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                peeked => break peeked,
            }
        };
        assert!(peeked.is_ok_and(|count| count > 0), "no bytes arrive");
    }

    /// Reads the head of an event stream. Panics on any other answer.
    pub fn expect_stream(&mut self) {
        match self.part() {
            Some(Part::Head(head)) => {
                assert_eq!((head.status, head.field("content-type")), (200, Some("text/event-stream")));
            }
            part => panic!("{part:?} instead of a stream"),
        }
    }

    /// Whether the end of the connection has been read.
    pub fn was_closed(&self) -> bool {
        self.ended
    }

    /// Waits for the end of the connection. Panics on further bytes, or an error.
    pub fn expect_end(&mut self) {
        assert_eq!(self.part(), None, "nothing more, and the end");
        assert!(self.reader.may_end(), "the end within an answer");
    }

    /// Whether the connection is open and has no unread bytes.
    pub fn is_open(&mut self) -> bool {
        self.socket.set_nonblocking(true).expect("a mode");
        let mut byte = [0];
        let peeked = self.socket.peek(&mut byte);
        self.socket.set_nonblocking(false).expect("a mode");
        self.parts.is_empty() && matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// A clone of the socket, to send from another thread.
    pub fn clone_socket(&self) -> TcpStream {
        self.socket.try_clone().expect("a descriptor")
    }

    /// The socket, and the parts of a stream that have been read and not returned.
    pub fn into_stream(self) -> (TcpStream, Vec<Part>, ResponseReader) {
        (self.socket, self.parts.into(), self.reader)
    }

    /// The socket. Panics if bytes have been read that were not returned.
    pub fn into_socket(self) -> TcpStream {
        assert!(self.parts.is_empty() && self.reader.may_end(), "something was read and not returned");
        self.socket
    }

    fn part(&mut self) -> Option<Part> {
        let deadline = Deadline::new();
        loop {
            if let Some(part) = self.parts.pop_front() {
                return Some(part);
            }
            if self.ended {
                return None;
            }
            let mut input = [0; 16 * 1024];
            match read(&mut self.socket, &mut input, deadline).expect("bytes or the end") {
                0 => self.ended = true,
                count => self.parts.extend(self.reader.push(&input[..count])),
            }
        }
    }
}

impl Response {
    /// The status.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The value of a field. Panics if the field is repeated.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// The detail of a problem (RFC 9457). Panics if any of its members is wrong.
    pub fn problem(&self, status: u16) -> String {
        let (body, text) = (self.json(), self.text());
        assert_eq!(self.status(), status, "{text}");
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{text}");
        assert_eq!(body["status"], status, "{text}");
        assert!(body["type"].is_string() && body["title"].as_str().is_some_and(|t| !t.is_empty()), "{text}");
        body["detail"].as_str().filter(|detail| !detail.is_empty()).expect("a detail").to_owned()
    }
}

/// The bytes of an HTTP/1.1 request. `fields` are whole lines, and may include `Host`.
pub fn request(method: &str, target: &str, fields: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let host = if fields.contains("Host:") { "" } else { "Host: localhost\r\n" };
    let mut bytes = format!("{method} {target} HTTP/1.1\r\n{host}{fields}").into_bytes();
    if !body.is_empty() || method == "POST" {
        bytes.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    bytes
}

/// Reads once; 0 is the end. Fails with `TimedOut` if nothing arrives before the deadline.
pub fn read(socket: &mut TcpStream, input: &mut [u8], deadline: Deadline) -> io::Result<usize> {
    loop {
        let Some(left) = deadline.left() else { return Err(ErrorKind::TimedOut.into()) };
        socket.set_read_timeout(Some(left))?;
        match socket.read(input) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            read => return read,
        }
    }
}
