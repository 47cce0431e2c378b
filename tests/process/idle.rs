//! Connections that hold descriptors and do nothing: they make room for those that do.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;
use socket2::{Domain, Socket, Type};

use crate::server::{Server, address_in, alone};
use crate::support::client::{Connection, Response};
use crate::support::clock::within;
use crate::support::subscriber::Subscriber;

/// Descriptors that the server may have.
const LIMIT: usize = 600;
/// Connections of whoever wants it to have none left.
const CROWD: usize = 1200;
/// Nobody waits for as long as idle connections have, or their silence.
const TIME: Duration = Duration::from_secs(60);

const HOST: &str = "HTTP/1.1\r\nHost: localhost\r\n";

/// What such a connection sends.
#[derive(Clone, Copy, Debug)]
enum Attack {
    /// Nothing.
    Silence,
    /// A request; then it stays, its answer read.
    Health,
    /// The beginning of a head.
    HalfHead,
    /// A head, a byte at a time.
    SlowHead,
    /// The beginning of a body.
    HalfBody,
    /// A body, a byte at a time.
    SlowBody,
    /// A body that is refused already, and moves.
    RefusedBody,
    /// Requests whose answers it does not read.
    Unread,
    /// A request that ends the connection; then it goes on sending.
    Lingering,
}

const ALL: [Attack; 9] = [
    Attack::Silence,
    Attack::Health,
    Attack::HalfHead,
    Attack::SlowHead,
    Attack::HalfBody,
    Attack::SlowBody,
    Attack::RefusedBody,
    Attack::Unread,
    Attack::Lingering,
];

impl Attack {
    fn begin(self) -> Vec<u8> {
        let post = format!(
            "POST /api/sse/events {HOST}Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{{"
        );
        match self {
            Self::Silence => Vec::new(),
            Self::Health => format!("GET /healthz {HOST}\r\n").into_bytes(),
            Self::HalfHead | Self::SlowHead => format!("GET /healthz {HOST}X-Slow: ").into_bytes(),
            Self::HalfBody | Self::SlowBody => post.into_bytes(),
            Self::RefusedBody => {
                format!("POST /nowhere {HOST}Content-Length: 1048576\r\n\r\n{{").into_bytes()
            }
            Self::Unread => format!("GET /api/sse/client.js {HOST}\r\n").repeat(200).into_bytes(),
            Self::Lingering => format!("GET /healthz {HOST}Connection: close\r\n\r\n").into_bytes(),
        }
    }

    fn drips(self) -> bool {
        matches!(self, Self::SlowHead | Self::SlowBody | Self::RefusedBody | Self::Lingering)
    }
}

/// A connection from one of many addresses of this machine, in the queue of the listener at least.
fn connect(address: SocketAddr, from: Ipv4Addr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(IpAddr::V4(from), 0).into()).expect("an address of this machine");
    socket.connect(&address.into()).expect("room in the queue");
    socket.set_nonblocking(true).expect("a mode");
    socket.into()
}

