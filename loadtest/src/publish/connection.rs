//! One keep-alive connection that publishes, with several requests under way.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use mio::net::TcpStream;

use crate::http::{Body, Head};

/// Of an answer that is no acceptance, so much is told.
const TOLD: usize = 300;

pub(super) struct Connection {
    pub(super) socket: TcpStream,
    /// What the socket has not taken yet, and how much of the first it has.
    unsent: VecDeque<Arc<String>>,
    sent: usize,
    /// What has come of answers and is not a whole one.
    unread: Vec<u8>,
    /// Requests without an answer, oldest first.
    pub(super) under_way: VecDeque<Request>,
}

/// A request as it went out.
pub(super) struct Request {
    /// Shared, since a large one is not to be copied for its way out.
    pub(super) text: Arc<String>,
    /// When it went out, in nanoseconds.
    pub(super) sent: u64,
    pub(super) events: u64,
}

/// How a request was answered.
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
        let socket = TcpStream::from_std(socket);
        Ok(Self { socket, unsent: VecDeque::new(), sent: 0, unread: Vec::new(), under_way: VecDeque::new() })
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
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
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

    /// Takes what the socket has, and hands on each whole answer. `is_end` says that the server has closed it.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        is_end: bool,
        mut sink: impl FnMut(Answer) -> Result<()>,
    ) -> Result<()> {
        loop {
            match self.socket.read(buffer) {
                Ok(0) => break,
                Ok(length) => {
                    self.unread.extend_from_slice(&buffer[..length]);
                    // Less than was asked for: the socket is drained, and the next byte makes a new edge.
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
        while let Some((status, body, end)) = whole_answer(&self.unread[start..])? {
            let request = self.under_way.pop_front().context("an answer to no request")?;
            let body = String::from_utf8_lossy(&body[..body.len().min(TOLD)]).into_owned();
            start += end;
            sink(Answer { request, status, body })?;
        }
        self.unread.drain(..start);
        // Answers that came before the end count.
        ensure!(!is_end, "the server closed a publisher's connection");
        Ok(())
    }
}

/// Status, body, and where the next answer begins; `None` while it is not whole.
fn whole_answer(bytes: &[u8]) -> Result<Option<(u16, Vec<u8>, usize)>> {
    let Some(head) = Head::parse(bytes)? else { return Ok(None) };
    ensure!(head.status >= 200, "an interim answer, {}, that nobody asked for", head.status);
    let (mut body, mut payload) = (Body::new(head.framing), Vec::new());
    // Byte by byte where only the body itself says where it ends; answers to a publish are short.
    let mut end = head.length;
    if let Body::Length(length) = body {
        let stop = end + usize::try_from(length)?;
        return Ok(bytes.get(end..stop).map(|body| (head.status, body.to_vec(), stop)));
    }
    while !body.is_done() {
        let Some(byte) = bytes.get(end..=end) else { return Ok(None) };
        body.feed(byte, |piece| payload.extend_from_slice(piece))?;
        end += 1;
    }
    Ok(Some((head.status, payload, end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_at_any_cut() {
        let one = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}";
        let two = b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        for (bytes, status, body) in [(&one[..], 202, "{}"), (&two[..], 503, "abc")] {
            for cut in 0..bytes.len() {
                assert!(whole_answer(&bytes[..cut]).unwrap().is_none(), "cut at {cut}");
            }
            let both = [bytes, one].concat();
            assert_eq!(whole_answer(&both).unwrap(), Some((status, body.as_bytes().to_vec(), bytes.len())));
        }
        assert!(whole_answer(b"HTTP/1.1 100 Continue\r\n\r\n").is_err());
    }
}
