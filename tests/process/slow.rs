//! Clients that do not read: what they cost, and what becomes of them.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::crowd::{Crowd, publish, seq_of};
use crate::server::{Server, alone, stats};
use crate::support::client::{Connection, request};
use crate::support::clock::{PATIENCE, eventually, now, within};
use crate::support::subscriber::Subscriber;
use crate::usage::{memory, mib};

const KIB: usize = 1024;
const BATCH: u64 = 100;
const TIME: Duration = PATIENCE;
/// Timeouts of a server in seconds, one after another, until the machine is fast enough for one.
const TIMEOUTS: [u32; 3] = [1, 4, 30];

/// A stream that is not read for now, over a socket that takes little.
fn stalled(server: &Server, query: &str) -> Subscriber {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4 * KIB).expect("a size");
    socket.connect(&server.address.into()).expect("a connection");
    Subscriber::over(socket.into(), &request("GET", &format!("/api/sse{query}"), "", ""))
}

/// Publishes so many events of 1 KiB, never more than `ahead` before those whom the crowd has read.
fn publish_paced(connection: &mut Connection, crowd: &mut Crowd, events: u64, ahead: u64) {
    for first in (0..events).step_by(BATCH as usize) {
        publish(connection, first..first + BATCH, KIB - 40);
        crowd.read_until(TIME, "the good ones keep up", |crowd| {
            crowd.have((first + BATCH).saturating_sub(ahead))
        });
    }
    crowd.read_until(TIME, "the good ones have everything", |crowd| crowd.have(events));
}

fn number(statistics: &Value, pointer: &str) -> u64 {
    statistics.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} in {statistics}"))
}

#[test]
fn one_stalled_among_five_hundred_disturbs_nobody_and_is_caught_up_exactly() {
    const EVENTS: u64 = 1_500;
    let _turn = alone();
    let server = Server::start(&["--workers", "2", "--max-backlog", "64KiB"]);
    let mut slow = stalled(&server, "");
    let mut crowd = Crowd::open(server.address, 500);
    let mut connection = server.connect();
    let publisher = thread::spawn(move || {
        for first in (0..EVENTS).step_by(BATCH as usize) {
            publish(&mut connection, first..first + BATCH, KIB - 40);
        }
        connection
    });
    crowd.read_until(TIME, "the good ones have everything", |crowd| crowd.have(EVENTS));
    let mut connection = publisher.join().expect("everything is taken");
    let statistics = stats(&mut connection);
    assert_eq!(number(&statistics, "/totalConnections"), 501);
    assert!(number(&statistics, "/engine/lags") > 0, "{statistics}");
    assert_eq!(number(&statistics, "/engine/laggingConnections"), 1, "{statistics}");
    let owed = number(&statistics, "/engine/backlogBytes");
    assert!(owed <= 64 * KIB as u64 * 2, "{owed} bytes are owed at a limit of 64 KiB");
    for n in 0..EVENTS {
        let message = slow.next();
        assert_eq!(seq_of(message.id.as_deref().expect("an id")), n + 1);
        assert!(message.data.starts_with(&format!("{{\"n\":{n},")), "{:.40}", message.data);
    }
    // It is live again.
    publish(&mut connection, EVENTS..EVENTS + 1, 10);
    assert_eq!(seq_of(slow.next().id.as_deref().expect("an id")), EVENTS + 1);
    eventually("nobody lags", || number(&stats(&mut connection), "/engine/laggingConnections") == 0);
    let statistics = stats(&mut connection);
    assert_eq!(number(&statistics, "/engine/slowClientsClosed"), 0);
    assert_eq!(number(&statistics, "/engine/connectionsClosed"), 0);
}

