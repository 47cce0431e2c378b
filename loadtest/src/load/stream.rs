//! One stream, from its connect to its end.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

use super::order::Order;
use crate::clock;
use crate::http::{Body, Head};
use crate::sse::{Event, EventScanner};

/// What the load tester has for each of many thousand streams stays small beside what is measured.
const _: () = assert!(size_of::<Stream>() <= 192);

/// On Linux. `std::io::ErrorKind` has no stable name for it.
const EINPROGRESS: i32 = 115;

pub(super) struct Stream {
    pub(super) socket: TcpStream,
    pub(super) order: Order,
    /// It has got its first event.
    pub(super) is_open: bool,
    phase: Phase,
}

enum Phase {
    Connecting,
    /// The request is sent; the bytes of the answer's head so far.
    Head(Vec<u8>),
    Body(Body, EventScanner),
    Ended,
}

impl Stream {
    /// Begins a connection from `source`, or from where the kernel chooses.
    pub(super) fn connect(to: SocketAddr, source: Option<Ipv4Addr>) -> Result<Self> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        // Closed by a reset, a stream leaves no TIME_WAIT behind that holds its port for the next load.
        socket.set_linger(Some(Duration::ZERO))?;
        if let Some(source) = source {
            socket.bind(&SocketAddr::from((source, 0)).into()).context("no port left on a source address")?;
        }
        match socket.connect(&to.into()) {
            Err(error) if error.raw_os_error() != Some(EINPROGRESS) => return Err(error.into()),
            _ => {}
        }
        let socket = TcpStream::from_std(socket.into());
        Ok(Self { socket, order: Order::new(), is_open: false, phase: Phase::Connecting })
    }

    /// Takes what the socket has. `sink` gets each event but the first, with the time it was read.
    /// An error ends the stream, and so does its end.
    pub(super) fn ready(
        &mut self,
        request: &[u8],
        buffer: &mut [u8],
        mut sink: impl FnMut(&mut Order, Event, Instant),
    ) -> Result<()> {
        if let Phase::Connecting = self.phase {
            if let Some(error) = self.socket.take_error()? {
                return Err(error).context("connect");
            }
            match self.socket.write(request) {
                Ok(length) => ensure!(length == request.len(), "the request did not go out whole"),
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
            let now = clock::now();
            self.take(&buffer[..length], |order, event| sink(order, event, now))?;
            // Less than was asked for: the socket is drained, and the next byte makes a new edge.
            if length < buffer.len() {
                return Ok(());
            }
        }
    }

    fn take(&mut self, bytes: &[u8], mut sink: impl FnMut(&mut Order, Event)) -> Result<()> {
        match &mut self.phase {
            Phase::Head(head) => {
                head.extend_from_slice(bytes);
                let Some(parsed) = Head::parse(head)? else { return Ok(()) };
                ensure!(parsed.status == 200, "answered {}", parsed.status);
                let rest = head.split_off(parsed.length);
                self.phase = Phase::Body(Body::new(parsed.framing), EventScanner::new());
                self.take(&rest, sink)
            }
            Phase::Body(body, scanner) => {
                let (order, is_open) = (&mut self.order, &mut self.is_open);
                let mut is_refused = false;
                body.feed(bytes, |payload| {
                    scanner.feed(payload, |event| match event {
                        Event::Connection { refused: true } => is_refused = true,
                        Event::Connection { refused: false } if !*is_open => *is_open = true,
                        event => {
                            *is_open = true;
                            sink(order, event);
                        }
                    });
                })?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        2e\r\nevent: connection\ndata: {\"status\":\"connect\"}\n\n\r\n\
        11\r\ndata: {\"n\":1}\n\nda\r\n4\r\nta: \r\n9\r\n{\"n\":2}\n\n\r\n";

    fn taken(pieces: &[&[u8]]) -> (bool, Vec<Event>, u64) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = Stream::connect(listener.local_addr().unwrap(), None).unwrap();
        stream.phase = Phase::Head(Vec::new());
        let mut events = Vec::new();
        for piece in pieces {
            stream
                .take(piece, |order, event| {
                    if let Event::Data { n: Some(n), .. } = event {
                        order.arrive(n);
                    }
                    events.push(event);
                })
                .unwrap();
        }
        (stream.is_open, events, stream.order.next())
    }

    #[test]
    fn every_cut_of_an_answer_gives_the_same() {
        let expected =
            (true, vec![Event::Data { n: Some(1), length: 7 }, Event::Data { n: Some(2), length: 7 }], 3);
        for cut in 0..=ANSWER.len() {
            assert_eq!(taken(&[&ANSWER[..cut], &ANSWER[cut..]]), expected, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = ANSWER.chunks(1).collect();
        assert_eq!(taken(&bytes), expected);
    }

    #[test]
    fn a_refusal_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = Stream::connect(listener.local_addr().unwrap(), None).unwrap();
        stream.phase = Phase::Head(Vec::new());
        assert!(stream.take(b"HTTP/1.1 503 Full\r\n\r\n", |_, _| ()).is_err());
        stream.phase = Phase::Head(Vec::new());
        let refused = b"HTTP/1.1 200 OK\r\n\r\nevent: connection\ndata: {\"status\":\"refused\"}\n\n";
        assert!(stream.take(refused, |_, _| ()).is_err());
        assert!(!stream.is_open);
    }
}
