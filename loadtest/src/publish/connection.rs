//! One keep-alive connection that publishes, with several requests in flight.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use mio::net::TcpStream;

use crate::dial::dial;
use crate::http::Answered;

/// Most bytes that are quoted of an answer other than 2xx.
const TOLD: usize = 300;

pub(super) struct Connection {
    pub(super) socket: TcpStream,
    /// Requests that the socket has not taken yet, and the bytes of the first that it has.
    unsent: VecDeque<Arc<String>>,
    sent: usize,
    /// Bytes of an incomplete answer.
    unread: Vec<u8>,
    /// Unanswered requests, oldest first.
    pub(super) under_way: VecDeque<Request>,
    /// The connection is for one request.
    is_single: bool,
}

/// A sent request.
pub(super) struct Request {
    /// Shared, so that a large request is not copied.
    pub(super) text: Arc<String>,
    /// When it was sent, in nanoseconds.
    pub(super) sent: u64,
    pub(super) events: u64,
}

/// The answer to a request.
pub(super) struct Answer {
    pub(super) request: Request,
    pub(super) status: u16,
    pub(super) body: String,
}

impl Connection {
    pub(super) fn connect(address: SocketAddr) -> Result<Self> {
        let socket = std::net::TcpStream::connect(address).context("a publisher cannot connect")?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self::new(TcpStream::from_std(socket), false))
    }

    /// A connection for one request, which the kernel still establishes.
    pub(super) fn dial(address: SocketAddr) -> Result<Self> {
        let socket = dial(address, None).context("a publisher cannot connect")?;
        Ok(Self::new(socket, true))
    }

    fn new(socket: TcpStream, is_single: bool) -> Self {
        let (unsent, under_way) = (VecDeque::new(), VecDeque::new());
        Self { socket, unsent, sent: 0, unread: Vec::new(), under_way, is_single }
    }

    /// Whether its one request has been answered.
    pub(super) fn is_used_up(&self) -> bool {
        self.is_single && self.under_way.is_empty()
    }

    pub(super) fn send(&mut self, request: Request) -> Result<()> {
        self.unsent.push_back(request.text.clone());
        self.under_way.push_back(request);
        self.flush()
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        while let Some(text) = self.unsent.front() {
            match self.socket.write(&text.as_bytes()[self.sent..]) {
                Ok(length) => self.sent += length,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("a publisher cannot write"),
            }
            if self.sent == text.len() {
                self.unsent.pop_front();
                self.sent = 0;
            }
        }
        Ok(())
    }

    /// Reads until the socket is drained, and passes on each complete answer. `is_end`: the server has closed the connection.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        is_end: bool,
        mut sink: impl FnMut(Answer) -> Result<()>,
    ) -> Result<()> {
        let mut is_over = false;
        loop {
            match self.socket.read(buffer) {
                Ok(0) => {
                    is_over = true;
                    break;
                }
                Ok(length) => {
                    self.unread.extend_from_slice(&buffer[..length]);
                    // A short read: the socket is drained, and the next byte makes a new edge.
                    if length < buffer.len() && !is_end {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("a publisher cannot read"),
            }
        }
        let mut start = 0;
        while let Some(Answered { status, body, length }) = Answered::parse(&self.unread[start..])? {
            let request = self.under_way.pop_front().context("an answer to no request")?;
            let body = String::from_utf8_lossy(&body[..body.len().min(TOLD)]).into_owned();
            start += length;
            sink(Answer { request, status, body })?;
        }
        self.unread.drain(..start);
        if self.is_single && self.under_way.is_empty() {
            // The server may have closed the connection.
            let _ = self.socket.shutdown(Shutdown::Both);
            return Ok(());
        }
        // Answers before the end count.
        ensure!(!is_end && !is_over, "the server closed a publisher's connection");
        Ok(())
    }
}
