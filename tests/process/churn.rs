//! Clients that come and go, in every way there is: afterwards nothing of them is left.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use socket2::SockRef;

use crate::server::{Server, alone, stats};
use crate::support::client::{self, Connection, request};
use crate::support::clock::{Deadline, eventually};
use crate::support::subscriber::Subscriber;
use crate::usage::{descriptors, memory, mib};

const WAVES: usize = 10;
const WAVE: usize = 1_200;
/// Between the second wave and the last, without the two waves that it grew most in: 145 bytes for each visit. What is
/// left of visits is left of all of them, and what a machine that is slow lets pile up for once is not.
const MAX_GROWTH: usize = 1024 * 1024;

/// How a client leaves.
#[derive(Clone, Copy)]
enum Leaving {
    /// Before it has said anything.
    Silent,
    /// In the middle of its request.
    MidHead,
    /// With its request sent and nothing read.
    AfterHead,
    /// With some of its stream read.
    MidStream,
    /// By saying that it will send no more, and reading on to the end.
    HalfClosed,
    /// With a request that is not for a stream sent, and no answer read.
    OtherRequest,
    /// With the others of its wave.
    Late,
}

const LEAVINGS: [Leaving; 7] = [
    Leaving::Silent,
    Leaving::MidHead,
    Leaving::AfterHead,
    Leaving::MidStream,
    Leaving::HalfClosed,
    Leaving::OtherRequest,
    Leaving::Late,
];

/// A request for a stream by anybody.
fn anybody(random: &mut Rng) -> Vec<u8> {
    let mut query = Vec::new();
    let topics = ["a", "a.b", "a.*", "a.>", "*.b", "news.eu.*"];
    if random.bool() {
        query.push(format!("userId=u{}", random.u32(..50)));
    }
    if random.bool() {
        query.push(format!("sessionId=s{}", random.u32(..50)));
    }
    for _ in 0..random.usize(..4) {
        query.push(format!("topic={}", topics[random.usize(..topics.len())]));
    }
    for _ in 0..random.usize(..3) {
        query.push(format!("meta.k{}=v{}", random.u32(..3), random.u32(..20)));
    }
    let fields = match random.u32(..3) {
        0 => format!("Last-Event-ID: {}-{}\r\n", random.u64(..2_000_000_000_000), random.u32(..5000)),
        _ => String::new(),
    };
    request("GET", &format!("/api/sse?{}", query.join("&")), &fields, "")
}

/// A connection that has had an answer. The server waits for a head no longer than a moment, which a machine that is
/// slow may let pass.
fn speaking(server: &Server) -> Connection {
    let mut answered = None;
    eventually("a head comes in time", || {
        let mut connection = server.connect();
        connection.try_send(request("GET", "/healthz", "", ""));
        answered = connection.try_response().map(|_| connection);
        answered.is_some()
    });
    answered.expect("what was waited for")
}

/// Comes, and leaves unless it stays for the wave.
fn visit(server: &Server, random: &mut Rng) -> Option<TcpStream> {
    let mut socket = TcpStream::connect(server.address).expect("a connection");
    let leaving = LEAVINGS[random.usize(..LEAVINGS.len())];
    let head = anybody(random);
    let sent = match leaving {
        Leaving::Silent => &[],
        Leaving::MidHead => &head[..random.usize(1..head.len())],
        Leaving::OtherRequest => &b"GET /api/sse/stats HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        _ => &head,
    };
    socket.write_all(sent).expect("the kernel takes a request");
    match leaving {
        Leaving::MidStream => drop(read(&mut socket)),
        Leaving::HalfClosed => {
            // It may have been closed already, if its head came too late.
            let _ = socket.shutdown(std::net::Shutdown::Write);
            while read(&mut socket) {}
        }
        Leaving::Late => return Some(socket),
        _ => {}
    }
    leave(socket, random);
    None
}

/// Reads what is there; false at the end.
fn read(socket: &mut TcpStream) -> bool {
    match client::read(socket, &mut [0; 2048], Deadline::new()) {
        Ok(count) => count > 0,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
        Err(error) => panic!("neither bytes nor the end: {error}"),
    }
}

