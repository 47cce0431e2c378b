//! Pages of other origins: what they can read of an answer that refuses, and what they may send.

use std::time::Duration;

use crate::server::Server;
use crate::support::client::{Connection, Response};
use crate::support::subscriber::Subscriber;

const APP: &str = "https://app.example";
const EVENTS: &str = "/api/sse/events";

fn server() -> Server {
    Server::with(|builder| builder.cors_origin(APP).cors_origin("http://localhost:5173"))
}

fn values<'r>(response: &'r Response, name: &str) -> Vec<&'r str> {
    let fields = response.head.fields.iter().filter(|(field, _)| field == name);
    fields.flat_map(|(_, value)| value.split(',')).map(str::trim).collect()
}

/// The origin that may read it, with credentials.
fn allowed(response: &Response) -> Option<&str> {
    let origin = response.field("access-control-allow-origin");
    let credentials = response.field("access-control-allow-credentials");
    assert_eq!(credentials, origin.filter(|origin| *origin != "*").map(|_| "true"));
    origin
}

fn assert_varies(response: &Response, what: &str) {
    assert!(values(response, "vary").contains(&"Origin"), "{what}: a cache must not give this to others");
}

/// Requests that are refused for what their head says, each with a place for field lines, and the status.
fn refusals() -> Vec<(u16, String)> {
    let long = "a".repeat(8 * 1024);
    let large = format!("X: {}\r\n", "a".repeat(16 * 1024));
    let many: String = (0..64).map(|n| format!("X-{n}: y\r\n")).collect();
    let host = "HTTP/1.1\r\nHost: localhost\r\n";
    vec![
        (414, format!("GET /api/sse?topic={long} {host}{{}}\r\n")),
        (414, format!("GET /api/sse?topic={long}{long}{long} {host}{{}}\r\n")),
        (414, format!("POST /{long} HTTP/1.0\r\n{{}}\r\n")),
        (431, format!("GET /api/sse {host}{{}}{large}\r\n")),
        (431, format!("GET /api/sse {host}{large}{{}}\r\n")),
        (431, format!("GET /api/sse {host}{{}}{many}\r\n")),
        (431, format!("GET /api/sse {host}{many}{{}}\r\n")),
        (413, format!("POST {EVENTS} {host}{{}}Content-Length: 1048577\r\n\r\n")),
        (413, format!("POST {EVENTS} {host}Content-Length: 1048577\r\n{{}}\r\n")),
        (413, format!("POST {EVENTS} HTTP/1.0\r\nContent-Length: 1048577\r\n{{}}\r\n")),
        (413, format!("POST {EVENTS} {host}{{}}Transfer-Encoding: chunked\r\n\r\n100001\r\n")),
        (400, format!("POST {EVENTS} {host}{{}}Transfer-Encoding: chunked\r\n\r\nx")),
        (400, format!("GET api/sse {host}{{}}\r\n")),
        (400, format!("GET /api/sse?a=b c {host}{{}}\r\n")),
        (400, format!("GET /api/sse?topic=\u{e9} {host}{{}}\r\n")),
        (400, format!("GET /api/sse#a {host}{{}}\r\n")),
        (400, format!("GET http://other/api/sse {host}{{}}\r\n")),
        (400, "GET /api/sse HTTP/1.1\r\n{}\r\n".to_owned()),
        (400, format!("GET /api/sse {host}{{}}Content-Length: x\r\n\r\n")),
        (400, format!("GET /api/sse {host}{{}}X : y\r\n\r\n")),
        (400, format!("GET /api/sse {host}{{}}X: y\n\r\n")),
        (400, format!("GET /api/sse {host}{{}}X: y\r\n folded\r\n\r\n")),
        (400, format!("GET /api/sse?topic=%zz {host}{{}}\r\n")),
        (400, format!("GET /api/sse/users/% {host}{{}}\r\n")),
        (505, "GET /api/sse HTTP/2.0\r\nHost: localhost\r\n{}\r\n".to_owned()),
        (417, format!("POST {EVENTS} {host}{{}}Expect: tea\r\nContent-Length: 5\r\n\r\n")),
        (404, format!("GET /nothing {host}{{}}\r\n")),
        (404, "GET /nothing HTTP/1.0\r\n{}\r\n".to_owned()),
        (405, format!("DELETE {EVENTS} {host}{{}}\r\n")),
        (501, format!("BREW /api/sse {host}{{}}\r\n")),
        (403, "GET /api/sse HTTP/1.1\r\nHost: evil.example\r\n{}\r\n".to_owned()),
        (406, format!("GET /api/sse {host}{{}}Accept: text/html\r\n\r\n")),
    ]
}

#[test]
fn whatever_is_refused_can_be_read_by_the_page_that_asked() {
    let server = server();
    for (status, request) in refusals() {
        for (origin, expected) in [(APP, Some(APP)), ("https://evil.example", None)] {
            let mut connection = server.connect();
            connection.send(request.replace("{}", &format!("Origin: {origin}\r\n")));
            let response = connection.response();
            response.problem(status);
            let what = format!("{status} {:.80}", request);
            assert_eq!(allowed(&response), expected, "{what}");
            assert_varies(&response, &what);
        }
    }
}

