//! A subscriber: one open stream, parsed strictly. Every wait has a deadline.

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
    /// Number of messages that were returned.
    taken: usize,
    closed: bool,
}

impl Subscriber {
    /// Requests a stream, and reads its `connection` event. `fields` are whole lines.
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

    /// Reads the stream that answers the last request on a connection, whose other answers have been read.
    pub fn after(connection: Connection) -> Self {
        let (socket, parts, reader) = connection.into_stream();
        Self::begin(socket, StreamReader::after(reader, parts))
    }

    /// Requests a stream on a connection whose answers have been read.
    pub fn after_request(connection: Connection, target: &str) -> Self {
        Self::over(connection.into_socket(), &request("GET", target, "", ""))
    }

    fn begin(socket: TcpStream, reader: StreamReader) -> Self {
        let mut subscriber = Self { socket, reader, taken: 0, closed: false };
        let first = subscriber.next();
        assert_eq!(first.event, "connection", "the first event");
        subscriber
    }

    /// The response so far.
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

    /// The client id of the stream.
    pub fn client_id(&self) -> String {
        self.greeting()["clientId"].as_str().expect("a client id").to_owned()
    }

    /// Why the stream was not recovered; `None` if it was.
    pub fn reason(&self) -> Option<String> {
        let greeting = self.greeting();
        let reason = greeting.get("reason").map(|reason| reason.as_str().expect("a reason").to_owned());
        assert_eq!(greeting["recovered"], reason.is_none(), "{greeting}");
        reason
    }

    /// The value that a browser would send as `Last-Event-ID` after the last returned event.
    pub fn last_event_id(&self) -> &str {
        &self.reader.messages[self.taken - 1].last_event_id
    }

    /// Reads the next event. Panics if the stream ends first, or at the deadline.
    pub fn next(&mut self) -> Message {
        let deadline = Deadline::new();
        while self.taken == self.reader.messages.len() {
            assert!(!self.closed, "the stream ends instead of an event");
            assert!(self.read(deadline), "no event within {PATIENCE:?}");
        }
        self.taken += 1;
        self.reader.messages[self.taken - 1].clone()
    }

    /// Number of events that have been read and not returned.
    pub fn ready(&self) -> usize {
        self.reader.messages.len() - self.taken
    }

    /// Reads the next `count` events.
    pub fn take(&mut self, count: usize) -> Vec<Message> {
        (0..count).map(|_| self.next()).collect()
    }

    /// Reads up to the next event of that name, and returns the events before it.
    pub fn before(&mut self, event: &str) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            match self.next() {
                message if message.event == event => return messages,
                message => messages.push(message),
            }
        }
    }

    /// Reads all events up to the end of the stream. Panics if the stream ends within an event or without its last chunk.
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

    /// Waits for the end of the connection, in order or by an error.
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

    /// Reads once within `time`. Returns false if nothing arrived, not even the end.
    pub fn read_for(&mut self, time: Duration) -> bool {
        !self.closed && self.read(Deadline::after(time))
    }

    /// Reads once within `time`. Returns false if nothing arrived, or the connection has ended in any way.
    pub fn goes_on(&mut self, time: Duration) -> bool {
        let came = !self.closed && self.try_read(Deadline::after(time)).unwrap_or(false);
        came && !self.closed
    }

    /// Sends bytes on the open stream. Returns false if the server has closed the connection.
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
