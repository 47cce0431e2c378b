//! How many streams there may be, and how large requests may be.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::server::Server;
use crate::support::client::Connection;
use crate::support::clock::eventually;
use crate::support::sse::Message;
use crate::support::subscriber::Subscriber;

/// Asks for a stream that is refused for now, and returns the word why.
fn refused(server: &Server, query: &str) -> String {
    let before = server.publisher.connections_count();
    let mut subscriber = server.subscribe(query);
    assert_eq!(subscriber.reader().head.as_ref().map(|head| head.status), Some(200));
    assert_eq!(subscriber.field("content-type"), Some("text/event-stream"));
    assert_eq!(subscriber.field("cache-control"), Some("no-cache, no-transform"));
    let Message { id, last_event_id, retry, .. } = subscriber.connection().clone();
    assert_eq!((id, &*last_event_id), (None, ""), "it is no place to go on from");
    let retry = retry.expect("a retry field");
    assert!((1000..=4000).contains(&retry), "one to four times a second: {retry}");
    assert_eq!(subscriber.rest(), [], "nothing follows, and the end is clean");
    let greeting = subscriber.greeting();
    assert_eq!(
        (&greeting["status"], greeting.as_object().map(serde_json::Map::len)),
        (&json!("refused"), Some(2))
    );
    assert_eq!(server.publisher.connections_count(), before, "it never counts");
    greeting["reason"].as_str().expect("a reason").to_owned()
}

#[test]
fn a_full_server_refuses_for_now_and_has_room_again() {
    let server = Server::with(|builder| builder.max_connections(2).retry(Duration::from_secs(1)));
    let mut streams = vec![server.subscribe(""), server.subscribe("?userId=ada")];
    for _ in 0..5 {
        assert_eq!(refused(&server, "?userId=bob"), "full");
    }
    assert!(!server.publisher.is_user_connected("bob"));
    let stats = server.stats();
    assert_eq!((stats.total_connections, stats.engine.connections_opened), (2, 2));
    streams.pop();
    eventually("there is room", || server.publisher.connections_count() == 1);
    assert_eq!(server.subscribe("?userId=bob").greeting()["status"], "connected");
    // The other endpoints are open.
    assert_eq!(server.connect().get("/api/sse/stats").status(), 200);
}

#[test]
fn a_user_has_so_many_streams() {
    let server = Server::with(|builder| builder.max_connections_per_user(2).retry(Duration::from_secs(1)));
    let mut streams = vec![server.subscribe("?userId=ada"), server.subscribe("?userId=ada")];
    assert_eq!(refused(&server, "?userId=ada"), "user");
    let _others = [server.subscribe("?userId=bob"), server.subscribe(""), server.subscribe("")];
    streams.pop();
    eventually("there is room", || server.publisher.user_connections("ada") == 1);
    server.subscribe("?userId=ada");
}

