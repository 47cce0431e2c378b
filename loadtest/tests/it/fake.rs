//! A small SSE server with one thread per connection, which can be given one fault.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    None,
    /// The following faults affect the first stream, at the event with this number.
    Drop(u64),
    Repeat(u64),
    /// The event arrives after the next one.
    Swap(u64),
    Damage(u64),
    Close(u64),
    /// The stream ends together with the event.
    End(u64),
    /// Every second stream is refused.
    Refuse,
    /// The first answer to each publish is 503.
    Busy,
    /// Events are sent to no stream.
    Silent,
    /// Every second stream is accepted and never answered.
    Hang,
    /// Streams after the first ten receive only the first event.
    Forget,
    /// Streams after the first ten do not receive the first event that is published to them.
    SkipFirst,
    /// Publishes are accepted and never answered.
    Mute,
}

pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    fault: Fault,
    streams: Mutex<Streams>,
    published: AtomicU64,
}

#[derive(Default)]
struct Streams {
    open: Vec<TcpStream>,
    /// Number of events sent to each stream.
    sent: Vec<u64>,
    /// Connections that are kept open and never answered.
    hung: Vec<TcpStream>,
    asked: usize,
    held: Vec<u8>,
    was_busy: bool,
}

impl Fake {
    pub(crate) fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { fault, streams: Mutex::default(), published: AtomicU64::new(0) });
        let server = shared.clone();
        thread::spawn(move || {
            for socket in listener.incoming() {
                let server = server.clone();
                thread::spawn(move || server.serve(socket.unwrap()));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn published(&self) -> u64 {
        self.shared.published.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn serve(&self, mut socket: TcpStream) {
        let mut reader = BufReader::new(socket.try_clone().unwrap());
        loop {
            let (mut method, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                if method.is_empty() {
                    method = line.split(' ').next().unwrap().to_owned();
                } else if let Some(value) = line.strip_prefix("Content-Length: ") {
                    length = value.trim().parse().unwrap();
                } else if line == "\r\n" {
                    break;
                }
            }
            if method == "GET" {
                return self.open(socket);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            self.publish(&mut socket, &String::from_utf8(body).unwrap());
        }
    }

    fn open(&self, mut socket: TcpStream) {
        let mut streams = self.streams.lock().unwrap();
        streams.asked += 1;
        if self.fault == Fault::Hang && streams.asked.is_multiple_of(2) {
            return streams.hung.push(socket);
        }
        let is_refused = self.fault == Fault::Refuse && streams.asked.is_multiple_of(2);
        let status = if is_refused { "refused" } else { "connected" };
        // In two writes, so that the load tester's first read contains no event.
        socket.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        socket
            .write_all(&chunk(&format!("event: connection\ndata: {{\"status\":\"{status}\"}}\n\n")))
            .unwrap();
        if is_refused {
            socket.write_all(b"0\r\n\r\n").unwrap();
        } else {
            streams.open.push(socket);
            streams.sent.push(0);
        }
    }

    fn publish(&self, publisher: &mut TcpStream, body: &str) {
        let mut streams = self.streams.lock().unwrap();
        if self.fault == Fault::Busy && !std::mem::replace(&mut streams.was_busy, true) {
            publisher.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").unwrap();
            return;
        }
        streams.was_busy = false;
        let n = self.published.fetch_add(1, Ordering::Relaxed) + 1;
        if self.fault == Fault::Mute {
            return;
        }
        publisher.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").unwrap();
        let data = body.strip_prefix(r#"{"event":"load","data":"#).unwrap().strip_suffix('}').unwrap();
        let whole = chunk(&format!("id: 1-{n}\nevent: load\ndata: {data}\n\n"));
        let Streams { open, sent, held, .. } = &mut *streams;
        for (i, socket) in open.iter_mut().enumerate() {
            let is_first = i == 0;
            sent[i] += 1;
            let bytes = match self.fault {
                Fault::Silent => Vec::new(),
                Fault::Forget if i >= 10 => Vec::new(),
                Fault::SkipFirst if i >= 10 && sent[i] == 1 => Vec::new(),
                Fault::Drop(at) if is_first && at == n => Vec::new(),
                Fault::Repeat(at) if is_first && at == n => whole.repeat(2),
                Fault::Swap(at) if is_first && at == n => {
                    held.clone_from(&whole);
                    Vec::new()
                }
                Fault::Swap(at) if is_first && at + 1 == n => [&whole[..], held].concat(),
                Fault::Damage(at) if is_first && at == n => chunk("event: load\ndata: {\"s\":0,\"n\":1}\n\n"),
                Fault::End(at) if is_first && at == n => {
                    socket.write_all(&whole).unwrap();
                    socket.shutdown(Shutdown::Write).unwrap();
                    Vec::new()
                }
                Fault::Close(at) if is_first && at == n => {
                    socket.shutdown(Shutdown::Both).unwrap();
                    Vec::new()
                }
                _ => whole.clone(),
            };
            // One of the faults closes streams.
            let _ = socket.write_all(&bytes);
        }
    }
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}
