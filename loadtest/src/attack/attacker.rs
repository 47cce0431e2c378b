//! One connection of an attack.

use std::io::{ErrorKind, Read as _, Write as _};

use anyhow::{Result, bail};
use mio::net::TcpStream;

use super::plan::Script;
use super::tally::Tally;
use crate::http::{Answered, Head};

const ZEROS: &[u8] = &[b'0'; 16 * 1024];
/// Most bytes that are kept of an incomplete answer.
const UNREAD_AT_MOST: usize = 1024 * 1024;
const REFUSED: &[u8] = b"\"status\":\"refused\"";

pub(super) struct Attacker {
    socket: TcpStream,
    is_connected: bool,
    unsent: Vec<u8>,
    sent: usize,
    /// Bytes of the body that are still to send.
    body_left: usize,
    /// Requests that were started, and those of them without an answer.
    requests: u64,
    under_way: usize,
    unread: Vec<u8>,
}

/// What happens to a connection next.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    Stay,
    /// It is opened again at once.
    Again,
    /// It is opened again after a pause.
    Later,
    /// The server or an error has ended it.
    Lost,
}

impl Attacker {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            is_connected: false,
            unsent: Vec::new(),
            sent: 0,
            body_left: 0,
            requests: 0,
            under_way: 0,
            unread: Vec::new(),
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Continues after an epoll edge.
    pub(super) fn ready(&mut self, script: &Script, buffer: &mut [u8], tally: &mut Tally) -> Next {
        if !self.is_connected {
            if !matches!(self.socket.take_error(), Ok(None)) {
                tally.failed += 1;
                return Next::Lost;
            }
            if self.socket.peer_addr().is_err() {
                return Next::Stay;
            }
            self.is_connected = true;
            tally.connections += 1;
        }
        let is_lost = self.write(script, tally).is_err();
        // Answers before the close count.
        match self.read(script, buffer, tally) {
            Ok(Next::Stay) if !is_lost => match self.write(script, tally) {
                Ok(()) => Next::Stay,
                Err(_) => self.lost(tally),
            },
            Ok(next @ (Next::Again | Next::Later)) => next,
            _ => self.lost(tally),
        }
    }

    fn lost(&self, tally: &mut Tally) -> Next {
        tally.closed += 1;
        Next::Lost
    }

    /// Sends what the socket takes.
    fn write(&mut self, script: &Script, tally: &mut Tally) -> Result<()> {
        loop {
            if self.sent == self.unsent.len() && self.body_left == 0 {
                self.unsent.clear();
                self.sent = 0;
                if !script.next(self.under_way, self.requests, &mut self.unsent) {
                    return Ok(());
                }
                self.requests += 1;
                self.under_way += 1;
                self.body_left = script.body();
            }
            let (from, is_head) = match &self.unsent[self.sent..] {
                [] => (&ZEROS[..self.body_left.min(ZEROS.len())], false),
                head => (head, true),
            };
            match self.socket.write(from) {
                Ok(length) if is_head => self.sent += length,
                Ok(length) => self.body_left -= length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
            if self.sent == self.unsent.len() && self.body_left == 0 {
                tally.requests += 1;
            }
        }
    }

    fn read(&mut self, script: &Script, buffer: &mut [u8], tally: &mut Tally) -> Result<Next> {
        let mut is_lost = false;
        loop {
            match self.socket.read(buffer) {
                Ok(0) => {
                    is_lost = true;
                    break;
                }
                Ok(length) => self.unread.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    is_lost = true;
                    break;
                }
            }
        }
        let next = match script {
            Script::Reopen { .. } => self.take_first_event(tally)?,
            _ => self.take_answers(tally)?,
        };
        Ok(if is_lost && next == Next::Stay { Next::Lost } else { next })
    }

    fn take_answers(&mut self, tally: &mut Tally) -> Result<Next> {
        let mut start = 0;
        while let Some(answer) = Answered::parse(&self.unread[start..])? {
            start += answer.length;
            self.under_way = self.under_way.saturating_sub(1);
            tally.answered(answer.status);
        }
        self.unread.drain(..start);
        if self.unread.len() > UNREAD_AT_MOST {
            bail!("an answer that does not end");
        }
        Ok(Next::Stay)
    }

    /// Reads the head of a stream and its first event, or the whole of another answer.
    fn take_first_event(&mut self, tally: &mut Tally) -> Result<Next> {
        let Some(head) = Head::parse(&self.unread)? else { return Ok(Next::Stay) };
        let body = &self.unread[head.length..];
        let has = |needle: &[u8]| body.windows(needle.len()).any(|window| window == needle);
        let is_whole = match head.status {
            200 => has(b"data:") && has(b"\n\n"),
            _ => Answered::parse(&self.unread)?.is_some(),
        };
        if !is_whole {
            return Ok(Next::Stay);
        }
        tally.answered(head.status);
        // A refused connection pauses: it would otherwise only reconnect.
        let is_refused = has(REFUSED);
        tally.refused += u64::from(is_refused);
        Ok(if is_refused || head.status != 200 { Next::Later } else { Next::Again })
    }
}
