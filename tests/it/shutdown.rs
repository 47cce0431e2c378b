//! Shutting down: everybody is told at once, comes back in good order, and nothing is cut.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fanfare::{AppendError, Engine, Event, Publication, PublishError, Target};
use serde_json::json;

use crate::server::Server;
use crate::support::client::{Connection, request};
use crate::support::clock::{COARSE, Deadline, PATIENCE, eventually, now};
use crate::support::subscriber::Subscriber;

/// More than any test takes.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// Streams may be stuck for as long as they like.
fn patient() -> Server {
    Server::with(|builder| builder.connection_timeout(LONG))
}

/// A stream that does not read, with more before it than the kernel takes.
fn stuck(server: &Server) -> Subscriber {
    let stuck = server.subscribe("?userId=stuck");
    let data = "x".repeat(50_000);
    let blocked = || {
        server.publisher.send_update(&data, Target::user("stuck")).expect("room");
        server.stats().engine.backlog_bytes > 100_000
    };
    eventually("it is stuck", blocked);
    stuck
}

fn drain(engine: Engine, timeout: Duration) -> JoinHandle<()> {
    thread::spawn(move || engine.shutdown(timeout))
}

fn ends(drain: JoinHandle<()>) {
    eventually("it ends", || drain.is_finished());
    drain.join().expect("a shutdown");
}

fn is_deaf(server: std::net::SocketAddr) {
    eventually("nobody is listened to any more", || TcpStream::connect(server).is_err());
}

/// An answer that says that the connection ends with it, after some that do not.
fn last_answer(connection: &mut Connection) {
    eventually("requests are for the next server", || {
        connection.get("/healthz").field("connection") == Some("close")
    });
    connection.expect_end();
}

#[test]
fn every_stream_is_told_and_ends_in_good_order() {
    const STREAMS: usize = 200;
    let server = Server::with(|builder| builder.retry(Duration::from_secs(7)));
    let mut streams: Vec<Subscriber> =
        (0..STREAMS).map(|n| server.subscribe(&format!("?userId=u{n}"))).collect();
    let id = server.publisher.send_update(&1, Target::all()).expect("room").to_string();
    // It does not take the time that it may take.
    let drain = drain(server.engine, LONG);
    let mut retries = Vec::new();
    for subscriber in &mut streams {
        let rest = subscriber.rest();
        assert_eq!(rest.len(), 2, "what was published before, and the farewell: {rest:?}");
        assert_eq!(rest[0].id.as_ref(), Some(&id));
        let last = &rest[1];
        assert_eq!((&*last.event, &last.id, &last.last_event_id), ("connection", &None, &id));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&last.data).expect("JSON"),
            json!({"status": "draining"})
        );
        retries.push(last.retry.expect("a retry field"));
    }
    ends(drain);
    // A second, and one more for every thousand streams of all event loops together.
    assert!(retries.iter().all(|retry| (1_000..=1_000 + STREAMS as u64).contains(retry)), "{retries:?}");
    assert!(retries.iter().any(|retry| *retry > 1_000 + STREAMS as u64 / 2), "of all loops: {retries:?}");
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() > STREAMS / 4, "they do not all come back at once: {retries:?}");
}

#[test]
fn they_come_back_within_no_more_than_the_drain_timeout() {
    let server = Server::start();
    let mut streams: Vec<Subscriber> = (0..100).map(|_| server.subscribe("")).collect();
    let drain = drain(server.engine, Duration::from_millis(20));
    for subscriber in &mut streams {
        let retry = subscriber.rest().last().and_then(|last| last.retry);
        assert!(retry.is_some_and(|retry| (1_000..=1_020).contains(&retry)), "{retry:?}");
    }
    ends(drain);
}

#[test]
fn streams_end_at_once_whoever_holds_the_shutdown_up() {
    let server = patient();
    let mut streams: Vec<Subscriber> = (0..8).map(|_| server.subscribe("")).collect();
    let stuck = stuck(&server);
    let drain = drain(server.engine, LONG);
    for subscriber in &mut streams {
        assert!(subscriber.rest().last().is_some_and(|last| last.data.contains("draining")));
    }
    assert!(!drain.is_finished(), "one stream is still owed something");
    drop(stuck);
    ends(drain);
}

#[test]
fn it_ends_as_soon_as_the_last_stream_is_gone() {
    ends(drain(Server::start().engine, LONG));
    let server = Server::start();
    drop(server.subscribe(""));
    eventually("it has gone", || server.publisher.connections_count() == 0);
    ends(drain(server.engine, LONG));
}

