//! A small SSE server that records its requests. Connections from 127.0.1.0/24 count as attackers.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use socket2::{Domain, Protocol, Socket, Type};

use crate::peer::Peer;
use crate::run::wait_until;

/// Most tokens of a pattern.
pub(crate) const PATTERN_TOKENS: usize = 16;
/// What a file says of it beside what goes to all.
const VICTIM: &str = r#"[user]
stream = "/sse?user=u-{n}"
publish = "/publish"
body = '{"event":"load","data":{data},"to":{"user":"u-{n}"}}'
[secured]
claims = '{"sub":"u-{n}"}'
health = "/health"
[wildcards]
parameter = "topic"
body = '{"event":"load","data":{data},"to":{"topic":{topics}}}'
"#;
const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

pub(crate) struct Victim {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<Arc<Seen>>>,
    streams: Mutex<Vec<TcpStream>>,
    published: AtomicU64,
}

/// One connection.
pub(crate) struct Seen {
    pub(crate) source: Ipv4Addr,
    requests: Mutex<Vec<Request>>,
    /// Bytes of an incomplete head.
    rest: Mutex<String>,
    /// Nothing more will come.
    has_ended: AtomicBool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Method and target.
    pub(crate) line: String,
    fields: Vec<(String, String)>,
    /// The bytes of the body that arrived.
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| &**value)
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.field("Authorization")?.strip_prefix("Bearer ")
    }
}

impl Seen {
    fn is_stranger(&self) -> bool {
        self.source.octets()[..3] == [127, 0, 1]
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn rest(&self) -> String {
        self.rest.lock().unwrap().clone()
    }
}

impl Victim {
    pub(crate) fn start() -> Self {
        // Each attacker takes a descriptor of this process.
        rlimit::increase_nofile_limit(u64::MAX).unwrap();
        let listener = listen();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let server = shared.clone();
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || server.serve(socket));
            }
        });
        Self { address, shared }
    }

    /// The path of a peer file that describes this server.
    pub(crate) fn peer(&self) -> String {
        let server = format!("address = \"{}\"", self.address);
        let (stream, publish) = ("/sse", "/publish");
        Peer { name: "victim", server: &server, resumes: true, stream, publish, more: VICTIM }.write()
    }

    /// Those that have come and are gone, with all that they have said. Only once the attack is over.
    pub(crate) fn strangers(&self) -> Vec<Arc<Seen>> {
        let strangers = || {
            let seen = self.shared.seen.lock().unwrap();
            seen.iter().filter(|seen| seen.is_stranger()).cloned().collect::<Vec<_>>()
        };
        wait_until("the end of all strangers", || {
            strangers().iter().all(|seen| seen.has_ended.load(Ordering::Relaxed))
        });
        strangers()
    }

    pub(crate) fn honest(&self) -> Vec<Arc<Seen>> {
        let seen = self.shared.seen.lock().unwrap();
        seen.iter().filter(|seen| !seen.is_stranger()).cloned().collect()
    }
}

impl Shared {
    fn serve(&self, socket: TcpStream) {
        let Ok(SocketAddr::V4(peer)) = socket.peer_addr() else { return };
        let (requests, rest, has_ended) = (Mutex::default(), Mutex::default(), AtomicBool::new(false));
        let seen = Arc::new(Seen { source: *peer.ip(), requests, rest, has_ended });
        self.seen.lock().unwrap().push(seen.clone());
        self.take_requests(socket, &seen);
        seen.has_ended.store(true, Ordering::Relaxed);
    }

    fn take_requests(&self, mut socket: TcpStream, seen: &Seen) {
        let mut reader = BufReader::new(socket.try_clone().unwrap());
        while let Some((mut request, length)) = head(&mut reader, seen) {
            let answer = if seen.is_stranger() { refuse(&request) } else { None };
            let is_refused = answer.is_some();
            if let Some(answer) = answer {
                // An attacker may have closed its connection.
                let _ = socket.write_all(&answer);
            }
            let body = reader.by_ref().take(length).read_to_end(&mut request.body);
            let is_whole = body.is_ok() && request.body.len() as u64 == length;
            seen.requests.lock().unwrap().push(request.clone());
            match () {
                () if !is_whole => return,
                () if is_refused => {}
                () if request.line.starts_with("POST") => self.publish(&mut socket, &request.body),
                () => return self.open(socket, seen.is_stranger()),
            }
        }
    }

    fn publish(&self, publisher: &mut TcpStream, body: &[u8]) {
        // One publish at a time, so that all streams receive events in one order.
        let mut streams = self.streams.lock().unwrap();
        let n = self.published.fetch_add(1, Ordering::Relaxed) + 1;
        let body = std::str::from_utf8(body).unwrap();
        let data = body.strip_prefix(r#"{"event":"load","data":"#).unwrap();
        let _ = publisher.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
        if let Some(data) = data.strip_suffix('}').filter(|_| !body.contains(r#""to":"#)) {
            let event = chunk(&format!("id: 1-{n}\nevent: load\ndata: {data}\n\n"));
            streams.retain_mut(|stream| stream.write_all(&event).is_ok());
        }
    }

    fn open(&self, mut socket: TcpStream, is_stranger: bool) {
        let mut streams = self.streams.lock().unwrap();
        let n = self.published.load(Ordering::Relaxed);
        let first = chunk(&format!("id: 1-{n}\nevent: connection\ndata: {{\"status\":\"connected\"}}\n\n"));
        let opened = socket.write_all(&[STREAM_HEAD.as_bytes(), &first].concat());
        if opened.is_ok() && !is_stranger {
            streams.push(socket);
        } else {
            drop(streams);
            // Until the attacker closes its connection.
            let _ = socket.read(&mut [0]);
        }
    }
}

/// Listens with a backlog for all attackers at once: the kernel drops silent connections that find no room.
fn listen() -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(4096).unwrap();
    socket.into()
}

/// Reads the request line, the fields and the length of the body; `None` at the end.
fn head(reader: &mut BufReader<TcpStream>, seen: &Seen) -> Option<(Request, u64)> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut bytes).unwrap_or(0) == 0 {
            *seen.rest.lock().unwrap() = String::from_utf8(bytes).unwrap();
            return None;
        }
    }
    let text = String::from_utf8(bytes).unwrap();
    let mut lines = text.trim_end().split("\r\n");
    let line = lines.next()?.strip_suffix(" HTTP/1.1")?.to_owned();
    let field = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    let request = Request { line, fields: lines.filter_map(field).collect(), body: Vec::new() };
    let length = request.field("Content-Length").map_or(0, |length| length.parse().unwrap());
    Some((request, length))
}

/// The answer to an attacker as far as the head determines it.
fn refuse(request: &Request) -> Option<Vec<u8>> {
    let is_forged =
        request.token().is_some_and(|token| token.contains('.')) && !request.line.contains("topic=");
    let deep = |pattern: &str| pattern.split('.').count() > PATTERN_TOKENS;
    let status = match &*request.line {
        "GET /health" => "200 OK",
        "POST /nowhere" => "404 Not Found",
        _ if is_forged => "401 Unauthorized",
        "POST /publish" if request.token().is_none() => "401 Unauthorized",
        line if line.split("topic=").skip(1).any(deep) => "400 Bad Request",
        _ => return None,
    };
    Some(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes())
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}
