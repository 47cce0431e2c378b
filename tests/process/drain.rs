//! SIGTERM and SIGINT: everybody is told at once, nothing is cut, and the process ends as soon as it can.

use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::crowd::Crowd;
use crate::server::{Server, command, publish, stats};
use crate::support::clock::{COARSE, PATIENCE, eventually, now};
use crate::support::subscriber::Subscriber;

/// A drain that waits this long has not ended by itself.
const NEVER: [&str; 4] = ["--drain-timeout", "1day", "--connection-timeout", "1day"];

fn start(args: &[&str]) -> Server {
    Server::start(&[&NEVER, args].concat())
}

/// A stream that does not read, with more before it than the kernel takes.
fn stuck(server: &Server) -> Subscriber {
    let stuck = server.subscribe("?userId=stuck");
    let mut connection = server.connect();
    let pad = "x".repeat(100_000);
    eventually("it is stuck", || {
        publish(&mut connection, &json!({"data": pad, "to": {"user": "stuck"}}));
        stats(&mut connection)["engine"]["backlogBytes"].as_u64() > Some(200_000)
    });
    stuck
}

fn is_deaf(server: &Server) {
    eventually("nobody is listened to any more", || TcpStream::connect(server.address).is_err());
}

fn drains_in_good_order(signal: Signal) {
    const STREAMS: usize = 20;
    let mut server = start(&["--workers", "2"]);
    let mut crowd = Crowd::open(server.address, STREAMS);
    server.signal(signal);
    crowd.read_until(PATIENCE, "all have ended", |crowd| crowd.members.iter().all(|member| member.closed));
    let status = server.exit_within(PATIENCE);
    assert!(status.success(), "{status}");
    let mut retries: Vec<u64> = Vec::new();
    for member in &crowd.members {
        let farewell = member.farewell.as_ref().expect("a farewell");
        let data: Value = serde_json::from_str(&farewell.data).expect("JSON");
        assert_eq!((data, &farewell.id), (json!({"status": "draining"}), &None));
        retries.push(farewell.retry.expect("a retry field"));
    }
    assert!(retries.iter().all(|retry| (1_000..=1_020).contains(retry)), "{retries:?}");
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() > 5, "they do not all come back at once: {retries:?}");
}

#[test]
fn sigterm_drains() {
    drains_in_good_order(Signal::TERM);
}

/// As servers are asked that know it as the gentle way, and as a terminal sends by accident.
#[test]
fn sigquit_drains() {
    drains_in_good_order(Signal::QUIT);
}

/// The soft limit of processor time; at the hard one it would be killed.
#[test]
fn sigxcpu_drains() {
    drains_in_good_order(Signal::XCPU);
}

/// The power is failing; also how LXC asks a container to stop.
#[cfg(target_os = "linux")]
#[test]
fn sigpwr_drains() {
    drains_in_good_order(Signal::POWER);
}

#[test]
fn sigint_drains() {
    drains_in_good_order(Signal::INT);
}

#[test]
fn without_streams_it_ends_at_once() {
    let mut server = start(&[]);
    drop(server.subscribe(""));
    // Idle connections are not waited for, nor those that have not said what they want.
    let mut idle = server.connect();
    eventually("the stream has gone", || stats(&mut idle)["totalConnections"] == 0);
    let _silent = server.connect();
    server.signal(Signal::TERM);
    assert!(server.exit_within(PATIENCE).success());
    idle.expect_end();
}

#[test]
fn it_ends_as_soon_as_the_last_stream_is_gone() {
    let mut server = start(&[]);
    let mut crowd = Crowd::open(server.address, 10);
    let stuck = stuck(&server);
    server.signal(Signal::TERM);
    crowd.read_until(PATIENCE, "all have ended", |crowd| crowd.members.iter().all(|member| member.closed));
    assert!(server.is_running(), "one is still owed something");
    drop(stuck);
    assert!(server.exit_within(PATIENCE).success());
}

#[test]
fn before_streams_are_ended_a_load_balancer_can_look_away() {
    let mut server = start(&["--drain-delay", "1day"]);
    let mut connection = server.connect();
    let mut old = server.subscribe("");
    server.signal(Signal::TERM);
    eventually("it is not ready", || server.connect().get("/readyz").status() == 503);
    assert_eq!(connection.get("/healthz").status(), 200);
    let mut new = server.subscribe("");
    let id = publish(&mut connection, &json!({"data": 1}));
    for stream in [&mut old, &mut new] {
        assert_eq!(stream.next().id.as_ref(), Some(&id));
    }
    assert!(server.is_running());
    server.signal(Signal::TERM);
    assert_eq!(server.exit_within(PATIENCE).code(), Some(143));
}

#[test]
fn after_the_delay_streams_are_ended() {
    let mut server = start(&["--drain-delay", "300ms"]);
    let mut subscriber = server.subscribe("");
    let began = now();
    server.signal(Signal::TERM);
    assert_eq!(subscriber.rest().len(), 1);
    assert!(began.elapsed() + COARSE >= Duration::from_millis(300), "{:?}", began.elapsed());
    assert!(server.exit_within(PATIENCE).success());
}

#[test]
fn while_it_drains_requests_are_answered_and_their_connections_closed() {
    let mut server = start(&[]);
    let mut connections = [server.connect(), server.connect()];
    for connection in &mut connections {
        stats(connection);
    }
    let stuck = stuck(&server);
    server.signal(Signal::TERM);
    is_deaf(&server);
    let [publishing, counting] = &mut connections;
    let late = publishing.post("/api/sse/events", r#"{"data":1}"#);
    assert_eq!((late.status(), late.field("retry-after")), (503, Some("1")), "nobody would get it");
    assert_eq!(stats(counting)["totalConnections"], 0, "all streams are ended");
    connections.iter_mut().for_each(|connection| connection.expect_end());
    assert!(server.is_running());
    drop(stuck);
    assert!(server.exit_within(PATIENCE).success());
}

#[test]
fn a_client_that_does_not_read_holds_it_no_longer_than_the_drain_timeout() {
    let mut server = Server::start(&["--drain-timeout", "1s", "--connection-timeout", "1day"]);
    let _stuck = stuck(&server);
    let began = now();
    server.signal(Signal::TERM);
    assert!(server.exit_within(PATIENCE).success());
    assert!(began.elapsed() + COARSE >= Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (second, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut server = start(&[]);
        let _stuck = stuck(&server);
        server.signal(Signal::TERM);
        is_deaf(&server);
        assert!(server.is_running());
        server.signal(second);
        assert_eq!(server.exit_within(PATIENCE).code(), Some(code));
    }
}

#[test]
fn a_drain_timeout_of_nothing_still_ends_streams_in_good_order() {
    let mut server = Server::start(&["--drain-timeout", "0s"]);
    let mut streams = [server.subscribe(""), server.subscribe("?userId=ada")];
    server.signal(Signal::TERM);
    assert!(server.exit_within(PATIENCE).success());
    for stream in &mut streams {
        let rest = stream.rest();
        assert_eq!(rest.len(), 1);
        assert!(rest[0].data.contains("draining"));
    }
}

#[test]
fn nobody_need_read_its_log() {
    let mut server = Server::launch_unheard(command(&[&["--listen", "127.0.0.1:0"], &NEVER[..]].concat()));
    let mut crowd = Crowd::open(server.address, 10);
    server.signal(Signal::TERM);
    crowd.read_until(PATIENCE, "all have ended", |crowd| crowd.members.iter().all(|member| member.closed));
    assert!(server.exit_within(PATIENCE).success());
}