#[test]
fn a_client_that_leaves_its_end_open_does_not_hold_it_up() {
    let server = patient();
    let mut subscriber = server.subscribe("");
    let drain = drain(server.engine, LONG);
    assert!(subscriber.rest().last().is_some_and(|last| last.data.contains("draining")));
    ends(drain);
}

#[test]
fn a_stream_that_reads_slowly_gets_all_that_it_is_owed_and_then_the_farewell() {
    let server = patient();
    let mut slow = stuck(&server);
    let last = server.publisher.send_update(&"last", Target::user("stuck")).expect("room").to_string();
    server.settle();
    let (address, drain) = (server.address, drain(server.engine, LONG));
    is_deaf(address);
    let rest = slow.rest();
    let [.., event, farewell] = &rest[..] else { panic!("too little: {rest:?}") };
    assert_eq!((event.id.as_ref(), &*farewell.data), (Some(&last), "{\"status\":\"draining\"}"));
    let ids: Vec<&str> = rest.iter().filter_map(|message| message.id.as_deref()).collect();
    let seqs: Vec<u64> = ids.iter().map(|id| crate::server::parts(id).1).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "no gap: {seqs:?}");
    ends(drain);
}

#[test]
fn without_time_streams_still_end_in_good_order() {
    let server = Server::start();
    let mut streams = [server.subscribe(""), server.subscribe("?userId=ada")];
    drop(server);
    for subscriber in &mut streams {
        let rest = subscriber.rest();
        assert_eq!(rest.len(), 1);
        assert!(rest[0].data.contains("draining"));
    }
}

#[test]
fn before_streams_are_ended_it_is_not_ready_and_all_else_goes_on() {
    let server = Server::start();
    let mut connection = server.connect();
    assert_eq!(connection.get("/readyz").status(), 200);
    let mut old = server.subscribe("");
    server.engine.begin_shutdown();
    let response = connection.get("/readyz");
    response.problem(503);
    let after = response.field("retry-after").expect("Retry-After");
    assert!(after.parse::<u64>().is_ok_and(|seconds| seconds > 0), "{after}");
    // Also to those who come now.
    assert_eq!(server.connect().get("/readyz").status(), 503);
    assert_eq!(server.connect().get("/healthz").status(), 200);
    let mut new = server.subscribe("");
    assert_eq!(new.greeting()["status"], "connected");
    let id = server.publish(&json!({"data": 1}));
    for stream in [&mut old, &mut new] {
        assert_eq!(stream.next().id.as_ref(), Some(&id));
    }
    let drain = drain(server.engine, LONG);
    for stream in [&mut old, &mut new] {
        assert!(stream.rest().last().is_some_and(|last| last.data.contains("draining")));
    }
    ends(drain);
}

#[test]
fn streams_are_ended_after_the_delay_and_not_before() {
    let delay = Duration::from_millis(300);
    let server = Server::with(|builder| builder.drain_delay(delay));
    let mut subscriber = server.subscribe("");
    let began = now();
    let drain = drain(server.engine, LONG);
    assert_eq!(subscriber.rest().len(), 1);
    assert!(began.elapsed() + COARSE >= delay, "{:?}", began.elapsed());
    ends(drain);
}

#[test]
fn dropping_it_takes_no_delay() {
    let server = Server::with(|builder| builder.drain_delay(LONG));
    let mut subscriber = server.subscribe("");
    let dropped = thread::spawn(move || drop(server));
    assert_eq!(subscriber.rest().len(), 1);
    ends(dropped);
}

