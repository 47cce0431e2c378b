//! One stream, from connect to end.

use std::io::{ErrorKind, Read as _, Write as _};

use anyhow::{Context as _, Result, bail, ensure};
use mio::net::TcpStream;

use super::backoff::Backoff;
use super::order::Order;
use crate::http::{Body, Head};
use crate::sse::{Block, EventScanner, Spare};

const REFUSED: &[u8] = b"\"status\":\"refused\"";
const CONNECTED: &[u8] = b"\"status\":\"connected\"";

pub(super) struct Stream {
    pub(super) socket: TcpStream,
    phase: Phase,
    pub(super) trail: Trail,
}

/// The state of a stream that outlives its connection.
pub(super) struct Trail {
    pub(super) order: Order,
    /// The last event id, if the plan resumes.
    pub(super) id: Vec<u8>,
    /// When its connect began, in nanoseconds.
    pub(super) dialed: u64,
    /// When its first event arrived, in nanoseconds; 0 before.
    pub(super) since: u64,
    pub(super) heartbeats: u32,
    /// Whether it has been closed before.
    pub(super) is_again: bool,
    pub(super) backoff: Backoff,
}

enum Phase {
    Connecting,
    /// The request is sent; holds the bytes of the response head so far.
    Head(Vec<u8>),
    Body(Body, EventScanner),
    Ended,
}

impl Trail {
    pub(super) fn new(order: Order) -> Self {
        let backoff = Backoff::default();
        Self { order, id: Vec::new(), dialed: 0, since: 0, heartbeats: 0, is_again: false, backoff }
    }

    pub(super) fn is_open(&self) -> bool {
        self.since > 0
    }

    /// Takes from a block when to reconnect. Without `connection` events, the first event shows that the stream is open.
    fn hear(&mut self, block: &Block<'_>) {
        if let Some(millis) = block.retry {
            self.backoff.retry(millis);
        }
        let is_connection = block.event == b"connection";
        if is_connection || !self.is_open() {
            let data = block.data.unwrap_or_default();
            self.backoff.hear(!is_connection || contains(data, CONNECTED));
        }
    }
}

impl Stream {
    /// A stream whose connect has begun.
    pub(super) fn new(socket: TcpStream, trail: Trail) -> Self {
        Self { socket, phase: Phase::Connecting, trail }
    }

    /// Reads until the socket is drained, and passes each block to `sink`. An error ends the stream. `is_end`: the end of the
    /// connection may follow the last bytes; it makes no epoll edge of its own.
    pub(super) fn ready(
        &mut self,
        is_end: bool,
        request: impl FnOnce(&Trail) -> String,
        (buffer, spare): (&mut [u8], &mut Spare),
        sink: &mut impl FnMut(&mut Trail, &Block<'_>),
    ) -> Result<()> {
        if let Phase::Connecting = self.phase {
            if let Some(error) = self.socket.take_error()? {
                return Err(error).context("connect");
            }
            let request = request(&self.trail);
            match self.socket.write(request.as_bytes()) {
                Ok(length) => ensure!(length == request.len(), "the socket took only a part of the request"),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    return Ok(());
                }
                Err(error) => return Err(error).context("cannot send the request"),
            }
            self.phase = Phase::Head(Vec::new());
        }
        loop {
            let length = match self.socket.read(buffer) {
                Ok(0) => bail!("the server ended the stream"),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("cannot read"),
            };
            self.take(&buffer[..length], spare, sink)?;
            // A short read: the socket is drained, and the next byte makes a new edge.
            if length < buffer.len() && !is_end {
                return Ok(());
            }
        }
    }

    fn take(
        &mut self,
        bytes: &[u8],
        spare: &mut Spare,
        sink: &mut impl FnMut(&mut Trail, &Block<'_>),
    ) -> Result<()> {
        match &mut self.phase {
            Phase::Head(head) => {
                head.extend_from_slice(bytes);
                let Some(parsed) = Head::parse(head)? else { return Ok(()) };
                ensure!(parsed.status == 200, "answered {}", parsed.status);
                let rest = head.split_off(parsed.length);
                self.phase = Phase::Body(Body::new(parsed.framing), EventScanner::default());
                self.take(&rest, spare, sink)
            }
            Phase::Body(body, scanner) => {
                let trail = &mut self.trail;
                let mut is_refused = false;
                let mut take_block = |block: Block<'_>| {
                    trail.hear(&block);
                    if block.event == b"connection" && block.data.is_some_and(|data| contains(data, REFUSED))
                    {
                        is_refused = true;
                    } else {
                        sink(trail, &block);
                    }
                };
                let mut scanned = Ok(());
                body.feed(bytes, |payload| {
                    if scanned.is_ok() {
                        scanned = scanner.feed(payload, spare, &mut take_block);
                    }
                })?;
                scanned?;
                ensure!(!is_refused, "refused by a connection event");
                if body.is_done() {
                    self.phase = Phase::Ended;
                    bail!("the server ended the stream");
                }
                Ok(())
            }
            Phase::Connecting | Phase::Ended => bail!("bytes before the request or after the end"),
        }
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Shutdown, TcpListener};
    use std::time::Duration;

    use crate::dial::dial;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        2e\r\nevent: connection\ndata: {\"status\":\"connect\"}\n\n\r\n\
        11\r\ndata: {\"n\":1}\n\nda\r\n4\r\nta: \r\n9\r\n{\"n\":2}\n\n\r\n";

    fn stream() -> Stream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut stream = Stream::new(dial(address, None).unwrap(), Trail::new(Order::new()));
        stream.phase = Phase::Head(Vec::new());
        stream
    }

    fn taken(pieces: &[&[u8]]) -> Vec<String> {
        let (mut stream, mut seen) = (stream(), Vec::new());
        for piece in pieces {
            let mut sink = |_: &mut Trail, block: &Block<'_>| {
                seen.push(String::from_utf8(block.data.unwrap_or_default().to_vec()).unwrap());
            };
            stream.take(piece, &mut Spare::default(), &mut sink).unwrap();
        }
        seen
    }

    #[test]
    fn every_cut_of_an_answer_gives_the_same() {
        let expected = vec![r#"{"status":"connect"}"#, r#"{"n":1}"#, r#"{"n":2}"#];
        for cut in 0..=ANSWER.len() {
            assert_eq!(taken(&[&ANSWER[..cut], &ANSWER[cut..]]), expected, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = ANSWER.chunks(1).collect();
        assert_eq!(taken(&bytes), expected);
    }

    #[test]
    fn an_end_that_comes_with_the_last_bytes_is_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut stream = Stream::new(dial(address, None).unwrap(), Trail::new(Order::new()));
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(b"HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n").unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        let (mut buffer, mut blocks) = (vec![0; 1024], 0);
        let mut outcome = Ok(());
        // The handshake may take a moment.
        for _ in 0..60_000 {
            outcome = stream.ready(
                true,
                |_| "GET / HTTP/1.1\r\n\r\n".to_owned(),
                (&mut buffer, &mut Spare::default()),
                &mut |_, _| blocks += 1,
            );
            if outcome.is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(outcome.is_err());
        assert_eq!(blocks, 1);
    }

    #[test]
    fn a_refusal_is_an_error() {
        assert!(stream().take(b"HTTP/1.1 503 Full\r\n\r\n", &mut Spare::default(), &mut |_, _| ()).is_err());
        let refused = b"HTTP/1.1 200 OK\r\n\r\nevent: connection\ndata: {\"status\":\"refused\"}\n\n";
        assert!(stream().take(refused, &mut Spare::default(), &mut |_, _| panic!("an event")).is_err());
    }
}