#[test]
fn an_address_has_so_many_streams() {
    let server = Server::with(|builder| builder.max_connections_per_ip(2).retry(Duration::from_secs(1)));
    let mut streams = vec![server.subscribe("?userId=a"), server.subscribe("")];
    assert_eq!(refused(&server, ""), "address");
    let elsewhere =
        Subscriber::over(from("127.0.0.2", &server), b"GET /api/sse HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(elsewhere.greeting()["status"], "connected");
    streams.pop();
    eventually("there is room", || server.publisher.connections_count() == 2);
    server.subscribe("");
}

/// How many connections of an address are no streams, until as many as may be were told so.
/// Whether a new connection is served: one too many is reset, its request unread.
fn is_served(server: &Server) -> bool {
    let mut socket = TcpStream::connect(server.address).expect("room in the queue");
    let asked = socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    asked.and_then(|()| socket.read_to_string(&mut answer)).is_ok() && answer.starts_with("HTTP/1.1 200 ")
}

#[test]
fn an_address_has_so_many_connections_that_are_no_streams() {
    // More than are told so and may not have gone before the next one comes.
    const MOST: usize = 8;
    let server = Server::with(|b| b.max_other_connections_per_ip(MOST).retry(Duration::from_secs(1)));
    // Streams do not count, nor do those that are closed.
    let streams: Vec<Subscriber> = (0..3 * MOST).map(|_| server.subscribe("")).collect();
    let mut kept: Vec<Connection> = (0..MOST).map(|_| server.connect()).collect();
    for connection in &mut kept {
        assert_eq!(connection.get("/healthz").status(), 200);
    }
    for request in ["/healthz", "/api/sse/stats"] {
        let mut connection = server.connect();
        let response = connection.get(request);
        assert!(response.problem(429).contains("too many connections"), "{}", response.text());
        assert_eq!((response.field("retry-after"), response.field("connection")), (Some("1"), Some("close")));
        connection.expect_end();
    }
    let mut publisher = server.connect();
    publisher.post("/api/sse/events", r#"{"data":1}"#).problem(429);
    drop(publisher);
    assert_eq!(refused(&server, ""), "address");
    let elsewhere = &mut Connection::over(from("127.0.0.2", &server));
    assert_eq!(elsewhere.get("/healthz").status(), 200);
    let told = elsewhere.get("/metrics").text().to_owned();
    assert!(told.contains("fanfare_connections_over_limit_total 4\n"), "{told}");
    assert_eq!(kept[0].get("/healthz").status(), 200, "those who are here go on");
    // Whoever has as many again that say nothing is closed without a word.
    let silent: Vec<Connection> = (0..MOST).map(|_| server.connect()).collect();
    eventually("they are counted", || elsewhere.get("/metrics").text().contains("over_limit_total 12\n"));
    server.connect().expect_end();
    drop((kept, silent));
    eventually("there is room", || is_served(&server));
    // Not all that were closed may have gone when the first is served.
    eventually("streams are let in", || server.subscribe("").greeting()["status"] == "connected");
    eventually("it has gone", || server.publisher.connections_count() == streams.len());
}

#[test]
fn connections_of_trusted_proxies_have_no_limit_by_address() {
    let server = Server::with(|builder| {
        builder.max_other_connections_per_ip(1).trusted_proxy("127.0.0.1/32".parse().expect("a network"))
    });
    let mut connections: Vec<Connection> = (0..10).map(|_| server.connect()).collect();
    for connection in &mut connections {
        assert_eq!(connection.get("/healthz").status(), 200);
    }
}

/// An error says what was wrong, not all that was sent.
#[test]
fn errors_quote_only_the_beginning_of_what_was_sent() {
    let server = Server::start();
    let (long, longer) = ("n".repeat(7_000), "n".repeat(1_000_000));
    let get = |target: String| server.connect().get(&target);
    let post = |body: String| server.post(body);
    let delete = |target: String| server.connect().request("DELETE", &target, "", "");
    for (status, response) in [
        (422, post(format!("{{\"data\":1,\"{longer}\":1}}"))),
        (422, post(format!("{{\"data\":1,\"to\":{{\"user\":\"a\",\"{longer}\":1}}}}"))),
        (422, post(format!("{{\"data\":1,\"to\":{{\"where\":{{\"{longer}\":[]}}}}}}"))),
        (422, post(format!("{{\"data\":1,\"to\":\"{longer}\"}}"))),
        (422, post(format!("{{\"data\":1,\"to\":{{\"topic\":\"{longer}\"}}}}"))),
        (422, post(format!("{{\"data\":1,\"event\":\"{longer}\"}}"))),
        (422, post(format!("{{\"data\":1,\"retry\":\"{longer}\"}}"))),
        (
            422,
            post(
                format!("{{\"{longer}\":1,\"{longer}\":1}}")
                    .replace("1000000", "1")
                    .replace(&longer, &longer[..400_000]),
            ),
        ),
        (400, post(longer.clone())),
        (400, get(format!("/api/sse?topic={long}"))),
        (400, get(format!("/api/sse?topic=a..{long}"))),
        (400, get(format!("/api/sse?meta.{}=1&meta.{}=2", &long[..3_000], &long[..3_000]))),
        (400, get(format!("/api/sse?userId={long}"))),
        (400, get(format!("/api/sse?topics{}=1", "1".repeat(5_000)))),
        (404, get(format!("/{long}"))),
        (405, delete("/api/sse/events".to_owned())),
    ] {
        assert_eq!(response.status(), status, "{:.200}", response.text());
        assert!(
            response.body.len() < 500,
            "{status}: {} bytes: {:.300}",
            response.body.len(),
            response.text()
        );
    }
}

/// A connection from another address of this machine.
fn from(address: &str, server: &Server) -> std::net::TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let address: std::net::IpAddr = address.parse().expect("an address");
    socket.bind(&std::net::SocketAddr::new(address, 0).into()).expect("an address of this machine");
    socket.connect(&server.address.into()).expect("a connection");
    socket.into()
}

#[test]
fn a_refusal_is_spread_and_so_over_http_1_0() {
    let server = Server::with(|builder| builder.max_connections(1).retry(Duration::from_secs(1)));
    let _first = server.subscribe("");
    let retries: Vec<u64> = (0..12).filter_map(|_| server.subscribe("").connection().retry).collect();
    let (least, most) = (retries.iter().min(), retries.iter().max());
    assert!(least < most && retries.len() == 12, "{retries:?}");
    let socket = std::net::TcpStream::connect(server.address).expect("a connection");
    let mut plain = Subscriber::over(socket, b"GET /api/sse HTTP/1.0\r\n\r\n");
    assert_eq!((plain.greeting()["reason"].as_str(), plain.rest()), (Some("full"), vec![]));
}

/// However soon others may come back.
#[test]
fn whoever_is_refused_does_not_come_back_within_a_second() {
    let server = Server::with(|builder| builder.max_connections(1).retry(Duration::from_millis(10)));
    let first = server.subscribe("");
    assert_eq!(first.connection().retry, Some(10));
    for _ in 0..12 {
        let retry = server.subscribe("").connection().retry.expect("a time");
        assert!((1000..=4000).contains(&retry), "{retry}");
    }
}

#[test]
fn a_refused_client_resumes_where_it_was() {
    let server = Server::with(|builder| builder.max_connections(1));
    let first = server.subscribe("");
    let place = first.last_event_id().to_owned();
    let id = server.publish(&json!({"data": 1}));
    let mut refused = server.resume("", &place);
    assert_eq!((&*refused.greeting()["status"].to_string(), refused.rest()), ("\"refused\"", vec![]));
    drop(first);
    eventually("there is room", || server.publisher.connections_count() == 0);
    let mut resumed = server.resume("", &place);
    assert_eq!((resumed.reason(), resumed.next().id), (None, Some(id)));
}

#[test]
fn what_a_client_sends_on_an_open_stream_is_discarded_up_to_4_kib() {
    let server = Server::start();
    let mut subscriber = server.subscribe("?userId=ada");
    // As a second request that is no request any more, in pieces.
    let request = b"GET /api/sse/stats HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for piece in request.repeat(4096 / request.len()).chunks(500) {
        assert!(subscriber.send(piece));
    }
    let id = server.publish(&json!({"data": 1}));
    assert_eq!(subscriber.next().id, Some(id), "it is still open, and nothing answered");
    server.settle();
    assert!(server.publisher.is_user_connected("ada"));
    subscriber.send(&request.repeat(2));
    subscriber.wait_for_loss();
    eventually("it is not counted", || !server.publisher.is_user_connected("ada"));
}