#[test]
fn while_it_drains_it_is_alive_but_not_ready_and_takes_no_stream() {
    let server = patient();
    // What they ask for is answered, and they are closed.
    let mut connections = [(); 4].map(|()| server.connect());
    for connection in &mut connections {
        assert_eq!(connection.get("/readyz").status(), 200);
    }
    let [mut health, mut readiness, mut publishing, streaming] = connections;
    let stuck = stuck(&server);
    let (address, publisher) = (server.address, server.publisher.clone());
    let drain = drain(server.engine, LONG);
    is_deaf(address);
    last_answer(&mut health);
    let response = readiness.get("/readyz");
    response.problem(503);
    let published = publishing.post("/api/sse/events", r#"{"data":1}"#);
    assert!(published.problem(503).contains("shutting down"));
    assert_eq!(published.field("retry-after"), Some("1"));
    assert!(matches!(publisher.send_update(&1, Target::all()), Err(PublishError::Ended)));
    for (connection, response) in [(&mut readiness, &response), (&mut publishing, &published)] {
        assert_eq!(response.field("connection"), Some("close"));
        connection.expect_end();
    }
    let mut refused = Subscriber::after_request(streaming, "/api/sse");
    assert_eq!(refused.greeting(), json!({"status": "refused", "reason": "draining"}));
    assert_eq!((refused.connection().id.clone(), refused.rest()), (None, vec![]));
    assert!(!drain.is_finished());
    drop(stuck);
    ends(drain);
    assert_eq!(publisher.connections_count(), 0);
}

#[test]
fn a_request_without_its_end_is_not_waited_for() {
    let server = Server::with(|builder| builder.head_timeout(LONG));
    let mut head = server.connect();
    head.send("GET /api/sse HT");
    let mut body = server.connect();
    body.send("POST /api/sse/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n");
    let mut idle = server.connect();
    idle.get("/healthz");
    ends(drain(server.engine, Duration::from_millis(200)));
    // Nor is it answered.
    for connection in [&mut head, &mut body, &mut idle] {
        connection.expect_end();
    }
}

#[test]
fn a_client_that_does_not_read_is_not_waited_for_longer_than_the_deadline() {
    let server = patient();
    let _stuck = stuck(&server);
    let (began, timeout) = (now(), Duration::from_millis(500));
    ends(drain(server.engine, timeout));
    assert!(began.elapsed() + COARSE >= timeout, "{:?}", began.elapsed());
}

#[test]
fn a_publisher_outlives_its_engine() {
    let server = Server::start();
    let publisher = server.publisher.clone();
    let _ = publisher.send_update(&1, Target::all());
    server.engine.shutdown(Duration::ZERO);
    // Whatever it says, it says so soon, and does not panic.
    let _ = publisher.send_update(&2, Target::all());
    assert_eq!((publisher.connections_count(), publisher.is_user_connected("ada")), (0, false));
}

#[test]
fn every_event_that_is_taken_while_it_shuts_down_reaches_every_stream() {
    for round in 0..20 {
        let server = Server::with(|builder| builder.workers(3));
        let mut streams: Vec<Subscriber> = (0..6).map(|_| server.subscribe("")).collect();
        let publishers = [(); 2].map(|()| {
            let publisher = server.publisher.clone();
            thread::spawn(move || {
                let mut taken = Vec::new();
                // No more than history holds, however slowly the shutdown comes.
                while taken.len() < 10_000 {
                    match publisher.send_update(&1, Target::all()) {
                        Ok(id) => taken.push(id),
                        Err(PublishError::Ended) => return taken,
                        Err(PublishError::Append(AppendError::Full)) => thread::yield_now(),
                        Err(error) => panic!("{error}"),
                    }
                }
                taken
            })
        });
        eventually("they publish", || server.stats().engine.events_published > 10 * (round + 1));
        let drain = drain(server.engine, LONG);
        let mut taken: Vec<_> = publishers.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        taken.sort();
        let taken: Vec<String> = taken.iter().map(ToString::to_string).collect();
        for stream in &mut streams {
            let rest = stream.rest();
            let ids: Vec<_> = rest.iter().filter_map(|message| message.id.clone()).collect();
            assert!(rest.last().is_some_and(|last| last.data.contains("draining")));
            assert_eq!(ids.len(), taken.len(), "the last ones: {:?} {:?}", ids.last(), taken.last());
            assert_eq!(ids, taken);
        }
        ends(drain);
    }
}

/// Publishes more than the kernel takes for a stream.
fn publish_much(server: &Server) -> Vec<String> {
    let data = "x".repeat(500_000);
    let publish = |_| server.publisher.send_update(&data, Target::all()).expect("room").to_string();
    (0..40).map(publish).collect()
}

/// With a history for all of that.
fn roomy(max_backlog: usize) -> Server {
    Server::with(|builder| {
        builder.connection_timeout(LONG).max_backlog(max_backlog).history(1_000, 256 << 20, LONG)
    })
}

#[test]
fn a_stream_that_is_behind_catches_up_before_it_ends() {
    for max_backlog in [64 << 10, 1 << 20] {
        let server = roomy(max_backlog);
        let mut slow = server.subscribe("");
        let ids = publish_much(&server);
        eventually("it is behind", || server.stats().engine.lagging_connections == 1);
        let (address, drain) = (server.address, drain(server.engine, LONG));
        is_deaf(address);
        let rest = slow.rest();
        let got: Vec<_> = rest.iter().filter_map(|message| message.id.clone()).collect();
        assert_eq!(got, ids, "all, in order");
        assert!(rest.last().is_some_and(|last| last.data.contains("draining")));
        ends(drain);
    }
}

#[test]
fn a_replay_goes_on_to_its_end_before_the_stream_does() {
    let server = roomy(1 << 20);
    let first = server.newest();
    let ids = publish_much(&server);
    // One is told where it goes on, and one perhaps not yet.
    let mut greeted = server.resume("", &first);
    assert_eq!(greeted.greeting()["recovered"], true);
    let mut connection = server.connect();
    connection.send(request("GET", "/api/sse", &format!("Last-Event-ID: {first}\r\n"), ""));
    eventually("both are open", || server.stats().total_connections == 2);
    let (address, drain) = (server.address, drain(server.engine, LONG));
    is_deaf(address);
    let mut other = Subscriber::after(connection);
    assert_eq!(other.greeting()["recovered"], true);
    for stream in [&mut greeted, &mut other] {
        let rest = stream.rest();
        let got: Vec<_> = rest.iter().filter_map(|message| message.id.clone()).collect();
        assert_eq!(got, ids, "all, in order");
        assert!(rest.last().is_some_and(|last| last.data.contains("draining")));
    }
    ends(drain);
}

#[test]
fn a_replay_that_is_not_read_is_cut_at_the_deadline_and_goes_on_after_its_last_id() {
    let server = roomy(1 << 20);
    let first = server.newest();
    let ids = publish_much(&server);
    let mut stream = server.resume("", &first);
    assert_eq!(stream.greeting()["recovered"], true);
    ends(drain(server.engine, Duration::from_millis(300)));
    while stream.goes_on(PATIENCE) {}
    let count = stream.ready();
    let got: Vec<_> = stream.take(count).into_iter().filter_map(|message| message.id).collect();
    assert!(got.len() < ids.len() && got[..] == ids[..got.len()], "{} of {}", got.len(), ids.len());
}

#[test]
fn a_deadline_beyond_all_measure_is_one() {
    Server::start().engine.shutdown(Duration::MAX);
}

/// Keeps the only event loop of a server busy until it is let go.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn keep(server: &Server) -> Self {
        let let_go = Arc::new(AtomicBool::new(false));
        let (busy, gate) = (Arc::new(AtomicBool::new(false)), let_go.clone());
        let is_busy = busy.clone();
        let target = Target::filter(move |_| {
            is_busy.store(true, Ordering::Relaxed);
            let deadline = Deadline::new();
            while !gate.load(Ordering::Relaxed) && deadline.left().is_some() {
                thread::yield_now();
            }
            true
        });
        let event = Event::json("x", &1).expect("an event");
        server.publisher.publish(Publication::new(event, target)).expect("published");
        eventually("it is busy", || busy.load(Ordering::Relaxed));
        Self(let_go)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Who knocks while a loop has no time waits in the kernel's queue, connected.
fn knock(address: std::net::SocketAddr, count: usize) -> Vec<Connection> {
    let knock = |_| {
        let mut connection = Connection::open(address);
        connection.send(request("GET", "/api/sse", "", ""));
        connection
    };
    (0..count).map(knock).collect()
}

#[test]
fn those_who_wait_in_the_queue_are_told_and_not_reset() {
    let server = Server::with(|builder| builder.workers(1));
    // Known to the control thread.
    let mut known = server.connect();
    assert_eq!(known.get("/healthz").status(), 200);
    let mut subscriber = server.subscribe("");
    let busy = Busy::keep(&server);
    let waiting = knock(server.address, 40);
    let drain = drain(server.engine, LONG);
    last_answer(&mut known);
    drop(busy);
    for connection in waiting {
        let mut refused = Subscriber::after(connection);
        assert_eq!(refused.greeting(), json!({"status": "refused", "reason": "draining"}));
        assert_eq!(refused.rest(), vec![]);
    }
    assert!(subscriber.rest().last().is_some_and(|last| last.data.contains("draining")));
    ends(drain);
}

#[test]
fn those_who_wait_in_the_queue_of_a_shared_listener_are_the_next_servers() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let engine = |listener: &TcpListener| {
        let builder = Engine::builder().workers(1).connection_timeout(LONG);
        builder.listener(listener.try_clone().expect("a descriptor")).start().expect("the engine starts")
    };
    let server = Server::over(engine(&listener));
    let mut known = server.connect();
    assert_eq!(known.get("/healthz").status(), 200);
    let mut subscriber = server.subscribe("");
    let busy = Busy::keep(&server);
    let mut waiting = knock(address, 40);
    let drain = drain(server.engine, LONG);
    last_answer(&mut known);
    drop(busy);
    assert!(subscriber.rest().last().is_some_and(|last| last.data.contains("draining")));
    ends(drain);
    // Between the two, nobody is refused either.
    waiting.extend(knock(address, 40));
    let second = engine(&listener);
    for connection in waiting {
        assert_eq!(Subscriber::after(connection).greeting()["status"], "connected");
    }
    assert_eq!(second.publisher().stats().expect("an answer").engine.connections_opened, 80);
}
