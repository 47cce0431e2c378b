//! The writing of answers, and what becomes of the connection then.

use std::io::{self, Write};
use std::net::Shutdown;

use super::{Exchange, Phase};
use crate::event::Now;
use crate::shard::Arrival;

/// What is to become of a connection after a turn.
pub(in crate::net::control) enum Fate {
    Stays,
    Closes,
    Leaves(Box<Arrival>),
}

impl Exchange {
    /// Writes what is to be written, once everything of a turn is done.
    pub(in crate::net::control) fn flush(&mut self, now: Now) -> Fate {
        while !self.answers.is_written() {
            match self.socket.write(self.answers.unwritten()) {
                Ok(count) if count > 0 => {
                    self.answers.advance(count);
                    self.progress_ms = now.elapsed_ms;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.fate(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => {
                    self.phase = Phase::Closed;
                    return self.fate();
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
        self.fate()
    }

    fn fate(&mut self) -> Fate {
        match &self.phase {
            Phase::Closed => Fate::Closes,
            // All is said, and the client has nothing more to say.
            Phase::Closing { shut: true } if !self.readable && self.peer_is_done() => Fate::Closes,
            // None is awaited: a stream is held until then.
            Phase::Leaving(_) if self.answers.is_written() => {
                match std::mem::replace(&mut self.phase, Phase::Closed) {
                    Phase::Leaving(arrival) => Fate::Leaves(arrival),
                    _ => Fate::Closes,
                }
            }
            _ => Fate::Stays,
        }
    }

    fn peer_is_done(&self) -> bool {
        let mut byte = [0];
        matches!(self.socket.peek(&mut byte), Ok(0))
    }
}
