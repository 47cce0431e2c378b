//! Large events: nothing is lost between a write that the kernel cut short and its next edge, what it holds for a
//! stream is bounded, and publications that nobody is there for are held by nobody.

use std::net::SocketAddr;
use std::time::Duration;

use fanfare::{Event, Publication, Target};
use socket2::{Domain, Socket, Type};

use crate::server::{Server, id_of};
use crate::support::client::{Connection, request};
use crate::support::clock::{eventually, within};
use crate::support::subscriber::Subscriber;

const KIB: usize = 1024;
/// Ends a test that hangs.
const LONG: Duration = Duration::from_secs(60);
const EVENTS: &str = "/api/sse/events";

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

fn publication(bytes: usize) -> Publication {
    Publication::new(Event::text("large", &text(bytes)).expect("an event"), Target::all())
}

/// A stream over a socket with that receive buffer, the kernel's own where it is `None`.
fn stream(address: SocketAddr, receive_buffer: Option<usize>) -> (Subscriber, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes).expect("a size");
    }
    socket.connect(&address.into()).expect("a connection");
    let socket = std::net::TcpStream::from(socket);
    let local = socket.local_addr().expect("an address");
    (Subscriber::over(socket, &request("GET", "/api/sse", "", "")), local)
}

/// Bytes that the kernel holds of what the server has written to a client, because they are not sent or not
/// acknowledged.
fn held(server: SocketAddr, client: SocketAddr) -> usize {
    let (local, remote) = (format!(":{:04X}", server.port()), format!(":{:04X}", client.port()));
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
    let line = table.lines().find(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let is = |field: Option<&str>, port: &str| field.is_some_and(|field| field.ends_with(port));
        is(fields.next(), &local) && is(fields.next(), &remote)
    });
    let queues = line.and_then(|line| line.split_whitespace().nth(4)).expect("the connection");
    usize::from_str_radix(queues.split(':').next().unwrap_or_default(), 16).expect("a number")
}

#[test]
fn the_kernel_holds_at_most_64_kib_for_one_that_does_not_read() {
    let server = Server::start();
    for receive_buffer in [Some(4 * KIB), None, Some(1024 * KIB)] {
        let (_stuck, client) = stream(server.address, receive_buffer);
        // More than any receive buffer takes, in small events and in large ones.
        for bytes in [100, 2 * KIB, 900 * KIB, 900 * KIB, 900 * KIB, 900 * KIB] {
            server.publisher.publish_all((0..20).map(|_| publication(bytes)).collect()).expect("room");
            server.settle();
        }
        let blocked = || server.stats().engine.backlog_bytes > 0;
        eventually("the socket takes no more", blocked);
        // What has reached the client's buffer is acknowledged, with some delay.
        let bound = || held(server.address, client) <= 64 * KIB;
        within(LONG, "what is sent is acknowledged, and no more than 64 KiB are held", bound);
    }
}

#[test]
fn every_size_arrives_whole_however_it_is_read() {
    let server = Server::with(|builder| builder.workers(1).history(1000, 256 * KIB * KIB, LONG));
    let mut streams: Vec<Subscriber> = [None, Some(4 * KIB), Some(64 * KIB)]
        .map(|receive_buffer| stream(server.address, receive_buffer).0)
        .into_iter()
        .collect();
    // Around what may be unsent, a segment, a join, a turn; each as an event by itself, and several in a row.
    let edges = [8, 16, 32, 48, 64, 128, 256, 512, 1024];
    let sizes: Vec<usize> =
        edges.iter().flat_map(|kib| [kib * KIB - 700, kib * KIB - 40, kib * KIB, kib * KIB + 3]).collect();
    for rounds in [1, 3] {
        for &bytes in &sizes {
            let batch = (0..rounds).map(|_| publication(bytes)).collect();
            let (_, last) = server.publisher.publish_all(batch).expect("room").expect("ids");
            for stream in &mut streams {
                loop {
                    let message = stream.next();
                    assert_eq!(message.data.len(), bytes);
                    if message.id.as_deref() == Some(&*last.to_string()) {
                        break;
                    }
                }
            }
        }
    }
}

