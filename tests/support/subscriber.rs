//! A subscriber: one open stream, strictly read, every wait with a deadline.

use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::client::{Connection, read, request};
use super::clock::{Deadline, PATIENCE};
use super::sse::Message;
use super::stream::StreamReader;

/// An open stream.
#[derive(Debug)]
pub struct Subscriber {
    socket: TcpStream,
    reader: StreamReader,
    /// Messages that were returned.
    taken: usize,
    closed: bool,
}

impl Subscriber {
    /// GETs a stream, and reads its `connection` event. `fields` are whole lines.
    pub fn open(address: SocketAddr, target: &str, fields: &str) -> Self {
        let socket = TcpStream::connect_timeout(&address, PATIENCE).expect("a connection");
        Self::over(socket, &request("GET", target, fields, ""))
    }

    /// Sends a request over a socket, and reads the `connection` event of the stream that answers it.
    pub fn over(mut socket: TcpStream, request: &[u8]) -> Self {
        socket.set_nodelay(true).expect("no delay");
        socket.write_all(request).expect("the server takes a request");
        Self::begin(socket, StreamReader::new())
    }

    /// The stream that answers the last request on a connection, whose other answers were read.
    pub fn after(connection: Connection) -> Self {
        let (socket, parts, reader) = connection.into_stream();
        Self::begin(socket, StreamReader::after(reader, parts))
    }

    /// Sends a GET on a connection whose answers were read, for the stream that answers it.
    pub fn after_request(connection: Connection, target: &str) -> Self {
        Self::over(connection.into_socket(), &request("GET", target, "", ""))
    }

    fn begin(socket: TcpStream, reader: StreamReader) -> Self {
        let mut subscriber = Self { socket, reader, taken: 0, closed: false };
        let first = subscriber.next();
        assert_eq!(first.event, "connection", "the first event");
        subscriber
    }

    /// What the server has answered and said so far.
    pub fn reader(&self) -> &StreamReader {
        &self.reader
    }

    /// The first event.
    pub fn connection(&self) -> &Message {
        &self.reader.messages[0]
    }

    /// The data of the first event.
    pub fn greeting(&self) -> Value {
        serde_json::from_str(&self.connection().data).expect("JSON")
    }

    /// The name of the stream.
    pub fn client_id(&self) -> String {
        self.greeting()["clientId"].as_str().expect("a client id").to_owned()
    }

    /// Whether it was recovered, and if not, why not.
    pub fn reason(&self) -> Option<String> {
        let greeting = self.greeting();
        let reason = greeting.get("reason").map(|reason| reason.as_str().expect("a reason").to_owned());
        assert_eq!(greeting["recovered"], reason.is_none(), "{greeting}");
        reason
    }

    /// What a browser that was lost after the last event returned would send as `Last-Event-ID`.
    pub fn last_event_id(&self) -> &str {
        &self.reader.messages[self.taken - 1].last_event_id
    }

    /// The next event. Panics if the stream ends before it, or at the deadline.
    pub fn next(&mut self) -> Message {
        let deadline = Deadline::new();
        while self.taken == self.reader.messages.len() {
            assert!(!self.closed, "the stream ends instead of an event");
            assert!(self.read(deadline), "no event within {PATIENCE:?}");
        }
        self.taken += 1;
        self.reader.messages[self.taken - 1].clone()
    }

    /// How many events have been read and not returned.
    pub fn ready(&self) -> usize {
        self.reader.messages.len() - self.taken
    }

    /// The next events.
    pub fn take(&mut self, count: usize) -> Vec<Message> {
        (0..count).map(|_| self.next()).collect()
    }

    /// The events before the next one of that name.
    pub fn before(&mut self, event: &str) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            match self.next() {
                message if message.event == event => return messages,
                message => messages.push(message),
            }
        }
    }

    /// All events up to the end of the stream, which must be clean.
    pub fn rest(&mut self) -> Vec<Message> {
        let deadline = Deadline::new();
        while !self.closed {
            assert!(self.read(deadline), "no end within {PATIENCE:?}");
        }
        let chunked = self.field("transfer-encoding").is_some();
        assert!(self.reader.is_at_boundary(), "the stream ends within an event");
        assert!(self.reader.ended || !chunked, "the stream ends without its last chunk");
        let rest = self.reader.messages[self.taken..].to_vec();
        self.taken += rest.len();
        rest
    }

    /// Waits for the end of the connection, in whatever way it comes.
    pub fn wait_for_loss(&mut self) {
        let deadline = Deadline::new();
        let mut input = [0; 16 * 1024];
        while !self.closed {
            match read(&mut self.socket, &mut input, deadline) {
                Ok(0) => self.closed = true,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::TimedOut => panic!("still open"),
                Err(_) => self.closed = true,
            }
        }
    }

    /// Reads what comes within a time. False if nothing did, not even the end.
    pub fn read_for(&mut self, time: Duration) -> bool {
        !self.closed && self.read(Deadline::after(time))
    }

    /// Reads what comes within a time. False if nothing did, or the stream is over, in whatever way.
    pub fn goes_on(&mut self, time: Duration) -> bool {
        let came = !self.closed && self.try_read(Deadline::after(time)).unwrap_or(false);
        came && !self.closed
    }

    /// Sends something on the open stream. False if the server does not take it.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).is_ok()
    }

    /// A field of the response head.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.reader.head.as_ref().expect("a head").field(name)
    }

    fn read(&mut self, deadline: Deadline) -> bool {
        self.try_read(deadline).unwrap_or_else(|error| panic!("the stream breaks: {error}"))
    }

    fn try_read(&mut self, deadline: Deadline) -> io::Result<bool> {
        let mut input = [0; 64 * 1024];
        match read(&mut self.socket, &mut input, deadline) {
            Ok(0) => self.closed = true,
            Ok(count) => self.reader.push(&input[..count]),
            Err(error) if error.kind() == ErrorKind::TimedOut => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}
