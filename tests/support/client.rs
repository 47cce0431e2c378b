//! An HTTP/1 client on one connection: requests as bytes, answers strictly parsed, every wait with a deadline.

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

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its head.
    pub head: ResponseHead,
    /// Its body.
    pub body: Vec<u8>,
    /// The statuses of interim answers before it.
    pub interim: Vec<u16>,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect_timeout(&address, PATIENCE).expect("a connection");
        Self::over(socket)
    }

    /// Over a socket that is connected.
    pub fn over(socket: TcpStream) -> Self {
        socket.set_nodelay(true).expect("no delay");
        socket.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Self { socket, reader: ResponseReader::new(), parts: VecDeque::new(), ended: false }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).expect("the server takes what is sent");
    }

    /// Sends bytes as far as the server takes them. False if it does not.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.socket.write_all(bytes.as_ref()).is_ok()
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&self) {
        // The server may have closed already.
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// The next answer is to a HEAD, so it has no body.
    pub fn expect_head_only(&mut self) {
        self.reader.expect(true);
    }

    /// For each of the next answers, whether it is to a HEAD.
    pub fn expect_heads(&mut self, heads: impl IntoIterator<Item = bool>) {
        heads.into_iter().for_each(|is_head| self.reader.expect(is_head));
    }

    /// Sends a request with a body of that type and returns the answer.
    pub fn request(&mut self, method: &str, target: &str, fields: &str, body: impl AsRef<[u8]>) -> Response {
        if method == "HEAD" {
            self.expect_head_only();
        }
        self.send(request(method, target, fields, body));
        self.response()
    }

    /// Sends a GET and returns the answer.
    pub fn get(&mut self, target: &str) -> Response {
        self.request("GET", target, "", "")
    }

    /// Posts JSON and returns the answer.
    pub fn post(&mut self, target: &str, json: impl AsRef<[u8]>) -> Response {
        self.request("POST", target, "Content-Type: application/json\r\n", json)
    }

    /// The status of the next answer, which must be an interim one.
    pub fn interim(&mut self) -> u16 {
        match self.part() {
            Some(Part::Head(head)) if head.status < 200 => head.status,
            part => panic!("{part:?} instead of an interim answer"),
        }
    }

    /// The status of the next answer, all of which is still to be read.
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

    /// The next final answer. Panics if the connection ends before it.
    pub fn response(&mut self) -> Response {
        self.try_response().expect("an answer before the connection ends")
    }

    /// The next final answer; `None` if the connection ends before its first byte.
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

    /// Waits until something has come, and leaves it unread.
    pub fn wait_for_bytes(&mut self) {
        self.socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let peeked = loop {
            match self.socket.peek(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                peeked => break peeked,
            }
        };
        assert!(peeked.is_ok_and(|count| count > 0), "nothing comes");
    }

    /// Panics unless the next answer is the beginning of an event stream.
    pub fn expect_stream(&mut self) {
        match self.part() {
            Some(Part::Head(head)) => {
                assert_eq!((head.status, head.field("content-type")), (200, Some("text/event-stream")));
            }
            part => panic!("{part:?} instead of a stream"),
        }
    }

    /// Whether the server has ended the connection, as far as was read.
    pub fn was_closed(&self) -> bool {
        self.ended
    }

    /// Panics unless the server ends the connection in good order, without another byte.
    pub fn expect_end(&mut self) {
        assert_eq!(self.part(), None, "nothing more, and the end");
        assert!(self.reader.may_end(), "the end within an answer");
    }

    /// Whether nothing has come that was not asked for: neither bytes nor the end.
    pub fn is_open(&mut self) -> bool {
        self.socket.set_nonblocking(true).expect("a mode");
        let mut byte = [0];
        let peeked = self.socket.peek(&mut byte);
        self.socket.set_nonblocking(false).expect("a mode");
        self.parts.is_empty() && matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// The same socket once more, to send from another thread.
    pub fn clone_socket(&self) -> TcpStream {
        self.socket.try_clone().expect("a descriptor")
    }

    /// The socket and what was read of it and not returned, which is the beginning of a stream.
    pub fn into_stream(self) -> (TcpStream, Vec<Part>, ResponseReader) {
        (self.socket, self.parts.into(), self.reader)
    }

    /// The socket, of whose bytes nothing must have been read that was not returned.
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
    /// Its status.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// A field; panics where it stands twice.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }

    /// Its body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }

    /// Its body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// The detail of a problem (RFC 9457), all of whose members must be as they should.
    pub fn problem(&self, status: u16) -> String {
        let (body, text) = (self.json(), self.text());
        assert_eq!(self.status(), status, "{text}");
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{text}");
        assert_eq!(body["status"], status, "{text}");
        assert!(body["type"].is_string() && body["title"].as_str().is_some_and(|t| !t.is_empty()), "{text}");
        body["detail"].as_str().filter(|detail| !detail.is_empty()).expect("a detail").to_owned()
    }
}

/// A request of HTTP/1.1 as bytes. `fields` are whole lines; one of them may be `Host`.
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

/// Reads once; 0 is the end. An error of kind `TimedOut` if nothing comes by the deadline.
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
