//! Many subscribers on one thread, each strictly read, each event checked as it comes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};

use crate::support::client::{Connection, request};
use crate::support::clock::{Deadline, PATIENCE};
use crate::support::sse::Message;
use crate::support::stream::StreamReader;

/// Bytes read at once.
const INPUT: usize = 64 * 1024;

/// Subscribers of what goes to everyone.
pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    input: Box<[u8]>,
    pub(crate) members: Vec<Member>,
}

/// One of them. Its events must come without a gap.
pub(crate) struct Member {
    /// Gone once the server has ended the stream.
    socket: Option<mio::net::TcpStream>,
    reader: StreamReader,
    /// The data of its `connection` event.
    pub(crate) greeting: Option<Value>,
    /// The count of the last event, by its id.
    pub(crate) seq: u64,
    /// Events that it got, heartbeats and `connection` aside.
    pub(crate) received: u64,
    /// The `connection` event at its end.
    pub(crate) farewell: Option<Message>,
    pub(crate) closed: bool,
}

impl Crowd {
    /// Connects so many, without waiting for an answer.
    pub(crate) fn connect(address: SocketAddr, count: usize) -> Self {
        let mut crowd = Self {
            poll: Poll::new().expect("a poll"),
            events: Events::with_capacity(1024),
            input: vec![0; INPUT].into_boxed_slice(),
            members: Vec::new(),
        };
        for _ in 0..count {
            crowd.join(address, "/api/sse");
        }
        crowd
    }

    /// Opens so many streams, and reads their `connection` events.
    pub(crate) fn open(address: SocketAddr, count: usize) -> Self {
        let mut crowd = Self::connect(address, count);
        crowd.read_until(PATIENCE, "all are greeted", |crowd| {
            crowd.members.iter().all(|member| member.greeting.is_some())
        });
        assert_eq!(crowd.count("connected"), count);
        crowd
    }

    pub(crate) fn join(&mut self, address: SocketAddr, target: &str) {
        let mut socket = TcpStream::connect(address).expect("a connection");
        socket.write_all(&request("GET", target, "", "")).expect("the kernel takes a request");
        socket.set_nonblocking(true).expect("a mode");
        let mut socket = mio::net::TcpStream::from_std(socket);
        let token = Token(self.members.len());
        self.poll.registry().register(&mut socket, token, Interest::READABLE).expect("it can be watched");
        self.members.push(Member {
            socket: Some(socket),
            reader: StreamReader::new(),
            greeting: None,
            seq: 0,
            received: 0,
            farewell: None,
            closed: false,
        });
    }

    /// How many were greeted so.
    pub(crate) fn count(&self, status: &str) -> usize {
        let greeted =
            |member: &&Member| member.greeting.as_ref().is_some_and(|data| data["status"] == status);
        self.members.iter().filter(greeted).count()
    }

    /// Those that are subscribed have got so many events.
    pub(crate) fn have(&self, events: u64) -> bool {
        self.members.iter().all(|member| member.received >= events)
    }

    /// Reads what comes until `done`; panics with `what` if nothing has come for so long before that.
    pub(crate) fn read_until(&mut self, time: Duration, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let (mut deadline, mut progress) = (Deadline::after(time), self.progress());
        while !done(self) {
            if self.progress() != progress {
                (deadline, progress) = (Deadline::after(time), self.progress());
            }
            let Some(left) = deadline.left() else {
                let least = self.members.iter().map(|member| member.received).min();
                panic!("nothing within {time:?}: {what}; least received: {least:?}");
            };
            self.read(left);
        }
    }

    /// Grows with each greeting, event and end.
    fn progress(&self) -> u64 {
        let of = |member: &Member| {
            member.received + u64::from(member.greeting.is_some()) + u64::from(member.closed)
        };
        self.members.iter().map(of).sum()
    }

    /// Reads what comes within a time, once.
    pub(crate) fn read(&mut self, wait: Duration) {
        let step = wait.min(Duration::from_millis(20));
        match self.poll.poll(&mut self.events, Some(step)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => panic!("cannot wait: {error}"),
            _ => {}
        }
        for event in &self.events {
            self.members[event.token().0].read(&mut self.input);
        }
    }
}

impl Member {
    fn read(&mut self, input: &mut [u8]) {
        while let Some(socket) = &mut self.socket {
            match socket.read(input) {
                Ok(0) => self.close(),
                Ok(count) => {
                    self.reader.push(&input[..count]);
                    self.take();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("a stream breaks after event {}: {error}", self.seq),
            }
        }
    }

    fn close(&mut self) {
        assert!(self.reader.ended, "a stream ends without its last chunk, after event {}", self.seq);
        (self.closed, self.socket) = (true, None);
    }

    fn take(&mut self) {
        for message in std::mem::take(&mut self.reader.messages) {
            match (&*message.event, &self.greeting) {
                ("connection", None) => {
                    self.greeting = Some(serde_json::from_str(&message.data).expect("JSON"));
                    self.seq = message.id.as_deref().map_or(0, seq_of);
                }
                ("connection", Some(_)) => self.farewell = Some(message),
                ("ping", _) => {}
                _ => {
                    let seq = seq_of(message.id.as_deref().expect("an id"));
                    assert_eq!(seq, self.seq + 1, "a gap, or a repeat");
                    let number = format!("{{\"n\":{},", self.received);
                    assert!(message.data.starts_with(&number), "{:.40} is not {number}", message.data);
                    (self.seq, self.received) = (seq, self.received + 1);
                }
            }
        }
    }
}

/// The count in an id.
pub(crate) fn seq_of(id: &str) -> u64 {
    id.split_once('-').and_then(|(_, seq)| seq.parse().ok()).unwrap_or_else(|| panic!("the id {id:?}"))
}

/// Publishes a batch for everyone: the events of these numbers, each with so many bytes of padding. One that is
/// refused for now is tried again.
pub(crate) fn publish(connection: &mut Connection, numbers: std::ops::Range<u64>, padding: usize) {
    let (count, padding) = (numbers.end - numbers.start, "x".repeat(padding));
    let body: String =
        numbers.map(|n| format!("{{\"data\":{{\"n\":{n},\"pad\":\"{padding}\"}}}}\n")).collect();
    let deadline = Deadline::new();
    loop {
        let fields = "Content-Type: application/x-ndjson\r\n";
        let response = connection.request("POST", "/api/sse/events", fields, &body);
        if response.status() == 202 {
            assert_eq!(response.json()["accepted"], json!(count));
            return;
        }
        response.problem(503);
        assert!(deadline.left().is_some(), "refused all the time");
        std::thread::sleep(Duration::from_millis(5));
    }
}
