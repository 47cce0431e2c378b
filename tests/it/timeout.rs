//! Clients that take too long: with a request, or with what they are sent.

use std::time::{Duration, Instant};

use fanfare::Target;
use serde_json::json;

use crate::server::{Server, id_of, parts};
use crate::support::client::{Connection, request};
use crate::support::clock::{COARSE, Deadline, PATIENCE, eventually, now};
use crate::support::subscriber::Subscriber;

const SHORT: Duration = Duration::from_millis(300);

fn server() -> Server {
    head_timeout(SHORT)
}

fn head_timeout(timeout: Duration) -> Server {
    Server::with(|builder| builder.head_timeout(timeout))
}

/// Plays a scene whose client has to be faster than a timeout, with longer ones for as long as it was not: that is the
/// machine's fault. A scene gives `None` where it was too slow.
fn in_time(scene: impl Fn(Duration) -> Option<()>) {
    let mut timeout = SHORT;
    while scene(timeout).is_none() {
        timeout *= 4;
        assert!(timeout < PATIENCE, "too slow for any timeout");
    }
}

/// Whether a client that began then was well within a timeout so far.
fn is_prompt(began: Instant, timeout: Duration) -> Option<()> {
    (began.elapsed() < timeout / 2).then_some(())
}

/// A connection that has sent something within half of a timeout.
fn sent(server: &Server, bytes: &[u8], timeout: Duration) -> Option<Connection> {
    let began = now();
    let mut connection = server.connect();
    let sent = connection.try_send(bytes);
    is_prompt(began, timeout)?;
    assert!(sent, "the server takes what is sent in time");
    Some(connection)
}

#[test]
fn a_head_that_is_not_whole_in_time_is_told() {
    in_time(|timeout| {
        let server = head_timeout(timeout);
        for head in [
            "G",
            "GET /api/sse HTTP/1.1\r\nHost: localhost\r\n",
            "POST /api/sse/events HTTP/1.1\r\nHost: localhost\r\nContent-Le",
        ] {
            let began = now();
            let mut connection = sent(&server, head.as_bytes(), timeout)?;
            let response = connection.response();
            assert!(began.elapsed() + COARSE >= timeout, "{head:?}: {:?}", began.elapsed());
            response.problem(408);
            assert_eq!(response.field("connection"), Some("close"));
            connection.expect_end();
        }
        Some(())
    });
}

#[test]
fn drops_of_a_head_do_not_make_the_time_longer() {
    in_time(|timeout| {
        let server = head_timeout(timeout);
        let mut connection = sent(&server, b"GET /healthz HTTP/1.1\r\nX: ", timeout)?;
        let deadline = Deadline::new();
        while connection.is_open() && connection.try_send("x") {
            assert!(deadline.left().is_some(), "drops keep it open");
            std::thread::sleep(SHORT / 10);
        }
        connection.response().problem(408);
        Some(())
    });
}

/// An empty line before a request begins its time, on both kinds of listener, and does not make it longer.
#[test]
fn an_empty_line_does_not_make_the_time_longer() {
    in_time(|timeout| {
        let server = Server::with(|builder| {
            builder.head_timeout(timeout).control_listen("127.0.0.1:0".parse().expect("an address"))
        });
        for address in [server.address, server.engine.control_addrs()[0]] {
            // Nothing but that: closed without a word.
            let mut silent = Connection::open(address);
            silent.send("\r\n");
            let (began, mut slow) = (now(), Connection::open(address));
            slow.send("\r\n");
            std::thread::sleep(timeout / 4);
            let second = now();
            let sent = slow.try_send("GET /hea");
            is_prompt(began, timeout)?;
            assert!(sent, "the server takes what is sent in time");
            slow.response().problem(408);
            assert!(began.elapsed() + COARSE >= timeout, "{:?}", began.elapsed());
            silent.expect_end();
            // It was not counted from its second byte.
            if second.elapsed() >= timeout {
                return None;
            }
        }
        Some(())
    });
}

#[test]
fn a_second_head_has_its_own_time() {
    in_time(|timeout| {
        let server = head_timeout(timeout);
        let mut connection = sent(&server, &request("GET", "/healthz", "", ""), timeout)?;
        assert_eq!(connection.response().status(), 200);
        // Longer than a head may take: between requests a connection may be idle.
        std::thread::sleep(timeout * 2);
        assert_eq!(connection.get("/healthz").status(), 200);
        let began = now();
        connection.send("GET /hea");
        connection.response().problem(408);
        assert!(began.elapsed() + COARSE >= timeout, "{:?}", began.elapsed());
        connection.expect_end();
        Some(())
    });
}

#[test]
fn a_connection_that_says_nothing_is_closed_without_a_word() {
    let server = server();
    let began = now();
    server.connect().expect_end();
    assert!(began.elapsed() + COARSE >= SHORT, "{:?}", began.elapsed());
}

#[test]
fn a_connection_that_is_idle_after_an_answer_is_closed_without_a_word() {
    let server = Server::with(|builder| builder.idle_timeout(SHORT));
    let mut connection = server.connect();
    let began = now();
    assert_eq!(connection.get("/healthz").status(), 200);
    connection.expect_end();
    assert!(began.elapsed() + COARSE >= SHORT, "{:?}", began.elapsed());
}