#[test]
fn everybody_reads_what_is_for_everybody() {
    let server = Server::with(|builder| builder.cors_origin("*"));
    for (status, request) in refusals() {
        for fields in [&*format!("Origin: {APP}\r\n"), ""] {
            let mut connection = server.connect();
            connection.send(request.replace("{}", fields));
            let response = connection.response();
            // Without a line of its own the head of one case is not too large.
            if response.status() == status {
                assert_eq!(allowed(&response), Some("*"), "{status} {:.80}", request);
            }
        }
    }
}

#[test]
fn nobody_is_told_anything_where_it_is_off() {
    let server = Server::start();
    for (status, request) in refusals() {
        let mut connection = server.connect();
        connection.send(request.replace("{}", &format!("Origin: {APP}\r\n")));
        let response = connection.response();
        response.problem(status);
        let told = |name: &str| name.starts_with("access-control-") || name == "vary";
        assert!(!response.head.fields.iter().any(|(name, _)| told(name)), "{status} {:.80}", request);
    }
}

/// An origin that is not the only one, or not all there, or behind what could be another request, is none.
#[test]
fn an_origin_in_doubt_is_none() {
    let server = server();
    let host = "HTTP/1.1\r\nHost: localhost\r\n";
    let origin = format!("Origin: {APP}\r\n");
    let large = format!("X: {}\r\n", "a".repeat(16 * 1024));
    for request in [
        format!("GET /api/sse {host}{origin}{origin}{large}\r\n"),
        format!("GET /api/sse {host}{origin}{large}{origin}Content-Length: x\r\n\r\n").replace(&large, ""),
        format!("GET /api/sse {host}{origin} folded\r\n\r\n"),
        format!("GET /api/sse {host}Origin : {APP}\r\n\r\n"),
        format!("GET /api/sse {host}X: y\n{origin}\r\n"),
        format!("GET /api/sse HTTP/1.1\n{origin}\r\n"),
        format!("GET /api/sse\0 {host}{origin}\r\n"),
        format!("GET /api/sse {host}{large}\r\nGET / HTTP/1.1\r\n{origin}\r\n"),
        format!("POST {EVENTS} {host}Content-Length: 1048577\r\n\r\nGET / HTTP/1.1\r\n{origin}\r\n"),
        format!("POST {EVENTS} {host}Transfer-Encoding: chunked\r\n\r\nx\r\n{origin}\r\n"),
    ] {
        let mut connection = server.connect();
        connection.send(&request);
        let response = connection.response();
        response.problem(response.status());
        assert!(response.status() >= 400);
        assert_eq!(allowed(&response), None, "{:.80}", request);
        assert_varies(&response, &request[..80.min(request.len())]);
    }
}

/// A browser's head that is too large comes in many pieces, and its `Origin` in one of the last.
#[test]
fn the_rest_of_a_head_too_large_is_waited_for() {
    let server = server();
    let long = "a".repeat(9 * 1024);
    let large = "a".repeat(17 * 1024);
    for (status, first, rest) in [
        (414, format!("GET /api/sse?topic={long}"), format!(" HTTP/1.1\r\nHost: a\r\nOrigin: {APP}\r\n\r\n")),
        (
            431,
            format!("GET /api/sse HTTP/1.1\r\nHost: a\r\nX: {large}"),
            format!("\r\nOrigin: {APP}\r\n\r\n"),
        ),
    ] {
        let mut connection = server.connect();
        connection.send(&first);
        settle(&server);
        assert!(connection.is_open(), "it is not known whom to tell");
        for byte in rest.bytes() {
            assert!(connection.try_send([byte]));
        }
        let response = connection.response();
        response.problem(status);
        assert_eq!(allowed(&response), Some(APP), "{status}");
        connection.expect_end();
    }
}

/// Both loops and the control thread have had a turn.
fn settle(server: &Server) {
    server.settle();
    server.connect().get("/healthz");
}

#[test]
fn a_head_too_large_that_is_never_whole_is_answered_all_the_same() {
    let server = server();
    let first = format!("GET /api/sse?topic={}", "a".repeat(9 * 1024));
    // With its time over, at the end of what is sent, and past what is looked at.
    let mut waits = server.connect();
    waits.send(&first);
    let mut ends = server.connect();
    ends.send(&first);
    settle(&server);
    ends.finish_sending();
    let mut floods = server.connect();
    floods.send(&first);
    settle(&server);
    assert!(floods.try_send(vec![b'a'; 512 * 1024]));
    for mut connection in [waits, ends, floods] {
        let response = connection.response();
        response.problem(414);
        assert_eq!(allowed(&response), None);
        assert_varies(&response, "414");
        connection.expect_end();
    }
}

