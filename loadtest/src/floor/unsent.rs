//! Frames that a socket has not taken yet.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write};

use anyhow::{Result, ensure};

use super::publish::Frame;

/// Frames that wait for a socket, in order. Allocates only when a frame does not fit.
#[derive(Default)]
pub(super) struct Unsent(Option<Box<Waiting>>);

#[derive(Default)]
struct Waiting {
    frames: VecDeque<Frame>,
    /// Bytes of the first frame that are sent.
    sent: usize,
    /// Total bytes of the frames.
    bytes: usize,
}

/// The result of a write.
#[derive(Debug, PartialEq)]
pub(super) enum Sent {
    /// The socket has taken everything.
    Whole,
    /// The rest follows when the socket is writable. `is_first`: this is the first time that some is left.
    Part { is_first: bool },
    /// The client is gone.
    Gone,
}

impl Unsent {
    /// Most bytes that wait for one client, 64 MiB: a client further behind will not catch up.
    const AT_MOST: usize = 64 * 1024 * 1024;

    /// Sends the frame after those that wait.
    pub(super) fn send(&mut self, socket: &mut impl Write, frame: &Frame) -> Result<Sent> {
        if let Self(Some(waiting)) = self
            && !waiting.frames.is_empty()
        {
            waiting.push(frame.clone())?;
            // The edge for writability is still to come.
            return Ok(Sent::Part { is_first: false });
        }
        let sent = match write(socket, frame) {
            Written::Bytes(length) if length == frame.len() => return Ok(Sent::Whole),
            Written::Bytes(length) => length,
            Written::Gone => return Ok(Sent::Gone),
        };
        let is_first = self.0.is_none();
        let waiting = self.0.get_or_insert_default();
        waiting.push(frame.clone())?;
        waiting.sent = sent;
        Ok(Sent::Part { is_first })
    }

    /// Sends what waits, after an edge for writability.
    pub(super) fn flush(&mut self, socket: &mut impl Write) -> Sent {
        let Self(Some(waiting)) = self else { return Sent::Whole };
        while let Some(frame) = waiting.frames.front() {
            match write(socket, &frame[waiting.sent..]) {
                Written::Bytes(length) => waiting.sent += length,
                Written::Gone => return Sent::Gone,
            }
            if waiting.sent < frame.len() {
                return Sent::Part { is_first: false };
            }
            waiting.bytes -= frame.len();
            waiting.sent = 0;
            waiting.frames.pop_front();
        }
        Sent::Whole
    }
}

impl Waiting {
    fn push(&mut self, frame: Frame) -> Result<()> {
        self.bytes += frame.len();
        self.frames.push_back(frame);
        let most = Unsent::AT_MOST;
        ensure!(self.bytes <= most, "a client does not keep up: over {most} bytes wait for it");
        Ok(())
    }
}

enum Written {
    Bytes(usize),
    Gone,
}

/// Writes until the socket would block: after a short write the kernel may have room again.
fn write(socket: &mut impl Write, bytes: &[u8]) -> Written {
    let mut sent = 0;
    while sent < bytes.len() {
        match socket.write(&bytes[sent..]) {
            Ok(length) => sent += length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Written::Gone,
        }
    }
    Written::Bytes(sent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::Arc;

    /// Takes so many bytes, at most three at a time, and then would block.
    #[derive(Default)]
    struct Socket {
        room: usize,
        taken: Vec<u8>,
        is_gone: bool,
    }

    impl Write for Socket {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.is_gone {
                return Err(ErrorKind::BrokenPipe.into());
            }
            let length = bytes.len().min(self.room).min(3);
            if length == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.room -= length;
            self.taken.extend_from_slice(&bytes[..length]);
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn everything_goes_out_once_and_in_order() {
        let frames = [b"0123456789", b"abcdefghij", b"ABCDEFGHIJ"].map(|bytes| Arc::new(bytes.to_vec()));
        let (mut unsent, mut socket) = (Unsent::default(), Socket { room: 14, ..Socket::default() });
        let sent = frames.each_ref().map(|frame| unsent.send(&mut socket, frame).unwrap());
        assert_eq!(sent, [Sent::Whole, Sent::Part { is_first: true }, Sent::Part { is_first: false }]);
        for (room, expected) in [(0, false), (1, false), (6, false), (8, false), (1, true), (0, true)] {
            socket.room = room;
            let is_whole = unsent.flush(&mut socket) == Sent::Whole;
            assert_eq!(is_whole, expected, "{:?}", socket.taken);
        }
        assert_eq!(socket.taken, b"0123456789abcdefghijABCDEFGHIJ");
        // From then on the socket is known to want a word when it can be written.
        socket.room = 4;
        assert_eq!(unsent.send(&mut socket, &frames[0]).unwrap(), Sent::Part { is_first: false });
        socket.is_gone = true;
        assert_eq!(unsent.flush(&mut socket), Sent::Gone);
    }

    #[test]
    fn a_client_that_never_reads_ends_it() {
        let frame = Arc::new(vec![b'x'; Unsent::AT_MOST / 4]);
        let (mut unsent, mut socket) = (Unsent::default(), Socket::default());
        let taken = (0..10).take_while(|_| unsent.send(&mut socket, &frame).is_ok()).count();
        assert_eq!(taken, 4);
    }
}