/// In good order, or with a reset.
fn leave(socket: TcpStream, random: &mut Rng) {
    if random.bool() {
        SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("a socket");
    }
    drop(socket);
}

/// Publishes to anybody until told to stop; how many.
fn publish_to_anybody(mut connection: Connection, stop: &AtomicBool) -> u64 {
    let mut random = Rng::with_seed(7);
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let to = match random.u32(..5) {
            0 => json!("all"),
            1 => json!({"user": format!("u{}", random.u32(..50))}),
            2 => json!({"session": format!("s{}", random.u32(..50))}),
            3 => json!({"topic": "a.b"}),
            _ => json!({"topic": "a.c", "where": {"k1": format!("v{}", random.u32(..20))}}),
        };
        let event = json!({"to": to, "data": "x".repeat(random.usize(..2000))});
        assert_eq!(connection.post("/api/sse/events", event.to_string()).status(), 202);
        count += 1;
    }
    count
}

fn wave(server: &Server, random: &mut Rng) {
    let stop = Arc::new(AtomicBool::new(false));
    let (connection, told) = (speaking(server), stop.clone());
    let publisher = thread::spawn(move || publish_to_anybody(connection, &told));
    let mut late: Vec<TcpStream> = (0..WAVE).filter_map(|_| visit(server, random)).collect();
    random.shuffle(&mut late);
    late.into_iter().for_each(|socket| leave(socket, random));
    stop.store(true, Ordering::Relaxed);
    assert!(publisher.join().expect("every publication is taken") > 0);
}

/// Whether statistics say that nobody is there, but for who asks.
fn is_deserted(statistics: &Value) -> bool {
    let zero = |pointer: &str| statistics.pointer(pointer).is_some_and(|value| *value == 0);
    let per_loop = statistics["engine"]["loops"]
        .as_array()
        .expect("loops")
        .iter()
        .all(|one| one["connections"] == 0 && one["unopenedConnections"] == 0 && one["inboxEvents"] == 0);
    per_loop
        && ["/totalConnections", "/userConnections", "/sessionConnections", "/staleConnections"]
            .into_iter()
            .chain(["/engine/backlogBytes", "/engine/connectedUsers", "/engine/laggingConnections"])
            .all(zero)
        && statistics["oldestConnection"].is_null()
        && statistics["newestConnection"].is_null()
}

#[test]
fn after_thousands_of_visits_nothing_is_left() {
    let _turn = alone();
    // Small, so that what they take does not hide what is left. Every connection stands in a queue for as long
    // as its head may take.
    let limits = ["--history-bytes", "256KiB", "--max-backlog", "16KiB", "--head-timeout", "300ms"];
    let server = Server::start(&limits);
    let mut connection = speaking(&server);
    assert!(is_deserted(&stats(&mut connection)));
    let baseline = descriptors(server.pid());
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = Rng::with_seed(seed);
    let mut settled = Vec::new();
    for n in 0..WAVES {
        wave(&server, &mut random);
        eventually("nobody is there", || is_deserted(&stats(&mut connection)));
        eventually("descriptors are as before", || descriptors(server.pid()) == baseline);
        assert_eq!(connection.get("/api/sse/users").json(), json!({"connectedUsers": 0}), "wave {n}");
        settled.push(memory(server.pid()));
    }
    let statistics = stats(&mut connection);
    let engine = &statistics["engine"];
    assert_eq!(engine["connectionsOpened"], engine["connectionsClosed"]);
    assert!(engine["connectionsOpened"].as_u64() > Some((WAVES * WAVE / 3) as u64), "{engine}");
    println!("{:?} MiB after each wave", settled.iter().map(|bytes| mib(*bytes)).collect::<Vec<_>>());
    let mut steps: Vec<usize> = settled[1..].windows(2).map(|two| two[1].saturating_sub(two[0])).collect();
    steps.sort_unstable();
    let grown: usize = steps[..steps.len() - 2].iter().sum();
    assert!(grown < MAX_GROWTH, "{:.1} MiB more in {} waves of {WAVES}", mib(grown), steps.len() - 2);
    let subscriber = Subscriber::after_request(speaking(&server), "/api/sse");
    assert_eq!(subscriber.greeting()["status"], "connected");
}