#[test]
fn a_good_request_before_one_that_is_refused_is_answered_for_itself() {
    let server = server();
    let mut connection = server.connect();
    let long = "a".repeat(9 * 1024);
    connection.send(format!(
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nOrigin: {APP}\r\n\r\nGET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"
    ));
    let first = connection.response();
    assert_eq!((first.status(), allowed(&first)), (200, Some(APP)));
    let second = connection.response();
    second.problem(414);
    assert_eq!(allowed(&second), None, "the origin of another request");
    connection.expect_end();
}

#[test]
fn what_comes_too_slowly_is_told_to_the_page_that_asked() {
    let server = Server::with(|builder| builder.cors_origin(APP).head_timeout(Duration::from_millis(300)));
    for (fields, expected) in [(format!("Origin: {APP}\r\n"), Some(APP)), ("Origin: htt".to_owned(), None)] {
        let mut connection = server.connect();
        connection.send(format!("GET /api/sse HTTP/1.1\r\nHost: a\r\n{fields}"));
        let response = connection.response();
        response.problem(408);
        assert_eq!(allowed(&response), expected);
        assert_varies(&response, "408");
    }
}

#[test]
fn the_control_listener_does_the_same() {
    let server = Server::with(|builder| {
        builder.cors_origin(APP).control_listen("127.0.0.1:0".parse().expect("an address"))
    });
    let control = server.engine.control_addrs()[0];
    for (status, request) in refusals() {
        let mut connection = Connection::open(control);
        connection.send(request.replace("{}", &format!("Origin: {APP}\r\n")));
        let response = connection.response();
        response.problem(status);
        assert_eq!(allowed(&response), Some(APP), "{status} {:.80}", request);
        assert_varies(&response, "control");
    }
}

#[test]
fn a_refusal_for_now_and_a_stream_are_told_to_the_page_that_asked() {
    let server = Server::with(|builder| builder.cors_origin(APP).max_connections_per_user(1));
    let field = format!("Origin: {APP}\r\n");
    let open = |version: &str| {
        let socket = std::net::TcpStream::connect(server.address).expect("a connection");
        let request = format!("GET /api/sse?userId=ada HTTP/{version}\r\nHost: localhost\r\n{field}\r\n");
        Subscriber::over(socket, request.as_bytes())
    };
    let first = open("1.1");
    for (stream, status) in [(&first, "connected"), (&open("1.1"), "refused"), (&open("1.0"), "refused")] {
        assert_eq!(stream.greeting()["status"], status);
        assert_eq!(stream.field("access-control-allow-origin"), Some(APP));
        assert_eq!(stream.field("vary"), Some("Origin"));
    }
}

fn preflight(connection: &mut Connection, origin: &str, asked: &str) -> Response {
    let fields = format!("Origin: {origin}\r\nAccess-Control-Request-Method: GET\r\n{asked}");
    connection.request("OPTIONS", "/api/sse", &fields, "")
}

#[test]
fn a_preflight_is_allowed_the_fields_that_it_asks_for() {
    let server = server();
    let everybody = Server::with(|builder| builder.cors_origin("*"));
    for (server, origin, expected) in [(&server, APP, APP), (&everybody, "https://any.example", "*")] {
        let mut connection = server.connect();
        let asked = "Access-Control-Request-Headers: sentry-trace,Traceparent, x-requested-with\r\n";
        let response = preflight(&mut connection, origin, asked);
        assert_eq!((response.status(), allowed(&response)), (204, Some(expected)));
        let names = values(&response, "access-control-allow-headers");
        for name in ["Authorization", "Last-Event-ID", "sentry-trace", "traceparent", "x-requested-with"] {
            assert!(names.contains(&name), "{name}: {names:?}");
        }
        assert!(values(&response, "vary").contains(&"Access-Control-Request-Headers"));
        // What is no list of names, or too long, is not said again.
        let names: String = (0..100).map(|n| format!("x-{n},")).collect();
        let many = format!("Access-Control-Request-Headers: {names}\r\n");
        for asked in [
            "",
            "Access-Control-Request-Headers: x-a\u{e9}\r\n",
            "Access-Control-Request-Headers: x a\r\n",
            &many,
        ] {
            let response = preflight(&mut connection, origin, asked);
            assert_eq!((response.status(), allowed(&response)), (204, Some(expected)), "{asked}");
            let names = values(&response, "access-control-allow-headers");
            assert_eq!(names, ["Authorization", "Cache-Control", "Content-Type", "Last-Event-ID"], "{asked}");
        }
    }
    let mut connection = server.connect();
    let foreign =
        preflight(&mut connection, "https://evil.example", "Access-Control-Request-Headers: traceparent\r\n");
    let granted = |name: &str| name.starts_with("access-control-");
    assert!(!foreign.head.fields.iter().any(|(name, _)| granted(name)), "{:?}", foreign.head);
    assert_varies(&foreign, "a preflight");
}