#[test]
fn a_replay_of_large_events_is_exact() {
    let server = Server::with(|builder| builder.history(1000, 256 * KIB * KIB, LONG));
    let start = server.newest();
    let sizes: Vec<usize> = (0..40).map(|n| [10, 900, 70 * KIB, 1000 * KIB][n % 4] + n).collect();
    for &bytes in &sizes {
        server.publisher.publish(publication(bytes)).expect("room");
    }
    let mut stream = server.resume("", &start);
    assert_eq!(stream.reason(), None);
    for &bytes in &sizes {
        assert_eq!(stream.next().data.len(), bytes);
    }
    assert_eq!(server.stats().engine.slow_clients_closed, 0);
}

/// Over the bytes that may wait for one loop, several times.
const MANY: usize = 160;

fn post_large(connection: &mut Connection) -> String {
    id_of(&connection.post(EVENTS, format!("{{\"data\":\"{}\"}}", text(900 * KIB))))
}

#[test]
fn nothing_is_held_for_loops_without_streams() {
    let server = Server::with(|builder| builder.workers(3));
    let mut connection = server.connect();
    let mut newest = String::new();
    for _ in 0..MANY {
        newest = post_large(&mut connection);
    }
    let statistics = server.stats();
    assert!(statistics.engine.loops.iter().all(|event_loop| event_loop.inbox_events == 0), "{statistics:?}");
    // Every loop is at the newest event, whichever takes the connection.
    for _ in 0..20 {
        assert_eq!(server.subscribe("").last_event_id(), newest);
        newest = id_of(&connection.post(EVENTS, r#"{"data":1}"#));
    }
}

#[test]
fn one_client_and_loops_without_streams_take_everything() {
    // Room for all of it, however much slower the client is than the publisher.
    let server = Server::with(|builder| builder.workers(2).history(1000, 256 * KIB * KIB, LONG));
    let mut stream = server.subscribe("");
    let mut connection = server.connect();
    let publisher = std::thread::spawn(move || (0..MANY).map(|_| post_large(&mut connection)).collect());
    let received: Vec<String> = (0..MANY).map(|_| stream.next().id.expect("an id")).collect();
    let published: Vec<String> = publisher.join().expect("everything is taken");
    assert_eq!(received, published);
}

#[test]
fn streams_come_and_go_between_publications_and_miss_none() {
    let server = Server::with(|builder| builder.workers(2));
    let mut connection = server.connect();
    let mut place = server.newest();
    for round in 0..100 {
        let id = id_of(&connection.post(EVENTS, r#"{"data":1}"#));
        let mut stream = match round % 3 {
            0 => server.subscribe(""),
            _ => server.resume("", &place),
        };
        let next = id_of(&connection.post(EVENTS, r#"{"data":2}"#));
        loop {
            let message = stream.next();
            place = message.id.expect("an id");
            assert!(place == id || place == next, "{place}");
            if place == next {
                break;
            }
        }
    }
}

/// Bodies whose last bytes come with the last read of a turn, and around that. The control thread checks, in builds with
/// assertions, that it does not wait while something that was read is not looked at; release builds would wait.
#[test]
fn bodies_of_every_size_are_looked_at_when_they_are_whole() {
    let server = Server::with(|builder| builder.max_body(8 * KIB * KIB));
    let mut connection = server.connect();
    for mib in [1, 2, 4] {
        for less in [-1, 0, 1, 3, 7, 15, 31, 48, 64, 65] {
            let bytes = (mib * KIB * KIB) as i64 - less * KIB as i64;
            let data = text(bytes as usize - 11);
            assert_eq!(connection.post(EVENTS, format!("{{\"data\":\"{data}\"}}")).status(), 202, "{bytes}");
        }
    }
}
