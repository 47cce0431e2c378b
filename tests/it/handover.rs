//! The ways from a request to a stream: after others on the connection, behind them, in pieces, with a body.

use std::net::TcpStream;

use serde_json::json;

use crate::server::{Server, id_of, parts};
use crate::support::client::{Connection, request};
use crate::support::subscriber::Subscriber;

const EVENTS: &str = "/api/sse/events";
const JSON: &str = "Content-Type: application/json\r\n";

fn post(data: u32) -> Vec<u8> {
    request("POST", EVENTS, JSON, format!("{{\"data\":{data}}}"))
}

#[test]
fn a_connection_that_published_can_become_a_stream() {
    let server = Server::start();
    let mut connection = server.connect();
    let id = id_of(&connection.post(EVENTS, r#"{"data":1}"#));
    let field = format!("Last-Event-ID: {}\r\n", id.replace("-1", "-0"));
    let request = request("GET", "/api/sse?userId=ada", &field, "");
    let mut subscriber = Subscriber::over(connection.into_socket(), &request);
    assert_eq!((subscriber.reason(), subscriber.next().id), (None, Some(id)));
    assert_eq!(server.publisher.user_connections("ada"), 1);
    let live = server.publish(&json!({"data": 2, "to": {"user": "ada"}}));
    assert_eq!(subscriber.next().id, Some(live));
}

#[test]
fn a_stream_may_be_pipelined_behind_other_requests() {
    let server = Server::start();
    let mut connection = server.connect();
    let mut all = post(1);
    all.extend(post(2));
    all.extend(request("GET", "/api/sse", "", ""));
    connection.send(all);
    let first = id_of(&connection.response());
    assert_eq!((parts(&first).1, parts(&id_of(&connection.response())).1), (1, 2));
    let mut subscriber = Subscriber::after(connection);
    let live = server.publish(&json!({"data": 3}));
    let next = subscriber.next();
    // Its loop may still have had the second one before it.
    let next = if parts(next.id.as_deref().expect("an id")).1 == 2 { subscriber.next() } else { next };
    assert_eq!(next.id, Some(live));
}

#[test]
fn a_stream_request_may_have_a_body() {
    let server = Server::start();
    for request in [
        "GET /api/sse HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
        "GET /api/sse HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let socket = TcpStream::connect(server.address).expect("a connection");
        let mut subscriber = Subscriber::over(socket, request.as_bytes());
        let id = server.publish(&json!({"data": 1}));
        assert_eq!(subscriber.next().id, Some(id));
    }
}

#[test]
fn a_request_in_pieces_is_a_request() {
    let server = Server::start();
    let mut connection = server.connect();
    for byte in post(7) {
        connection.send([byte]);
    }
    id_of(&connection.response());
    let socket = TcpStream::connect(server.address).expect("a connection");
    let mut connection = Connection::over(socket);
    let request = request("GET", "/api/sse?userId=ada", "", "");
    let (last, most) = request.split_last().expect("bytes");
    for byte in most {
        connection.send([*byte]);
    }
    let subscriber = Subscriber::over(connection.into_socket(), &[*last]);
    assert_eq!(subscriber.greeting()["userId"], "ada");
}