#[test]
fn what_stands_behind_a_stream_request_counts_too() {
    let server = Server::start();
    let flood = [&b"GET /api/sse?userId=ada HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], &[b'x'; 5000]].concat();
    let mut connection = server.connect();
    connection.send(&flood);
    eventually("it is closed", || server.stats().engine.connections_closed == 1);
    let post = "POST /api/sse/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Content-Length: 10\r\n\r\n{\"data\":1}";
    let mut connection = server.connect();
    connection.send([post.as_bytes(), &flood].concat());
    assert_eq!(connection.response().status(), 202);
    eventually("it is closed", || server.stats().engine.connections_closed == 2);
}

#[test]
fn sizes_are_judged_and_the_answer_arrives() {
    let server = Server::start();
    let host = "HTTP/1.1\r\nHost: localhost\r\n";
    let fields: String = (0..64).map(|n| format!("X-{n}: y\r\n")).collect();
    for (status, request) in [
        (414, format!("GET /{} {host}\r\n", "a".repeat(8 * 1024))),
        (431, format!("GET /healthz {host}X: {}\r\n\r\n", "a".repeat(16 * 1024))),
        (431, format!("GET /healthz {host}{fields}\r\n")),
        (413, format!("POST /api/sse/events {host}Content-Length: 1048577\r\n\r\n{}", "a".repeat(1_048_577))),
        (413, format!("POST /nothing {host}Content-Length: 8388608\r\n\r\n{}", "a".repeat(8_388_608))),
        (200, format!("GET /healthz {host}X: {}\r\n\r\n", "a".repeat(15 * 1024))),
        (404, format!("GET /{} {host}\r\n", "a".repeat(8 * 1024 - 1))),
    ] {
        let mut connection = Connection::open(server.address);
        // All of it, before a byte of the answer is read.
        assert!(connection.try_send(&request), "{status}: the server stops taking");
        let response = connection.response();
        assert_eq!(response.status(), status, "{:.40}", request);
        if !matches!(status, 200 | 404) {
            let detail = response.problem(status);
            let most = [": at most 1048576 bytes", "8192 bytes", "16384 bytes", "64 fields"];
            assert!(most.iter().any(|most| detail.ends_with(most)), "{detail}");
            assert_eq!(response.field("connection"), Some("close"));
            connection.expect_end();
        }
    }
}

/// What a stream request is answered that asks for too much: 400, and why.
fn too_much(server: &Server, query: &str) -> String {
    server.connect().get(&format!("/api/sse?{query}")).problem(400)
}

#[test]
fn a_stream_subscribes_to_so_many_tokens() {
    let server = Server::start();
    let of = |token: &str, count: usize| vec![token; count].join(".");
    for (query, reason) in [
        (format!("topic={}", of("a", 17)), "at most 16 tokens, and this has 17"),
        (format!("topic={}.%3E", of("a", 40)), "at most 16 tokens, and this has 41"),
        (format!("topic=b&topic={}", of("*", 5)), "at most 4 '*', and this has 5"),
        (
            vec![format!("topic={}", of("a", 16)); 33].join("&"),
            "at most 512 tokens in all topics of a stream",
        ),
    ] {
        let detail = too_much(&server, &query);
        assert!(detail.contains(reason), "{detail}");
    }
    let most = format!("topic={}.{}.%3E", of("*", 4), of("a", 11));
    let mut subscriber = server.subscribe(&format!("?{most}"));
    // A publication may go deeper than a subscription names.
    for topic in [of("a", 16), of("a", 32)] {
        let id = server.publish(&json!({"event": "news", "data": 1, "to": {"topic": topic}}));
        assert_eq!(subscriber.next().id, Some(id));
    }
    let deeper = json!({"data": 1, "to": {"topic": of("a", 33)}});
    server.post(deeper.to_string()).problem(422);
}

#[test]
fn what_a_stream_subscribes_to_is_limited_by_options() {
    let server = Server::with(|builder| builder.topic_limits(3, 1, 5));
    for (query, is_too_much) in [
        ("topic=a.b.c&topic=d.e", false),
        ("topic=*.b.>", false),
        ("topic=a.b.c.d", true),
        ("topic=*.*", true),
        ("topic=a.b.c&topic=d.e.f", true),
    ] {
        let query = query.replace('>', "%3E");
        match is_too_much {
            true => drop(too_much(&server, &query)),
            false => assert_eq!(server.subscribe(&format!("?{query}")).greeting()["status"], "connected"),
        }
    }
}

#[test]
fn a_client_that_takes_its_time_to_send_what_is_refused_gets_the_answer() {
    let server = Server::start();
    let mut connection = server.connect();
    let head = "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 8388608\r\n\r\n";
    connection.send(format!("POST /api/sse/events HTTP/1.1\r\n{head}"));
    connection.wait_for_bytes();
    // As over a slow line: it is answered already, and reads no answer before it has sent all.
    for _ in 0..25 {
        assert!(connection.try_send(vec![b'x'; 8 * 1024]), "the server stops taking");
        std::thread::sleep(Duration::from_millis(100));
    }
    connection.response().problem(413);
    connection.expect_end();
}
