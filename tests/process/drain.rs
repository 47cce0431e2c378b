//! SIGTERM and SIGINT: everybody is told, nothing is cut, and the process ends as soon as it can.

use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::crowd::Crowd;
use crate::server::{Server, publish, stats};
use crate::support::client::Connection;
use crate::support::clock::{eventually, now};
use crate::support::subscriber::Subscriber;

const SOON: Duration = Duration::from_secs(2);

fn drains_in_good_order(signal: Signal) {
    let over = Duration::from_millis(2000);
    let mut server = Server::start(&["--drain-timeout", "2s", "--workers", "2"]);
    let mut connection = server.connect();
    assert_eq!(connection.get("/readyz").status(), 200);
    let mut crowd = Crowd::open(server.address, 20);
    let began = now();
    server.signal(signal);
    eventually("it is not ready", || connection.get("/readyz").status() == 503);
    assert_eq!(connection.get("/healthz").status(), 200);
    eventually("nobody is listened to any more", || TcpStream::connect(server.address).is_err());
    assert!(began.elapsed() < over / 2, "at once: {:?}", began.elapsed());
    let mut ends = Vec::new();
    crowd.read_until(over + SOON, "all have ended", |crowd| {
        let ended = crowd.members.iter().filter(|member| member.closed).count();
        ends.resize_with(ended, || began.elapsed());
        ended == crowd.members.len()
    });
    let status = server.exit_within(SOON);
    assert!(status.success(), "{status}");
    assert!(began.elapsed() < over + SOON, "{:?}", began.elapsed());
    assert!(ends[19] - ends[0] > over / 2, "spread over the time: {ends:?}");
    let mut retries: Vec<u64> = Vec::new();
    for member in &crowd.members {
        let farewell = member.farewell.as_ref().expect("a farewell");
        let data: Value = serde_json::from_str(&farewell.data).expect("JSON");
        assert_eq!((data, &farewell.id), (json!({"status": "draining"}), &None));
        retries.push(farewell.retry.expect("a retry field"));
    }
    assert!(retries.iter().all(|retry| (1..=2000).contains(retry)), "{retries:?}");
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() > 5, "they do not all come back at once: {retries:?}");
}

#[test]
fn sigterm_drains() {
    drains_in_good_order(Signal::TERM);
}

#[test]
fn sigint_drains() {
    drains_in_good_order(Signal::INT);
}

#[test]
fn without_streams_it_ends_at_once() {
    let mut server = Server::start(&["--drain-timeout", "60s"]);
    drop(server.subscribe(""));
    // Idle connections are not waited for, nor those that have not said what they want.
    let mut idle = server.connect();
    eventually("the stream has gone", || stats(&mut idle)["totalConnections"] == 0);
    let _silent = server.connect();
    let began = now();
    server.signal(Signal::TERM);
    assert!(server.exit_within(SOON + SOON).success());
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    idle.expect_end();
}

#[test]
fn it_ends_as_soon_as_the_last_stream_is_gone() {
    let mut server = Server::start(&["--drain-timeout", "60s"]);
    let streams: Vec<Subscriber> = (0..10).map(|_| server.subscribe("")).collect();
    server.signal(Signal::TERM);
    eventually("it drains", || TcpStream::connect(server.address).is_err());
    assert!(server.is_running());
    drop(streams);
    assert!(server.exit_within(SOON).success());
}

#[test]
fn while_it_drains_requests_are_answered_and_what_is_published_arrives() {
    let mut server = Server::start(&["--drain-timeout", "60s", "--workers", "16"]);
    let mut connection = server.connect();
    // Each loop tells its first stream at once, and ends when it has none: until one has two.
    let mut streams = Vec::new();
    while !loads(&mut connection).contains(&2) {
        streams.push(server.subscribe("?userId=ada"));
    }
    server.signal(Signal::TERM);
    eventually("all but one are told", || stats(&mut connection)["totalConnections"] == 1);
    let id = publish(&mut connection, &json!({"data": 1}));
    eventually("the one gets it", || {
        for stream in &mut streams {
            stream.read_for(Duration::from_millis(1));
        }
        let newest = |stream: &Subscriber| stream.reader().messages.last().and_then(|last| last.id.clone());
        streams.iter().any(|stream| newest(stream).as_ref() == Some(&id))
    });
    let answer = connection.request("DELETE", "/api/sse/users/ada", "", "");
    assert_eq!(answer.json(), json!({"disconnected": 1}));
    assert!(server.exit_within(SOON).success());
}

/// Streams of each event loop.
fn loads(connection: &mut Connection) -> Vec<u64> {
    let statistics = stats(connection);
    let loops = statistics["engine"]["loops"].as_array().expect("loops");
    loops.iter().map(|one| one["connections"].as_u64().expect("a number")).collect()
}

#[test]
fn a_client_that_does_not_read_holds_it_no_longer_than_the_drain_timeout() {
    let mut server = Server::start(&["--drain-timeout", "1s"]);
    let _stuck = server.subscribe("");
    let mut connection = server.connect();
    let pad = "x".repeat(100_000);
    eventually("it is stuck", || {
        publish(&mut connection, &json!({"data": pad}));
        stats(&mut connection)["engine"]["backlogBytes"].as_u64() > Some(200_000)
    });
    let began = now();
    server.signal(Signal::TERM);
    assert!(server.exit_within(SOON + SOON).success());
    let took = began.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(3)).contains(&took), "{took:?}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (second, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut server = Server::start(&["--drain-timeout", "60s"]);
        let _crowd = Crowd::open(server.address, 40);
        server.signal(Signal::TERM);
        eventually("it drains", || TcpStream::connect(server.address).is_err());
        assert!(server.is_running());
        server.signal(second);
        assert_eq!(server.exit_within(SOON).code(), Some(code));
    }
}

#[test]
fn a_drain_timeout_of_nothing_still_ends_streams_in_good_order() {
    let mut server = Server::start(&["--drain-timeout", "0s"]);
    let mut streams = [server.subscribe(""), server.subscribe("?userId=ada")];
    server.signal(Signal::TERM);
    assert!(server.exit_within(SOON).success());
    for stream in &mut streams {
        let rest = stream.rest();
        assert_eq!(rest.len(), 1);
        assert!(rest[0].data.contains("draining"));
    }
}
