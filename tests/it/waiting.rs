//! A journal that acknowledges later: answers stay in order, work does not wait, and nothing runs ahead that must not.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use fanfare::{AppendError, Engine, Event, Publication, PublishError, Target};
use socket2::SockRef;

use crate::late_journal::{Fortune, late, late_with};
use crate::server::{Server, id_of, parts};
use crate::support::client::request;
use crate::support::clock::{PATIENCE, eventually, now};
use crate::support::subscriber::Subscriber;

const EVENTS: &str = "/api/sse/events";
const JSON: &str = "Content-Type: application/json\r\n";
const ALL: usize = usize::MAX;
/// Answers of one connection that may be awaited.
const MAX_AWAITED: usize = 256;

fn post(data: usize) -> Vec<u8> {
    request("POST", EVENTS, JSON, format!("{{\"data\":{data}}}"))
}

fn kept(_: u64) -> Fortune {
    Fortune::Kept
}

fn publication() -> Publication {
    Publication::new(Event::text("update", "x").expect("an event"), Target::all())
}

/// Nothing more is looked at until something comes of it: two turns of the control thread have passed.
fn settle(server: &Server) {
    let mut other = server.connect();
    for _ in 0..2 {
        assert_eq!(other.get("/healthz").status(), 200);
    }
}

