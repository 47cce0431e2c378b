//! One thread of the floor: its listener, its streams, its epoll.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{ErrorKind, Read as _, Write as _};
use std::sync::mpsc::Receiver;

use anyhow::{Context as _, Result, bail};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;

use super::publish::{Parcel, Publisher};
use super::request::{Request, parse};

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
const EVENTS: usize = 1024;
const READ_BUFFER: usize = 64 * 1024;

/// The whole answer to a GET: head, and a first event like the contract's.
const GREETING: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    Cache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n\
    a7\r\nretry: 3000\nid: 1-0\nevent: connection\ndata: {\"status\":\"connected\",\"clientId\":\
    \"00000000-0000-0000-0000-000000000000\",\"userId\":null,\"sessionId\":null,\"recovered\":false}\n\n\r\n";

struct Connection {
    socket: TcpStream,
    /// The bytes of an unfinished request, before a GET or a publisher's; `None` for a stream.
    request: Option<Vec<u8>>,
    user: Option<u64>,
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
                    Token(key) => self.readable(key)?,
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
            entry.insert(Connection { socket, request: Some(Vec::new()), user: None });
        }
    }

    fn readable(&mut self, key: usize) -> Result<()> {
        let Some(connection) = self.connections.get_mut(key) else { return Ok(()) };
        loop {
            let length = match connection.socket.read(&mut self.buffer) {
                Ok(length) if length > 0 => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Ok(_) | Err(_) => {
                    self.connections.remove(key);
                    return Ok(());
                }
            };
            if let Some(request) = &mut connection.request {
                request.extend_from_slice(&self.buffer[..length]);
                if let Some(stream) = answer(&mut connection.socket, request, &self.publisher, self.number)? {
                    connection.request = None;
                    connection.user = stream.user;
                    stream.user.map(|user| self.users.insert(user, key));
                }
            }
            // Less than was asked for: the socket is drained, and the next byte makes a new edge.
            if length < self.buffer.len() {
                return Ok(());
            }
        }
    }

    fn send_to_all(&mut self, frame: &[u8]) -> Result<()> {
        let mut gone = Vec::new();
        for (key, connection) in &mut self.connections {
            if connection.request.is_some() {
                continue;
            }
            if !send(&mut connection.socket, frame)? {
                gone.push(key);
            }
        }
        for key in gone {
            self.connections.remove(key);
        }
        Ok(())
    }

    fn send_to_user(&mut self, user: u64, frame: &[u8]) -> Result<()> {
        let Some(&key) = self.users.get(&user) else { return Ok(()) };
        if let Some(connection) = self.connections.get_mut(key)
            && connection.user == Some(user)
            && !send(&mut connection.socket, frame)?
        {
            self.connections.remove(key);
            self.users.remove(&user);
        }
        Ok(())
    }
}

/// False when the client is gone.
fn send(socket: &mut TcpStream, frame: &[u8]) -> Result<bool> {
    match socket.write(frame) {
        Ok(length) if length == frame.len() => Ok(true),
        Ok(_) => bail!("a stream took only part of an event"),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            bail!("a stream would block: its client does not keep up")
        }
        Err(_) => Ok(false),
    }
}

/// What a connection has become.
struct Stream {
    user: Option<u64>,
}

/// Answers the whole requests in `bytes`, until the connection becomes a stream.
fn answer(
    socket: &mut TcpStream,
    bytes: &mut Vec<u8>,
    publisher: &Publisher,
    own: usize,
) -> Result<Option<Stream>> {
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
    if !answers.is_empty() {
        // A client that is gone already shows at the next read.
        let _ = socket.write(&answers);
    }
    Ok(stream)
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