#[test]
fn stalled_clients_cost_no_memory_in_proportion_to_what_is_published() {
    const EVENTS: u64 = 20_000;
    let _turn = alone();
    let server = Server::start(&["--workers", "1", "--max-backlog", "128KiB", "--history-bytes", "2MiB"]);
    let mut crowd = Crowd::open(server.address, 2);
    let mut connection = server.connect();
    // What every server has had once: a full history, buffers, the allocator's arenas.
    publish_paced(&mut connection, &mut crowd, 4_000, 500);
    let before = memory(server.pid());
    let mut slow: Vec<Subscriber> = (0..5).map(|_| stalled(&server, "")).collect();
    let places: Vec<String> = slow.iter().map(|stream| stream.last_event_id().to_owned()).collect();
    let mut most = before;
    crowd.members.iter_mut().for_each(|member| member.received = 0);
    for first in (0..EVENTS).step_by(1000) {
        crowd.members.iter_mut().for_each(|member| member.received = 0);
        publish_paced(&mut connection, &mut crowd, 1000, 500);
        most = most.max(memory(server.pid()));
        let owed = number(&stats(&mut connection), "/engine/backlogBytes");
        assert!(owed <= 5 * 2 * 128 * KIB as u64, "{owed} bytes are owed after {first} events");
    }
    let grown = most - before;
    println!("{:.1} MiB, and at most {:.1} MiB more with 20 MiB published", mib(before), mib(grown));
    assert!(grown < 4 * KIB * KIB, "{:.1} MiB more while 20 MiB were published", mib(grown));
    for (stream, place) in slow.iter_mut().zip(&places) {
        assert_ended_without_a_gap(stream, place);
    }
    let statistics = stats(&mut connection);
    assert_eq!(number(&statistics, "/engine/slowClientsClosed"), 5);
    assert_eq!(number(&statistics, "/totalConnections"), 2);
    let place = slow[0].reader().messages.last().expect("an event").last_event_id.clone();
    let resumed = server.resume("", &place);
    assert_eq!(resumed.reason().as_deref(), Some("expired"));
}

/// What a stream had got before it was ended, because history no longer held its place, is a run of events.
fn assert_ended_without_a_gap(stream: &mut Subscriber, place: &str) {
    let rest = stream.rest();
    assert!(!rest.is_empty(), "it was sent something before it was behind");
    for (message, seq) in rest.iter().zip(seq_of(place) + 1..) {
        assert_eq!(seq_of(message.id.as_deref().expect("an id")), seq);
    }
}

#[test]
fn one_that_takes_nothing_is_stale_and_then_closed_and_gone() {
    // It is stale for half of the timeout; a machine that is slow may look too late.
    let was_seen = TIMEOUTS.into_iter().any(|seconds| is_seen_stale_and_then_gone(2 * seconds));
    assert!(was_seen, "it is gone without having been stale");
}

/// False if it was gone before it could be seen to be stale.
fn is_seen_stale_and_then_gone(seconds: u32) -> bool {
    let timeout = Duration::from_secs(seconds.into());
    let time = format!("{seconds}s");
    let server = Server::start(&["--connection-timeout", &time, "--heartbeat-interval", "500ms"]);
    let mut crowd = Crowd::open(server.address, 5);
    let mut slow = stalled(&server, "?userId=slow&sessionId=s");
    let mut connection = server.connect();
    let began = now();
    publish(&mut connection, 0..500, KIB);
    crowd.read_until(TIME, "the good ones have everything", |crowd| crowd.have(500));
    let mut was_stale = false;
    within(timeout + TIME, "it is stale, or gone", || {
        crowd.read(Duration::ZERO);
        let statistics = stats(&mut connection);
        was_stale = number(&statistics, "/staleConnections") == 1;
        was_stale || number(&statistics, "/totalConnections") == 5
    });
    if !was_stale {
        return false;
    }
    let stale = began.elapsed();
    assert!(stale >= timeout / 2, "{stale:?}");
    within(timeout + TIME, "it is gone", || number(&stats(&mut connection), "/totalConnections") == 5);
    let gone = began.elapsed();
    assert!(gone >= timeout, "{gone:?}");
    let statistics = stats(&mut connection);
    assert_eq!(number(&statistics, "/engine/slowClientsClosed"), 1);
    assert_eq!(number(&statistics, "/staleConnections"), 0);
    assert_eq!(number(&statistics, "/userConnections") + number(&statistics, "/sessionConnections"), 0);
    assert_eq!(connection.get("/api/sse/users/slow").json()["online"], false);
    slow.wait_for_loss();
    true
}

