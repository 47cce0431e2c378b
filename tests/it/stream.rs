//! The head of a stream, its first event, and its framing.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::server::{Server, parts};
use crate::support::client::read;
use crate::support::clock::{Deadline, unix_ms};
use crate::support::stream::StreamReader;
use crate::support::subscriber::Subscriber;

/// What one read returns after a request: what left in one write, on loopback.
fn first_read(server: &Server, request: &str) -> Vec<u8> {
    let mut socket = TcpStream::connect(server.address).expect("a connection");
    socket.write_all(request.as_bytes()).expect("a request is taken");
    let mut input = vec![0; 16 * 1024];
    let count = read(&mut socket, &mut input, Deadline::new()).expect("an answer");
    input.truncate(count);
    input
}

#[test]
fn the_head_has_these_fields_and_no_others() {
    let server = Server::start();
    let subscriber = server.subscribe("");
    let head = subscriber.reader().head.clone().expect("a head");
    assert_eq!(head.status, 200);
    let mut fields = head.fields.clone();
    fields.sort();
    let date = head.field("date").expect("a date").to_owned();
    assert!(httpdate::parse_http_date(&date).is_ok(), "{date}");
    let expected = [
        ("cache-control", "no-cache, no-transform"),
        ("content-type", "text/event-stream"),
        ("date", &date),
        ("transfer-encoding", "chunked"),
        ("x-accel-buffering", "no"),
    ];
    assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn head_and_first_event_leave_in_one_write() {
    let server = Server::start();
    let newest = server.publish(&json!({"data": 1}));
    server.settle();
    for (version, fields) in [("1.1", ""), ("1.0", ""), ("1.1", "Last-Event-ID: nonsense\r\n")] {
        let request = format!("GET /api/sse HTTP/{version}\r\nHost: localhost\r\n{fields}\r\n");
        let mut reader = StreamReader::new();
        reader.push(&first_read(&server, &request));
        assert_eq!(reader.messages.len(), 1, "{request:?}");
        assert_eq!(reader.messages[0].id.as_deref(), Some(&*newest), "{request:?}");
    }
}

#[test]
fn head_and_first_event_of_a_resumed_stream_leave_in_one_write() {
    let server = Server::start();
    let id = server.publish(&json!({"data": 1}));
    let request = format!("GET /api/sse HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {id}\r\n\r\n");
    let mut reader = StreamReader::new();
    reader.push(&first_read(&server, &request));
    assert_eq!(reader.messages.len(), 1);
    assert_eq!(reader.messages[0].id.as_deref(), Some(&*id));
}

#[test]
fn the_first_event_is_byte_for_byte_as_documented() {
    let server = Server::start();
    let id = server.publish(&json!({"data": 1}));
    server.settle();
    let answer = first_read(
        &server,
        "GET /api/sse?topic=%C3%A9&userId=a%22b&topic=a.%3E&sessionId=s&topic=%C3%A9 HTTP/1.0\r\nHost: localhost\r\n\r\n",
    );
    let answer = String::from_utf8(answer).expect("UTF-8");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    let client = body.split("clientId\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an id");
    let expected = format!(
        "retry: 3000\nid: {id}\nevent: connection\ndata: {{\"status\":\"connected\",\"clientId\":\"{client}\",\
         \"userId\":\"a\\\"b\",\"sessionId\":\"s\",\
         \"topics\":[\"a.>\",\"é\"],\"recovered\":false,\"reason\":\"none\"}}\n\n"
    );
    assert_eq!(body, expected);
}

#[test]
fn the_first_event_says_who_the_stream_is_for() {
    let server = Server::with(|builder| builder.retry(Duration::from_millis(1234)));
    let subscriber = server.subscribe("?userId=ada&sessionId=s-1");
    let first = subscriber.connection().clone();
    assert_eq!((first.event.as_str(), first.retry), ("connection", Some(1234)));
    let greeting = subscriber.greeting();
    assert_eq!(greeting["status"], "connected");
    assert_eq!((&greeting["userId"], &greeting["sessionId"]), (&json!("ada"), &json!("s-1")));
    assert_eq!((&greeting["recovered"], &greeting["reason"]), (&json!(false), &json!("none")));
    assert_eq!(greeting["topics"], json!([]));
    let anonymous = server.subscribe("").greeting();
    assert_eq!(anonymous["topics"], json!([]));
    assert_eq!((&anonymous["userId"], &anonymous["sessionId"]), (&json!(null), &json!(null)));
    assert_ne!(anonymous["clientId"], greeting["clientId"]);
}

#[test]
fn ids_are_an_epoch_and_a_count_without_holes() {
    let before = unix_ms();
    let server = Server::start();
    let mut subscriber = server.subscribe("");
    let (epoch, first) = parts(subscriber.last_event_id());
    // Histories that begin in the same ms are told apart by a part that is drawn. It is no time to come.
    assert!((before - 18 * 60 * 1000..=unix_ms()).contains(&epoch), "{epoch}");
    assert_eq!(first, 0, "before any event");
    for seq in 1..=5 {
        let id = server.publish(&json!({"data": seq}));
        assert_eq!(parts(&id), (epoch, seq));
        let message = subscriber.next();
        assert_eq!(message.id.as_deref(), Some(&*id));
        assert_eq!((message.data, message.retry), (seq.to_string(), None));
    }
}

#[test]
fn a_stream_of_http_1_0_is_delimited_by_its_end() {
    let server = Server::start();
    let socket = TcpStream::connect(server.address).expect("a connection");
    let mut subscriber = Subscriber::over(socket, b"GET /api/sse?userId=ada HTTP/1.0\r\n\r\n");
    assert_eq!(subscriber.field("transfer-encoding"), None);
    assert_eq!(subscriber.field("connection"), Some("close"));
    let id = server.publish(&json!({"event": "a", "data": 1}));
    assert_eq!(subscriber.next().id, Some(id));
    assert_eq!(server.publisher.disconnect_user("ada"), 1);
    assert_eq!(subscriber.rest(), []);
}

#[test]
fn keep_alive_does_not_make_a_stream_of_http_1_0_anything_else() {
    let server = Server::start();
    let socket = TcpStream::connect(server.address).expect("a connection");
    let subscriber = Subscriber::over(socket, b"GET /api/sse HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(subscriber.field("transfer-encoding"), None);
}

#[test]
fn a_burst_is_framed_at_the_ends_of_events() {
    let server = Server::start();
    let (mut chunked, socket) = (server.subscribe(""), TcpStream::connect(server.address).expect("a socket"));
    let mut plain = Subscriber::over(socket, b"GET /api/sse HTTP/1.0\r\n\r\n");
    let data = "x".repeat(700);
    for n in 0..300 {
        let publication = json!({"event": "n", "data": [n, data]});
        server.publisher.send_custom_event("n", &publication["data"], fanfare::Target::all()).expect("room");
    }
    // The parser fails on a chunk that does not end where an event ends.
    for subscriber in [&mut chunked, &mut plain] {
        let seqs: Vec<u64> =
            subscriber.take(300).iter().map(|message| parts(&message.last_event_id).1).collect();
        assert!(seqs.is_sorted() && seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{seqs:?}");
    }
}

#[test]
fn a_stream_ends_with_its_last_chunk() {
    let server = Server::start();
    let mut subscriber = server.subscribe("?userId=ada");
    assert_eq!(server.publisher.disconnect_user("ada"), 1);
    assert_eq!(subscriber.rest(), []);
    assert!(subscriber.reader().ended);
}

#[test]
fn many_streams_open_at_once_and_each_gets_each_event() {
    const THREADS: usize = 8;
    const EACH: usize = 40;
    let server = Server::start();
    let open = || (0..EACH).map(|_| server.subscribe("?userId=ada")).collect::<Vec<_>>();
    let mut streams: Vec<Subscriber> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(open)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("all are open")).collect()
    });
    assert_eq!(server.publisher.user_connections("ada"), THREADS * EACH);
    let ids =
        [json!({"data": 1}), json!({"data": 2, "to": {"user": "ada"}})].map(|json| server.publish(&json));
    for subscriber in &mut streams {
        let received = subscriber.take(2).into_iter().map(|message| message.id.expect("an id"));
        assert_eq!(received.collect::<Vec<_>>(), ids);
    }
    assert_eq!(server.publisher.disconnect_user("ada"), THREADS * EACH);
    streams.iter_mut().for_each(|subscriber| assert_eq!(subscriber.rest(), []));
    assert_eq!((server.publisher.connections_count(), server.publisher.connected_users_count()), (0, 0));
}
