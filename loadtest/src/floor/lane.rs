//! One thread of the floor, with its listener, its streams and its epoll.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{ErrorKind, Read as _};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use anyhow::{Context as _, Result};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;

use super::publish::{Frame, Parcel, Publisher};
use super::request::{Request, parse};
use super::unsent::{Sent, Unsent};

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
const EVENTS: usize = 1024;
const READ_BUFFER: usize = 64 * 1024;

/// The whole answer to a GET: the head and a first event as fanfare sends it.
const GREETING: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    Cache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n\
    a7\r\nretry: 3000\nid: 1-0\nevent: connection\ndata: {\"status\":\"connected\",\"clientId\":\
    \"00000000-0000-0000-0000-000000000000\",\"userId\":null,\"sessionId\":null,\"recovered\":false}\n\n\r\n";

struct Connection {
    socket: TcpStream,
    role: Role,
    unsent: Unsent,
}

enum Role {
    /// Reads requests; holds the bytes of an incomplete one.
    Requester(Vec<u8>),
    Stream {
        user: Option<u64>,
    },
}

impl Connection {
    /// Sends as much of the frame as the socket takes. False if the client is gone. Only a socket that has once taken a part
    /// is registered for writability, so the others pay nothing for it.
    fn send(&mut self, poll: &Poll, key: usize, frame: &Frame) -> Result<bool> {
        match self.unsent.send(&mut self.socket, frame)? {
            Sent::Part { is_first: true } => {
                let interest = Interest::READABLE | Interest::WRITABLE;
                poll.registry().reregister(&mut self.socket, Token(key), interest)?;
                Ok(true)
            }
            Sent::Whole | Sent::Part { is_first: false } => Ok(true),
            Sent::Gone => Ok(false),
        }
    }
}

pub(super) struct Lane {
    number: usize,
    poll: Poll,
    listener: TcpListener,
    inbox: Receiver<Parcel>,
    publisher: Publisher,
    connections: Slab<Connection>,
    /// The newest stream of each user.
    users: HashMap<u64, usize>,
    buffer: Box<[u8]>,
}

impl Lane {
    pub(super) fn new(
        mut listener: TcpListener,
        number: usize,
        inbox: Receiver<Parcel>,
        publisher: Publisher,
    ) -> Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        publisher.set_waker(number, Waker::new(poll.registry(), WAKER)?);
        let buffer = vec![0; READ_BUFFER].into();
        let (connections, users) = (Slab::new(), HashMap::new());
        Ok(Self { number, poll, listener, inbox, publisher, connections, users, buffer })
    }

    pub(super) fn run(&mut self) -> Result<Infallible> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    WAKER => {}
                    Token(key) => {
                        if event.is_writable() {
                            self.writable(key);
                        }
                        let is_end = event.is_read_closed() || event.is_error();
                        if event.is_readable() || is_end {
                            self.readable(key, is_end)?;
                        }
                    }
                }
            }
            while let Ok(Parcel { user, frame }) = self.inbox.try_recv() {
                match user {
                    None => self.send_to_all(&frame)?,
                    Some(user) => self.send_to_user(user, &frame)?,
                }
            }
        }
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let mut socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error).context("accept"),
            };
            let entry = self.connections.vacant_entry();
            self.poll.registry().register(&mut socket, Token(entry.key()), Interest::READABLE)?;
            entry.insert(Connection { socket, role: Role::Requester(Vec::new()), unsent: Unsent::default() });
        }
    }

    fn writable(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.unsent.flush(&mut connection.socket) == Sent::Gone {
            self.connections.remove(key);
        }
    }

    /// Reads until the socket is drained. `is_end`: the end of the connection may follow the last bytes; it makes no epoll edge
    /// of its own.
    fn readable(&mut self, key: usize, is_end: bool) -> Result<()> {
        let Some(connection) = self.connections.get_mut(key) else { return Ok(()) };
        loop {
            let length = match connection.socket.read(&mut self.buffer) {
                Ok(length) if length > 0 => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Ok(_) | Err(_) => {
                    self.connections.remove(key);
                    return Ok(());
                }
            };
            if let Role::Requester(request) = &mut connection.role {
                request.extend_from_slice(&self.buffer[..length]);
                let (answers, stream) = answer(request, &self.publisher, self.number)?;
                if let Some(Stream { user }) = stream {
                    connection.role = Role::Stream { user };
                    user.map(|user| self.users.insert(user, key));
                }
                // The next read finds a client that is gone.
                if !answers.is_empty() {
                    connection.send(&self.poll, key, &Arc::new(answers))?;
                }
            }
            // A short read: the socket is drained, and the next byte makes a new edge.
            if length < self.buffer.len() && !is_end {
                return Ok(());
            }
        }
    }

    fn send_to_all(&mut self, frame: &Frame) -> Result<()> {
        let mut gone = Vec::new();
        for (key, connection) in &mut self.connections {
            if matches!(connection.role, Role::Requester(_)) {
                continue;
            }
            if !connection.send(&self.poll, key, frame)? {
                gone.push(key);
            }
        }
        for key in gone {
            self.connections.remove(key);
        }
        Ok(())
    }

    fn send_to_user(&mut self, user: u64, frame: &Frame) -> Result<()> {
        let Some(&key) = self.users.get(&user) else { return Ok(()) };
        if let Some(connection) = self.connections.get_mut(key)
            && matches!(connection.role, Role::Stream { user: Some(own) } if own == user)
            && !connection.send(&self.poll, key, frame)?
        {
            self.connections.remove(key);
            self.users.remove(&user);
        }
        Ok(())
    }
}

/// The state of a connection after its requests.
struct Stream {
    user: Option<u64>,
}

/// Answers the complete requests in `bytes`, until one of them makes the connection a stream.
fn answer(bytes: &mut Vec<u8>, publisher: &Publisher, own: usize) -> Result<(Vec<u8>, Option<Stream>)> {
    let mut start = 0;
    let mut answers = Vec::new();
    let mut stream = None;
    while let Some(request) = parse(&bytes[start..])? {
        match request {
            Request::Get { user } => {
                answers.extend_from_slice(GREETING);
                stream = Some(Stream { user });
                break;
            }
            Request::Post { user, data, end } => {
                let n = publisher.publish(user, &bytes[start..][data], own)?;
                let body = format!("{{\"id\":\"1-{n}\"}}");
                let length = body.len();
                answers.extend_from_slice(
                    format!(
                        "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n\
                         Content-Length: {length}\r\n\r\n{body}"
                    )
                    .as_bytes(),
                );
                start += end;
            }
        }
    }
    bytes.drain(..start);
    Ok((answers, stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_is_one_chunk() {
        let text = std::str::from_utf8(GREETING).unwrap();
        let (size, event) = text.split_once("\r\n\r\n").unwrap().1.split_once("\r\n").unwrap();
        let length = event.strip_suffix("\r\n").unwrap().len();
        assert_eq!(size, format!("{length:x}"));
    }
}