#[test]
fn one_that_reads_slowly_but_steadily_is_not_closed() {
    // A machine that is slow may make a pause of a timeout, of which the server can tell nothing.
    let is_kept = TIMEOUTS.into_iter().any(is_kept_while_it_reads_slowly);
    assert!(is_kept, "it is closed, however much time it has");
}

/// False if it was closed.
fn is_kept_while_it_reads_slowly(seconds: u32) -> bool {
    let timeout = Duration::from_secs(seconds.into());
    let time = format!("{seconds}s");
    let server = Server::start(&["--connection-timeout", &time, "--max-backlog", "16KiB"]);
    let mut slow = stalled(&server, "");
    let mut connection = server.connect();
    (0..10).for_each(|n| publish(&mut connection, n * 100..(n + 1) * 100, KIB));
    let began = now();
    for n in 1..=1000 {
        while slow.ready() == 0 {
            if !slow.goes_on(TIME) {
                return false;
            }
        }
        assert_eq!(seq_of(slow.next().id.as_deref().expect("an id")), n);
        // For longer than the timeout a little at a time, and then the rest.
        if began.elapsed() < 5 * timeout / 2 {
            thread::sleep(timeout / 50);
        }
    }
    number(&stats(&mut connection), "/engine/slowClientsClosed") == 0
}

#[test]
fn a_publisher_that_does_not_read_its_answers_disturbs_nobody() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("");
    let mut socket = server.connect().into_socket();
    socket.set_write_timeout(Some(Duration::from_secs(1))).expect("a timeout");
    let fields = "Content-Type: application/json\r\n";
    let many =
        request("POST", "/api/sse/events", fields, "{\"data\":1,\"to\":{\"user\":\"x\"}}").repeat(1000);
    // Until the server takes no more of it: what it holds of requests and answers, and what the kernel does.
    let most = 256 * 1024 * KIB / many.len();
    let taken = (0..most).take_while(|_| socket.write_all(&many).is_ok()).count();
    assert!(taken < most, "it takes requests for ever from one who reads no answers");
    let mut connection = server.connect();
    publish(&mut connection, 0..1, 10);
    assert!(stream.next().data.starts_with("{\"n\":0,"));
}

/// What a connection that does not read its answers makes the server hold: little, whatever it asks for.
#[test]
fn answers_that_are_not_read_cost_little_memory() {
    const CONNECTIONS: usize = 200;
    let _turn = alone();
    let server = Server::start(&["--workers", "1"]);
    let many = request("GET", "/api/sse/openapi.json", "", "").repeat(1_000);
    let stuck = |_| {
        let mut socket = server.connect().into_socket();
        // Until the kernel on both sides is full.
        socket.set_write_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        while socket.write_all(&many).is_ok() {}
        socket
    };
    let _few: Vec<TcpStream> = (0..20).map(stuck).collect();
    let before = memory(server.pid());
    let _stuck: Vec<TcpStream> = (0..CONNECTIONS).map(stuck).collect();
    let each = memory(server.pid()).saturating_sub(before) / CONNECTIONS;
    println!("{each} bytes a connection");
    // One answer of some 50 KiB may be under way; it was 152 KiB with all that was read ahead.
    assert!(each < 110 * KIB, "{each} bytes a connection");
}

/// Streams that come back and do not read hold little of what history has dropped since.
#[test]
fn replays_that_are_not_read_cost_little_memory() {
    const STREAMS: usize = 100;
    let _turn = alone();
    let server = Server::start(&["--workers", "1", "--history-bytes", "4MiB"]);
    let mut connection = server.connect();
    let mut publish_many = |of: u64| {
        for first in (0..of).step_by(BATCH as usize) {
            publish(&mut connection, first..first + BATCH, 2 * KIB);
        }
    };
    publish_many(3_000);
    let before = memory(server.pid());
    let mut slow = Vec::new();
    for _ in 0..STREAMS {
        slow.push(stalled(&server, "?lastEventId=earliest"));
        // Other events take the place in history of those that it was given.
        publish_many(BATCH);
    }
    let each = memory(server.pid()).saturating_sub(before) / STREAMS;
    println!("{each} bytes a stream");
    // It was 168 KiB where each was given as much as one that reads.
    assert!(each < 64 * KIB, "{each} bytes a stream");
}
