//! What bodies that are under way may take.

use std::time::Duration;

use fanfare::{Denial, Identity};

use crate::server::{Server, id_of};
use crate::support::client::{Connection, request};
use crate::support::clock::{COARSE, eventually, now};

const KIB: usize = 1024;

/// A publication of that many bytes.
fn publication(length: usize) -> String {
    let frame = r#"{"data":""}"#.len();
    format!(r#"{{"data":"{}"}}"#, "x".repeat(length - frame))
}

fn post(path: &str, fields: &str, body: &str) -> Vec<u8> {
    request("POST", path, &format!("Content-Type: application/json\r\n{fields}"), body)
}

/// Bytes that bodies under way take, as the metrics tell.
fn held(server: &Server) -> usize {
    let response = server.connect().request("GET", "/metrics", "Authorization: Bearer admin\r\n", "");
    assert_eq!(response.status(), 200, "{}", response.text());
    let line = response.text().lines().find_map(|line| line.strip_prefix("fanfare_request_body_bytes "));
    line.expect("the metric").parse::<f64>().expect("a number") as usize
}

/// Sends all of a request but its last byte.
fn begin(server: &Server, request: &[u8]) -> Connection {
    let mut connection = server.connect();
    connection.send(&request[..request.len() - 1]);
    connection
}

#[test]
fn bodies_that_will_be_refused_are_not_kept() {
    let server = Server::with(|builder| {
        builder.authenticate(|request| match request.bearer() {
            Some("admin") => Ok(Identity::new().allow_admin()),
            Some("publisher") => Ok(Identity::new().allow_publish()),
            _ => Err(Denial::Unauthorized("a bearer token is needed".into())),
        })
    });
    let body = publication(1024 * KIB);
    let known = "Authorization: Bearer publisher\r\n";
    let refused = [
        (post("/nowhere", known, &body), 404),
        (post("/api/sse/events", "", &body), 401),
        (post("/api/sse/events", "Authorization: Bearer admin\r\n", &body), 403),
        // Not refused, but nothing is done with the body.
        (request("GET", "/healthz", "", &body), 200),
    ];
    let mut connections: Vec<_> = refused.iter().map(|(request, _)| begin(&server, request)).collect();
    // One that is kept, so that the figure is seen to be taken.
    let mut kept = begin(&server, &post("/api/sse/events", known, &body));
    eventually("the body of the publisher has come", || held(&server) >= body.len() - 1);
    assert!(held(&server) <= body.len(), "nothing else is kept: {}", held(&server));
    for (connection, (_, status)) in connections.iter_mut().zip(&refused) {
        connection.send("}");
        assert_eq!(connection.response().status(), *status);
        assert_eq!(connection.get("/healthz").status(), 200, "the connection goes on");
    }
    kept.send("}");
    id_of(&kept.response());
    eventually("it is given back", || held(&server) == 0);
}

/// What is not wanted must not be looked at without end.
#[test]
fn a_chunked_body_that_is_not_wanted_has_little_framing() {
    const CHUNK: &[u8] = b"2\r\nxx\r\n";
    let server = Server::with(|builder| {
        builder.authenticate(|_| Err(Denial::Unauthorized("a bearer token is needed".into())))
    });
    let begin = |method: &str, path: &str, chunks: usize| {
        let fields = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
        let mut connection = server.connect();
        connection.send(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"));
        connection.send(CHUNK.repeat(chunks));
        connection
    };
    for (method, path, status, beyond) in [
        ("POST", "/nowhere", 404, 404),
        ("POST", "/api/sse/events", 401, 401),
        // Not refused, but nothing is done with the body.
        ("GET", "/healthz", 200, 413),
    ] {
        let mut connection = begin(method, path, 25 * KIB);
        connection.send("0\r\n\r\n");
        assert_eq!(connection.response().status(), status, "{path}");
        assert_eq!(connection.get("/healthz").status(), 200, "the connection goes on");
        // It has no end, and is answered all the same.
        let mut connection = begin(method, path, 27 * KIB);
        let response = connection.response();
        response.problem(beyond);
        assert_eq!(response.field("connection"), Some("close"), "{path}");
        connection.expect_end();
    }
}

/// As large as the limit, in chunks that are as small as may be.
#[test]
fn a_chunked_body_that_is_wanted_may_have_much_framing() {
    let server = Server::start();
    let mut connection = server.connect();
    let fields = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    connection.send(format!("POST /api/sse/events HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"));
    for chunk in publication(1024 * KIB).as_bytes().chunks(2).collect::<Vec<_>>().chunks(10_000) {
        let chunks = chunk.iter().flat_map(|two| [&b"2\r\n"[..], two, b"\r\n"].concat());
        connection.send(chunks.collect::<Vec<u8>>());
    }
    connection.send("0\r\n\r\n");
    id_of(&connection.response());
    assert_eq!(connection.get("/healthz").status(), 200);
}

#[test]
fn bodies_under_way_have_a_total_and_small_publications_go_through() {
    let server = Server::with(|builder| builder.max_body(256 * KIB).max_bodies(512 * KIB));
    let whole = post("/api/sse/events", "", &publication(250 * KIB));
    let mut first = begin(&server, &whole);
    let mut second = begin(&server, &whole);
    eventually("both are kept", || held(&server) >= 2 * 249 * KIB);
    let mut third = begin(&server, &whole);
    let mut small = server.connect();
    id_of(&small.post("/api/sse/events", r#"{"data":1}"#));
    third.send("}");
    let response = third.response();
    response.problem(503);
    assert_eq!(response.field("retry-after"), Some("1"));
    for waiting in [&mut first, &mut second] {
        waiting.send("}");
        id_of(&waiting.response());
    }
    third.send(&whole);
    id_of(&third.response());
    // One that goes away in the middle gives back what it had.
    let gone = begin(&server, &whole);
    eventually("it is kept", || held(&server) >= 249 * KIB);
    drop(gone);
    eventually("it is given back", || held(&server) == 0);
}

#[test]
fn a_body_that_falls_silent_is_told() {
    let silence = Duration::from_millis(300);
    let server = Server::with(|builder| builder.body_timeout(silence));
    let mut connection = server.connect();
    let began = now();
    // Fast enough on average, for half an hour.
    connection.send("POST /api/sse/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
    connection.send([b' '; 900_000]);
    let response = connection.response();
    assert!(began.elapsed() + COARSE >= silence, "{:?}", began.elapsed());
    response.problem(408);
    assert_eq!(response.field("connection"), Some("close"));
    connection.expect_end();
}
