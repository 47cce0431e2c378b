//! Requests on one connection: keep-alive, pipelining, bodies, expectations.

use socket2::{Domain, Socket, Type};

use crate::server::{Server, id_of, parts};
use crate::support::client::{Connection, request};

const EVENTS: &str = "/api/sse/events";
const JSON: &str = "Content-Type: application/json\r\n";

fn post(data: u32) -> Vec<u8> {
    request("POST", EVENTS, JSON, format!("{{\"data\":{data}}}"))
}

#[test]
fn a_connection_serves_one_request_after_another() {
    let server = Server::start();
    let mut connection = server.connect();
    for n in 1..=20 {
        assert_eq!(parts(&id_of(&connection.post(EVENTS, r#"{"data":1}"#))).1, n);
        assert_eq!(connection.get("/healthz").text(), "ok\n");
        connection.get("/nothing").problem(404);
    }
    assert!(connection.is_open());
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let server = Server::start();
    let mut subscriber = server.subscribe("");
    let mut connection = server.connect();
    let mut all = Vec::new();
    for n in 0..50 {
        all.extend(post(n));
        all.extend(request("GET", "/api/sse/stats", "", ""));
        all.extend(request("GET", "/nothing", "", ""));
        all.extend(request("GET", "/api/sse/users/ada", "", ""));
    }
    connection.send(all);
    for n in 1..=50 {
        assert_eq!(parts(&id_of(&connection.response())).1, n);
        assert_eq!(connection.response().json()["engine"]["eventsPublished"], n);
        connection.response().problem(404);
        assert_eq!(connection.response().json()["userId"], "ada");
    }
    assert!(connection.is_open());
    let data: Vec<String> = subscriber.take(50).into_iter().map(|message| message.data).collect();
    assert_eq!(data, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_client_that_reads_late_gets_every_answer() {
    let server = Server::start();
    let mut connection = server.connect();
    let count = 4000;
    // Far more answers than the kernel and the server hold for one connection.
    let mut sender = Connection::over(connection.clone_socket());
    let sent =
        std::thread::spawn(move || sender.send(request("GET", "/api/sse/stats", "", "").repeat(count)));
    for _ in 0..count {
        assert_eq!(connection.response().json()["totalConnections"], 0);
    }
    sent.join().expect("everything was sent");
    assert!(connection.is_open());
}

#[test]
fn a_client_that_has_finished_sending_gets_every_answer() {
    let server = Server::start();
    for count in [1, 300] {
        let mut connection = server.connect();
        connection.send(request("GET", "/api/sse/stats", "", "").repeat(count));
        connection.finish_sending();
        for _ in 0..count {
            assert_eq!(connection.response().status(), 200);
        }
        connection.expect_end();
    }
}

#[test]
fn answers_beyond_what_the_kernel_takes_survive_the_clients_last_word() {
    let server = Server::start();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small window");
    socket.connect(&server.address.into()).expect("a connection");
    let mut connection = Connection::over(socket.into());
    let count = 240;
    connection.send(request("GET", "/nothing", "", "").repeat(count));
    connection.finish_sending();
    // The server has read all of it before it answers somebody else.
    server.connect().get("/healthz");
    for _ in 0..count {
        connection.response().problem(404);
    }
    connection.expect_end();
}

#[test]
fn close_is_answered_and_done() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.send(request("GET", "/healthz", "Connection: close\r\n", ""));
    connection.send(request("GET", "/healthz", "", ""));
    let response = connection.response();
    assert_eq!((response.status(), response.field("connection")), (200, Some("close")));
    connection.expect_end();
}

#[test]
fn http_1_0_is_answered_once_and_in_1_1() {
    let server = Server::start();
    for (head, status) in [
        ("GET /healthz HTTP/1.0\r\n\r\n", 200),
        ("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200),
        (
            "POST /api/sse/events HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{\"data\":1}",
            202,
        ),
        ("GET /nothing HTTP/1.0\r\n\r\n", 404),
        ("POST /api/sse/events HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ] {
        let mut connection = server.connect();
        connection.send(head);
        let response = connection.response();
        assert_eq!((response.status(), response.field("connection")), (status, Some("close")), "{head}");
        connection.expect_end();
    }
}

#[test]
fn a_body_may_come_in_chunks() {
    let server = Server::start();
    let mut subscriber = server.subscribe("");
    let mut connection = server.connect();
    let head =
        format!("POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n");
    connection.send(&head);
    connection.send("4;a=b\r\n{\"da\r\n1\r\nt\r\n00005\r\na\":12\r\n1\r\n}\r\n0\r\nTrailer: x\r\n\r\n");
    id_of(&connection.response());
    assert_eq!(subscriber.next().data, "12");
    id_of(&connection.post(EVENTS, r#"{"data":13}"#));
    assert_eq!(subscriber.next().data, "13");
}

#[test]
fn a_client_that_waits_for_100_gets_it_and_then_the_answer() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.send(format!(
        "POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\n{JSON}Expect: 100-continue\r\nContent-Length: 10\r\n\r\n"
    ));
    assert_eq!(connection.interim(), 100, "before a byte of the body was sent");
    connection.send("{\"data\":1}");
    let response = connection.response();
    assert!(response.interim.is_empty());
    id_of(&response);
    assert_eq!(connection.get("/healthz").status(), 200);
}

#[test]
fn a_client_that_waits_for_100_gets_a_refusal_at_once() {
    let server = Server::start();
    for (target, content_type, length, status) in [
        ("/nothing", "application/json", 10, 404),
        (EVENTS, "text/plain", 10, 415),
        (EVENTS, "application/json", 9_999_999, 413),
        ("/api/sse/stats", "application/json", 10, 405),
    ] {
        let mut connection = server.connect();
        connection.send(format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nExpect: 100-continue\r\n\
             Content-Length: {length}\r\n\r\n"
        ));
        let response = connection.response();
        assert_eq!((response.status(), &*response.interim), (status, &[][..]));
        // The body may come or not, so nothing can be told of what follows.
        assert_eq!(response.field("connection"), Some("close"));
        connection.expect_end();
    }
}

#[test]
fn what_nobody_knows_cannot_be_expected() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.request("GET", "/healthz", "Expect: tea\r\n", "").problem(417);
    connection.request("GET", "/api/sse", "Expect: tea\r\n", "").problem(417);
    // It may wait for a word before it sends its body, so it gets the last one before that, and the end.
    for (version, fields) in
        [("1.1", "Expect: 200-ok\r\n"), ("1.1", "Expect: 100-continue, tea\r\n"), ("1.0", "Expect: x\r\n")]
    {
        for framing in ["Content-Length: 10\r\n", "Transfer-Encoding: chunked\r\n"] {
            if version == "1.0" && framing.contains("chunked") {
                continue;
            }
            let mut connection = server.connect();
            connection.send(format!(
                "POST {EVENTS} HTTP/{version}\r\nHost: localhost\r\n{JSON}{fields}{framing}\r\n"
            ));
            let response = connection.response();
            response.problem(417);
            assert_eq!(
                (&*response.interim, response.field("connection")),
                (&[][..], Some("close")),
                "{fields}"
            );
            assert!(connection.try_send("{\"data\":1}"), "what is sent all the same is nothing");
            connection.expect_end();
        }
    }
    assert!(connection.is_open(), "without a body there is nothing in doubt");
    assert_eq!(server.stats().engine.events_published, 0);
}

/// What some clients send behind a body (RFC 9112, 2.2).
#[test]
fn one_empty_line_before_a_request_is_skipped() {
    let front = Server::start();
    let split = Server::with(|builder| builder.control_listen("127.0.0.1:0".parse().expect("an address")));
    for address in [front.address, split.engine.control_addrs()[0]] {
        let mut connection = Connection::open(address);
        connection.send("\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(connection.response().status(), 200);
        let mut pipelined = Vec::new();
        for n in 0..3 {
            pipelined.extend(post(n));
            pipelined.extend(b"\r\n");
        }
        connection.send(pipelined);
        (0..3).for_each(|_| drop(id_of(&connection.response())));
        // One was behind the last body.
        connection.send("\r");
        connection.response().problem(400);
        connection.expect_end();
    }
    for version in ["1.1", "1.0"] {
        let mut connection = front.connect();
        connection.send("\r\n");
        connection.send(format!("GET /api/sse HTTP/{version}\r\nHost: localhost\r\n\r\n"));
        connection.expect_stream();
    }
}
