//! Writing responses, and the state of the connection afterwards.

use std::io::{self, Write};
use std::net::Shutdown;

use super::{HttpConnection, Phase};
use crate::event::Now;
use crate::shard::Arrival;

/// What to do with a connection after a turn.
pub(in crate::net::control) enum Next {
    Stay,
    Close,
    Leave(Box<Arrival>),
}

impl HttpConnection {
    /// Writes the responses once everything of a turn is processed.
    pub(in crate::net::control) fn flush(&mut self, now: Now) -> Next {
        while !self.answers.is_written() {
            match self.socket.write(self.answers.unwritten()) {
                Ok(count) if count > 0 => {
                    self.answers.advance(count);
                    self.progress_ms = now.elapsed_ms;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.next(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => {
                    self.phase = Phase::Closed;
                    return self.next();
                }
            }
        }
        self.progress_ms = now.elapsed_ms;
        if let Phase::Closing { shut: shut @ false } = &mut self.phase
            && !self.answers.is_awaiting()
        {
            *shut = true;
            let _ = self.socket.shutdown(Shutdown::Write);
            self.since_ms = now.elapsed_ms;
        }
        self.next()
    }

    fn next(&mut self) -> Next {
        match &self.phase {
            Phase::Closed => Next::Close,
            // All is written, and the client has nothing more to send.
            Phase::Closing { shut: true } if !self.readable && self.peer_is_done() => Next::Close,
            // No response is pending: a stream is held until then.
            Phase::Leaving(_) if self.answers.is_written() => {
                match std::mem::replace(&mut self.phase, Phase::Closed) {
                    Phase::Leaving(arrival) => Next::Leave(arrival),
                    _ => Next::Close,
                }
            }
            _ => Next::Stay,
        }
    }

    fn peer_is_done(&self) -> bool {
        let mut byte = [0];
        matches!(self.socket.peek(&mut byte), Ok(0))
    }
}