#[test]
fn a_body_has_more_time_than_a_head() {
    let bytes = request("POST", "/api/sse/events", "Content-Type: application/json\r\n", r#"{"data":1}"#);
    let (head, body) = bytes.split_at(bytes.len() - 5);
    in_time(|timeout| {
        let server = head_timeout(timeout);
        let mut connection = sent(&server, head, timeout)?;
        let began = now();
        std::thread::sleep(timeout * 2);
        connection.send(body);
        // A body has five seconds before it may be too slow.
        is_prompt(began, Duration::from_secs(8))?;
        id_of(&connection.response());
        Some(())
    });
}

#[test]
fn a_body_that_stays_slow_after_its_grace_is_told() {
    let server = Server::start();
    let began = now();
    let mut connection = server.connect();
    connection.send("POST /api/sse/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
    connection.send([b' '; 1000]);
    let response = connection.response();
    response.problem(408);
    assert_eq!(response.field("connection"), Some("close"));
    let took = began.elapsed();
    assert!(took + COARSE >= Duration::from_secs(5), "{took:?}");
    connection.expect_end();
}

#[test]
fn a_stream_is_not_a_request_that_takes_long() {
    in_time(|timeout| {
        let server = Server::with(|builder| builder.head_timeout(timeout).idle_timeout(timeout));
        let mut subscriber = Subscriber::after(sent(&server, &request("GET", "/api/sse", "", ""), timeout)?);
        assert!(!subscriber.read_for(timeout * 3), "nothing comes, not even the end");
        let id = server.publisher.send_update(&1, Target::all()).expect("room").to_string();
        assert_eq!(subscriber.next().id, Some(id));
        Some(())
    });
}

#[test]
fn a_client_that_falls_behind_gets_everything_once_it_reads() {
    let server = Server::with(|builder| builder.max_backlog(64 * 1024));
    let mut slow = server.subscribe("?userId=slow");
    let data = "x".repeat(4000);
    for n in 0..3000 {
        let target = if n % 3 == 0 { Target::user("slow") } else { Target::all() };
        server.publisher.send_custom_event("n", &(n, &data), target).expect("room");
    }
    eventually("it is behind", || server.stats().engine.lags > 0);
    for n in 0..3000 {
        let message = slow.next();
        assert_eq!(parts(message.id.as_deref().expect("an id")).1, n + 1);
        assert!(message.data.starts_with(&format!("[{n},")));
    }
    let engine = server.stats().engine;
    assert_eq!((engine.slow_clients_closed, engine.connections_closed), (0, 0));
}

#[test]
fn a_client_whose_place_is_lost_is_ended_and_told_when_it_comes_back() {
    let server = Server::with(|builder| {
        builder.max_backlog(16 * 1024).history(100, 64 * 1024 * 1024, Duration::from_secs(600))
    });
    let mut slow = server.subscribe("");
    let data = "x".repeat(4000);
    for n in 0..3000 {
        server.publisher.send_custom_event("n", &(n, &data), Target::all()).expect("room");
    }
    server.settle();
    let rest = slow.rest();
    assert!(
        rest.iter().enumerate().all(|(n, message)| message.data.starts_with(&format!("[{n},"))),
        "no gap"
    );
    assert_eq!(server.stats().engine.slow_clients_closed, 1);
    let place = rest.last().map_or(slow.last_event_id(), |message| &message.last_event_id);
    let mut resumed = server.resume("", place);
    assert_eq!(resumed.reason().as_deref(), Some("expired"));
    assert_eq!(parts(resumed.last_event_id()).1, 2900);
    assert!(resumed.take(100)[99].data.starts_with("[2999,"));
}

// That it is stale before is seen on the engine's own clock, in the simulation.
#[test]
fn a_client_that_takes_nothing_is_closed() {
    let timeout = Duration::from_secs(1);
    let server = Server::with(|builder| builder.connection_timeout(timeout));
    let (_stuck, mut healthy) = (server.subscribe("?userId=stuck"), server.subscribe(""));
    let data = "x".repeat(100_000);
    for _ in 0..50 {
        server.publisher.send_update(&data, Target::user("stuck")).expect("room");
    }
    eventually("it is closed", || !server.publisher.is_user_connected("stuck"));
    let stats = server.stats();
    assert_eq!((stats.engine.slow_clients_closed, stats.stale_connections), (1, 0));
    let id = server.publish(&json!({"data": 1}));
    assert_eq!(healthy.next().id, Some(id));
}

#[test]
fn requests_that_the_server_did_not_read_on_for_are_not_late() {
    const REQUESTS: usize = 20_000;
    in_time(|timeout| {
        let server = head_timeout(timeout);
        let one = request("GET", "/healthz", "", "");
        let mut connection = sent(&server, &one, timeout)?;
        let mut writer = connection.clone_socket();
        let sender = std::thread::spawn(move || {
            std::io::Write::write_all(&mut writer, &one.repeat(REQUESTS)).expect("all is taken");
        });
        // The answers are more than the server holds, so it stops reading; that is no fault of the requests.
        std::thread::sleep(4 * timeout);
        for n in 0..=REQUESTS {
            assert_eq!(connection.response().status(), 200, "answer {n}");
        }
        sender.join().expect("a sender");
        Some(())
    });
}