#[test]
fn pipelined_publishes_are_kept_by_a_few_commits() {
    let (server, commits) = late(kept);
    let mut subscriber = server.subscribe("");
    let mut connection = server.connect();
    let count = 1000;
    connection.send((0..count).flat_map(post).collect::<Vec<_>>());
    let mut left = count;
    while left > 0 {
        let expected = left.min(MAX_AWAITED);
        eventually("as many as may be awaited are before the journal", || commits.waiting() == expected);
        settle(&server);
        assert_eq!(commits.waiting(), expected, "and no more");
        assert!(connection.is_open() || left < count, "nobody is answered before it is kept");
        assert_eq!(commits.commit(ALL), expected);
        for n in count - left..count - left + expected {
            assert_eq!(parts(&id_of(&connection.response())).1, n as u64 + 1);
        }
        left -= expected;
    }
    assert!(connection.is_open());
    let data: Vec<String> = subscriber.take(count).into_iter().map(|message| message.data).collect();
    assert_eq!(data, (0..count).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn only_publishes_run_ahead_and_only_behind_publishes() {
    for (method, target) in [
        ("GET", "/api/sse/stats"),
        ("GET", "/api/sse/users/ada"),
        ("DELETE", "/api/sse/users/ada"),
        ("GET", "/healthz"),
        ("POST", "/api/sse/test"),
    ] {
        let (server, commits) = late(kept);
        let mut ada = server.subscribe("?userId=ada");
        let mut connection = server.connect();
        let body = if method == "POST" { r#"{"type":"ping"}"# } else { "" };
        let fields = if method == "POST" { JSON } else { "" };
        let all = [post(1), post(2), request(method, target, fields, body), post(3)].concat();
        connection.send(all);
        eventually("both are before the journal", || commits.waiting() == 2);
        settle(&server);
        assert_eq!(commits.waiting(), 2, "{target}: nor does what is behind it");
        assert_eq!((ada.ready(), connection.is_open()), (0, true), "{target}");
        commits.commit(1);
        assert_eq!(connection.response().status(), 202);
        settle(&server);
        assert!(connection.is_open(), "{target}: one is still awaited");
        commits.commit(ALL);
        assert_eq!(connection.response().status(), 202);
        let response = connection.response();
        if target.ends_with("/stats") {
            assert_eq!(response.json()["engine"]["eventsPublished"], 2);
        }
        assert!(response.status() < 300, "{target}: {}", response.status());
        eventually("the last one is before the journal", || commits.waiting() == 1);
        commits.commit(ALL);
        assert_eq!(connection.response().status(), 202);
        let data: Vec<String> = ada.take(2).into_iter().map(|message| message.data).collect();
        assert_eq!(data, ["1", "2"], "{target}");
    }
}

#[test]
fn a_stream_leaves_once_all_before_it_is_answered() {
    let (server, commits) = late(kept);
    let mut connection = server.connect();
    connection.send([post(1), post(2), request("GET", "/api/sse", "", "")].concat());
    eventually("both are before the journal", || commits.waiting() == 2);
    settle(&server);
    assert_eq!(server.stats().total_connections, 0);
    commits.commit(ALL);
    let last = [connection.response(), connection.response()].map(|response| id_of(&response))[1].clone();
    let subscriber = Subscriber::after(connection);
    assert_eq!(subscriber.last_event_id(), last);
}

#[test]
fn a_connection_closes_behind_what_is_awaited() {
    let last = request("POST", EVENTS, &format!("{JSON}Connection: close\r\n"), r#"{"data":3}"#);
    for (end, statuses) in [
        // What follows is not looked at.
        ([last, post(4)].concat(), &[202, 202, 202][..]),
        (b"nonsense\r\n\r\n".to_vec(), &[202, 202, 400][..]),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n".to_vec(), &[202, 202, 413][..]),
        (Vec::new(), &[202, 202][..]),
    ] {
        let (server, commits) = late(kept);
        let mut connection = server.connect();
        connection.send([post(1), post(2), end].concat());
        connection.finish_sending();
        let awaited = statuses.iter().filter(|status| **status == 202).count();
        eventually("they are before the journal", || commits.waiting() == awaited);
        settle(&server);
        assert!(connection.is_open(), "neither an answer nor the end");
        commits.commit(ALL);
        for status in statuses {
            assert_eq!(connection.response().status(), *status);
        }
        connection.expect_end();
    }
}

#[test]
fn whoever_expects_a_word_before_the_body_gets_it_in_its_place() {
    let (server, commits) = late(kept);
    let mut connection = server.connect();
    let fields = format!("{JSON}Expect: 100-continue\r\nContent-Length: 10\r\n");
    let head = format!("POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    connection.send([post(1), head.into_bytes()].concat());
    eventually("the first is before the journal", || commits.waiting() == 1);
    settle(&server);
    assert!(connection.is_open(), "no word before the answer");
    commits.commit(ALL);
    assert_eq!(connection.response().status(), 202);
    assert_eq!(connection.interim(), 100);
    connection.send(r#"{"data":2}"#);
    eventually("the second is before the journal", || commits.waiting() == 1);
    commits.commit(ALL);
    assert_eq!(parts(&id_of(&connection.response())).1, 2);
}

#[test]
fn answers_to_a_client_that_has_gone_go_nowhere() {
    let (server, commits) = late(kept);
    for round in 0..20 {
        let mut gone = server.connect();
        gone.send([post(1), post(2)].concat());
        eventually("both are before the journal", || commits.waiting() == 2);
        let socket: TcpStream = gone.into_socket();
        if round % 2 == 0 {
            // With a reset, so that its place is free before the answers come.
            SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("an option");
        }
        drop(socket);
        settle(&server);
        let mut next = server.connect();
        next.send(post(3));
        eventually("the next one is before the journal", || commits.waiting() == 3);
        commits.commit(ALL);
        assert_eq!(parts(&id_of(&next.response())).1, 3 * round + 3);
        assert_eq!(next.get("/healthz").status(), 200);
        assert!(next.is_open(), "an answer that is another's");
    }
}

#[test]
fn a_client_is_not_idle_while_it_waits_for_an_answer() {
    const IDLE: Duration = Duration::from_millis(100);
    let (server, commits) = late_with(kept, |builder| builder.idle_timeout(IDLE));
    let mut connection = server.connect();
    // Behind it, a request that waits, and one that cannot be looked at before.
    connection.send([post(1), request("GET", "/healthz", "", ""), post(2)].concat());
    let mut alone = server.connect();
    alone.send(post(3));
    eventually("both are before the journal", || commits.waiting() == 2);
    let began = now();
    eventually("a client that is idle is closed many times over", || began.elapsed() > 5 * IDLE);
    assert!(connection.is_open() && alone.is_open(), "they wait for the server");
    assert_eq!(commits.commit(ALL), 2);
    assert_eq!([connection.response().status(), connection.response().status()], [202, 200]);
    assert_eq!(alone.response().status(), 202);
    // From its answer on it is idle.
    alone.expect_end();
    eventually("the last is before the journal", || commits.waiting() == 1);
    commits.commit(ALL);
    assert_eq!(connection.response().status(), 202);
    connection.expect_end();
}

#[test]
fn a_server_that_ends_answers_what_is_awaited() {
    let (server, commits) = late(kept);
    let mut subscriber = server.subscribe("");
    let mut connection = server.connect();
    connection.send((0..10).flat_map(post).collect::<Vec<_>>());
    eventually("all are before the journal", || commits.waiting() == 10);
    let publisher = server.publisher.clone();
    let Server { engine, .. } = server;
    let end = thread::spawn(move || Engine::shutdown(engine, PATIENCE));
    eventually("publishing has ended", || commits.has_ended());
    assert!(matches!(publisher.publish(publication()), Err(PublishError::Ended)));
    commits.commit(ALL);
    for n in 1..=10 {
        assert_eq!(parts(&id_of(&connection.response())).1, n);
    }
    let data: Vec<String> = subscriber.take(10).into_iter().map(|message| message.data).collect();
    assert_eq!(data, (0..10).map(|n| n.to_string()).collect::<Vec<_>>(), "before the streams end");
    end.join().expect("it ends");
    connection.expect_end();
}

#[test]
fn a_program_that_publishes_waits_for_its_acknowledgement() {
    let (server, commits) = late(|n| if n == 1 { Fortune::Lost } else { Fortune::Kept });
    let mut subscriber = server.subscribe("");
    for round in 0..3 {
        let publisher = server.publisher.clone();
        let published = thread::spawn(move || publisher.publish(publication()));
        eventually("it is before the journal", || commits.waiting() == 1);
        settle(&server);
        assert!(!published.is_finished() && subscriber.ready() == 0, "not before it is kept");
        commits.commit(ALL);
        match (round, published.join().expect("no panic")) {
            (1, Err(PublishError::Append(AppendError::Full))) => {}
            (0 | 2, Ok(id)) => assert_eq!(subscriber.next().id.as_deref(), Some(&*id.to_string())),
            (_, published) => panic!("{published:?} in round {round}"),
        }
    }
    assert_eq!(server.stats().engine.events_published, 2, "what is lost does not count");
}