/// What can be sent is; what cannot has found the other end closed, or not reading.
fn send(socket: &mut TcpStream, bytes: &[u8]) {
    if let Err(error) = socket.write(bytes) {
        assert_ne!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}

fn crowd(address: SocketAddr, attack: Attack, addresses: u8) -> Vec<TcpStream> {
    let begin = attack.begin();
    let connect_one = |n: usize| {
        let from = Ipv4Addr::new(127, 0, 1, 1 + (n % usize::from(addresses)) as u8);
        let mut socket = connect(address, from);
        send(&mut socket, &begin);
        socket
    };
    (0..CROWD).map(connect_one).collect()
}

/// A little more of each, and what has come is read by those who read.
fn drip(crowd: &mut [TcpStream], attack: Attack) {
    for socket in crowd {
        if attack.drips() {
            // Faster than the slowest body that may be.
            let piece: &[u8] = if let Attack::RefusedBody = attack { &[b'x'; 512] } else { b"x" };
            send(socket, piece);
        }
        if matches!(attack, Attack::Health) {
            let _ = socket.read(&mut [0; 1024]);
        }
    }
}

fn get(address: SocketAddr, target: &str) -> Response {
    Connection::open(address).get(target)
}

/// A stream. A body, or an answer, is given a moment before it is taken for one that does not move, and meanwhile
/// streams may be refused for now.
fn let_in(server: &Server) -> Subscriber {
    let mut stream = server.subscribe("");
    within(TIME, "a stream is let in", || {
        if stream.greeting()["status"] != "connected" {
            stream = server.subscribe("");
        }
        stream.greeting()["status"] == "connected"
    });
    stream
}

fn reclaimed(server: &Server, control: SocketAddr) -> u64 {
    let text = get(control, "/metrics").text().to_owned();
    let values = text.lines().filter_map(|line| {
        line.strip_prefix("fanfare_connections_reclaimed_total{")?.split(' ').nth(1)?.parse::<u64>().ok()
    });
    let sum = values.sum();
    assert!(server.log().matches("descriptors run short").count() <= 1, "it is said once: {}", server.log());
    sum
}

/// While so many connections of whatever kind want all descriptors, everybody else is served, again and again.
fn serves_others(attack: Attack, addresses: u8, is_split: bool) {
    let args = ["--control-listen", "127.0.0.1:0", "--workers", "2"];
    let mut server = Server::limited(LIMIT, if is_split { &args } else { &args[2..] });
    let control = if is_split { address_in(&server.greeting[1]) } else { server.address };
    let mut first = server.subscribe("");
    let mut others = crowd(server.address, attack, addresses);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                drip(&mut others, attack);
                thread::sleep(Duration::from_millis(200));
            }
        });
        let mut streams = Vec::new();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for n in 0..20 {
                assert_eq!(get(server.address, "/healthz").status(), 200);
                streams.push(let_in(&server));
                let mut publisher = Connection::open(control);
                assert_eq!(publisher.post("/api/sse/events", json!({"data": n}).to_string()).status(), 202);
                assert_eq!(get(control, "/readyz").status(), 200);
                assert_eq!(get(control, "/api/sse/stats").status(), 200);
                assert_eq!(first.next().data, n.to_string());
                assert!(
                    streams.iter_mut().all(|stream: &mut Subscriber| stream.next().data == n.to_string())
                );
            }
        }));
        is_over.store(true, Ordering::Relaxed);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
    assert!(reclaimed(&server, control) >= (CROWD - LIMIT) as u64, "{attack:?}");
    assert!(server.log().contains("descriptors run short"), "{}", server.log());
    assert!(server.is_running());
}

#[test]
fn idle_connections_make_room_whatever_they_have_sent() {
    let _turn = alone();
    for attack in ALL {
        println!("{attack:?} from one address");
        serves_others(attack, 1, false);
    }
}

#[test]
fn idle_connections_of_many_addresses_make_room_and_the_control_listener_has_its_own() {
    let _turn = alone();
    for attack in ALL {
        println!("{attack:?} from many addresses");
        serves_others(attack, 200, true);
    }
}

/// New ones come as fast as they can, and each wants to stay.
#[test]
fn a_flood_of_connections_keeps_nobody_out() {
    let _turn = alone();
    let server = Server::limited(LIMIT, &["--control-listen", "127.0.0.1:0", "--workers", "2"]);
    let control = address_in(&server.greeting[1]);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for n in 0..2 {
            let (address, is_over) = (server.address, &is_over);
            scope.spawn(move || {
                let mut kept = std::collections::VecDeque::new();
                for turn in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let attack = ALL[turn % 5];
                    let mut socket = connect(address, Ipv4Addr::new(127, 0, 1, 1 + n));
                    send(&mut socket, &attack.begin());
                    kept.push_back(socket);
                    if kept.len() > CROWD {
                        kept.pop_front();
                    }
                }
            });
        }
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut stream = server.subscribe("");
            within(TIME, "it is let in", || {
                if stream.greeting()["status"] != "connected" {
                    stream = server.subscribe("");
                }
                stream.greeting()["status"] == "connected"
            });
            for n in 0..30 {
                assert_eq!(get(control, "/readyz").status(), 200);
                let mut publisher = Connection::open(control);
                assert_eq!(publisher.post("/api/sse/events", json!({"data": n}).to_string()).status(), 202);
                assert_eq!(stream.next().data, n.to_string());
            }
            within(TIME, "others are served, too", || {
                get(server.address, "/healthz").status() == 200
                    && server.subscribe("").greeting()["status"] == "connected"
            });
        }));
        is_over.store(true, Ordering::Relaxed);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
}
