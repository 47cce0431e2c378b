//! A connection without a network: the server's end, and what the client does at the other.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;

/// Both ends, and the kernel between them.
#[derive(Default)]
pub(crate) struct Pipe {
    /// On its way to the server.
    pub to_server: VecDeque<u8>,
    /// Bytes the kernel would still take from the server.
    pub room: usize,
    /// The server was told that there is no room.
    pub no_space: bool,
    /// Arrived at the client and not yet looked at.
    pub arrived: Vec<u8>,
    /// The client has closed its end.
    pub closed: bool,
    /// The client has reset the connection.
    pub reset: bool,
    /// The server has said that nothing follows.
    pub finished: bool,
    /// The server has closed its end.
    pub server_closed: bool,
    /// Edges that the server is still to be told of.
    pub readable: bool,
    pub writable: bool,
    /// Whether the server was ever refused room.
    pub was_blocked: bool,
    /// Whole writes of the server: what it gave, whatever was taken of it.
    first_write: Option<Vec<u8>>,
    /// Bytes taken from the server in its turn.
    pub written_in_turn: usize,
    last_write_ms: u64,
    ends_within: bool,
    /// What the server has read.
    taken: Vec<u8>,
}

/// The server's end.
pub(crate) struct FakeSocket {
    pipe: Rc<RefCell<Pipe>>,
    now_ms: Rc<Cell<u64>>,
    heartbeat_ms: u64,
    /// Most bytes that a stream is given in a turn of the server.
    turn: usize,
}

/// More than a heartbeat, which may come beside what is given in a turn.
const HEARTBEAT: usize = 100;

impl FakeSocket {
    pub(crate) fn new(
        pipe: Rc<RefCell<Pipe>>,
        now_ms: Rc<Cell<u64>>,
        heartbeat_ms: u64,
        turn: usize,
    ) -> Self {
        pipe.borrow_mut().last_write_ms = now_ms.get();
        Self { pipe, now_ms, heartbeat_ms, turn }
    }
}

impl FakeSocket {
    /// What was read from it.
    pub(crate) fn taken(&self) -> Vec<u8> {
        self.pipe.borrow().taken.clone()
    }

    /// A half-close.
    pub(crate) fn finish(&self) {
        let finished = std::mem::replace(&mut self.pipe.borrow_mut().finished, true);
        assert!(!finished, "said twice that nothing follows");
    }
}

impl Pipe {
    /// The kernel takes so many bytes from the server.
    pub(crate) fn with_room(room: usize) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self { room, ..Self::default() }))
    }

    /// The client makes room for so many bytes.
    pub(crate) fn make_room(&mut self, bytes: usize) {
        self.room = self.room.saturating_add(bytes);
        self.writable |= std::mem::take(&mut self.no_space);
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.to_server.extend(bytes);
        self.readable = true;
    }

    pub(crate) fn close(&mut self, reset: bool) {
        self.closed = true;
        self.reset = reset;
        self.readable = true;
        self.writable |= reset;
    }

    fn check_write(&mut self, bytes: &[u8], now_ms: u64, heartbeat_ms: u64) {
        let text = String::from_utf8_lossy(bytes);
        if self.first_write.is_none() {
            assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "begins with a head: {text:?}");
            // One that is ended before it was told where it goes on is not told.
            let greeted =
                text.contains("\nevent: connection\n") || text.contains("\r\nConnection: close\r\n");
            assert!(greeted, "head and first event in one write: {text:?}");
            self.first_write = Some(bytes.to_vec());
        }
        let event = text.split_once("\r\n").map_or(&*text, |(size, event)| {
            if usize::from_str_radix(size, 16).is_ok() { event } else { &text }
        });
        if !self.ends_within && text.contains("event: ping\n") {
            assert!(event.starts_with("event: ping\n"), "a heartbeat behind something else: {text:?}");
            assert!(now_ms - self.last_write_ms >= heartbeat_ms, "a heartbeat on a stream that was not idle");
        }
    }
}

impl Read for FakeSocket {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.pipe.borrow_mut();
        if pipe.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let count = out.len().min(pipe.to_server.len());
        if count == 0 && !pipe.closed {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        for (place, byte) in out.iter_mut().zip(pipe.to_server.drain(..count)) {
            *place = byte;
        }
        pipe.taken.extend_from_slice(&out[..count]);
        Ok(count)
    }
}

impl Write for FakeSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pipe = self.pipe.borrow_mut();
        if pipe.reset {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        assert!(!pipe.finished, "something follows what nothing should follow");
        pipe.check_write(bytes, self.now_ms.get(), self.heartbeat_ms);
        let count = bytes.len().min(pipe.room);
        if count < bytes.len() {
            pipe.no_space = true;
            pipe.was_blocked = true;
        }
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        pipe.room -= count;
        pipe.written_in_turn += count;
        assert!(pipe.written_in_turn <= self.turn + HEARTBEAT, "a stream is given no more than its turn");
        pipe.ends_within = count < bytes.len();
        pipe.last_write_ms = self.now_ms.get();
        pipe.arrived.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for FakeSocket {
    fn drop(&mut self) {
        let mut pipe = self.pipe.borrow_mut();
        pipe.server_closed = true;
        let unread = !pipe.to_server.is_empty();
        assert!(!(pipe.finished && unread && !pipe.closed), "closed with something unread, which is a reset");
    }
}
