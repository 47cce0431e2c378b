//! Publishing one event over HTTP: what is taken, and what is refused for which member.

use serde_json::{Value, json};

use crate::server::{Server, id_of, parts};

const EVENTS: &str = "/api/sse/events";

#[test]
fn an_event_gets_an_id_and_arrives_under_it() {
    let server = Server::start();
    let mut subscriber = server.subscribe("");
    let response = server.post(r#"{"event":"notification","data":{"type":"t","title":"a"}}"#);
    assert_eq!((response.status(), response.field("content-type")), (202, Some("application/json")));
    assert_eq!(response.json().as_object().map(serde_json::Map::len), Some(1));
    let message = subscriber.next();
    assert_eq!(message.id, Some(id_of(&response)));
    assert_eq!((&*message.event, &*message.data), ("notification", r#"{"type":"t","title":"a"}"#));
    assert_eq!(message.retry, None);
}

#[test]
fn the_default_name_is_sent_without_a_field() {
    let server = Server::start();
    let mut subscriber = server.subscribe("");
    for publication in [json!({"data": 1}), json!({"event": "message", "data": 1})] {
        server.publish(&publication);
        assert_eq!(subscriber.next().event, "message", "the parser's default");
    }
    server.publish(&json!({"event": "Message", "data": 1}));
    assert_eq!(subscriber.next().event, "Message");
}

#[test]
fn retry_is_sent_as_a_field_and_only_where_it_was_given() {
    let server = Server::start();
    let mut subscriber = server.subscribe("");
    // At most one day.
    for retry in [0, 1500, 86_400_000] {
        server.publish(&json!({"data": 1, "retry": retry}));
        assert_eq!(subscriber.next().retry, Some(retry));
    }
    server.publish(&json!({"data": 1}));
    assert_eq!(subscriber.next().retry, None);
}

#[test]
fn a_reconnection_time_beyond_a_day_is_refused() {
    let server = Server::start();
    let mut subscriber = server.subscribe("");
    let mut connection = server.connect();
    for retry in
        ["86400001", "4294967296", "18446744073709551615", "18446744073709551616", "-1", "0.5", "1e9"]
    {
        let one = format!("{{\"data\":1,\"retry\":{retry}}}");
        let detail = connection.post("/api/sse/events", &one).problem(422);
        assert!(detail.contains("retry") && detail.contains("86400000"), "{detail}");
        let batch = format!("{{\"data\":1}}\n{one}\n");
        let fields = "Content-Type: application/x-ndjson\r\n";
        let detail = connection.request("POST", "/api/sse/events", fields, batch).problem(422);
        assert!(detail.starts_with("line 2: retry: "), "{detail}");
    }
    let id = server.publish(&json!({"data": 2}));
    assert_eq!(subscriber.next().id, Some(id), "nothing of it was sent");
}

#[test]
fn the_names_of_the_server_cannot_be_published() {
    let server = Server::start();
    let mut subscriber = server.subscribe("");
    let mut connection = server.connect();
    for name in ["connection", "ping", "p\\u0069ng"] {
        let one = format!("{{\"event\":\"{name}\",\"data\":{{\"status\":\"connected\"}}}}");
        let detail = connection.post("/api/sse/events", &one).problem(422);
        assert!(detail.starts_with("event: ") && detail.contains("ping"), "{detail}");
        connection.post("/api/sse/events", format!("{{\"event\":\"{name}\",\"text\":\"\"}}")).problem(422);
        let batch = format!("{{\"data\":1}}\n\n{one}\n");
        let fields = "Content-Type: application/x-ndjson\r\n";
        let detail = connection.request("POST", "/api/sse/events", fields, batch).problem(422);
        assert!(detail.starts_with("line 3: event: "), "{detail}");
    }
    // These are other names.
    for name in ["Ping", "PING", "pings", "Connection", "connection ", "connected"] {
        let id = server.publish(&json!({"event": name, "data": 1}));
        let message = subscriber.next();
        assert_eq!((message.id, &*message.event), (Some(id), name));
    }
}

#[test]
fn an_event_that_is_not_valid_is_refused_by_the_name_of_its_member() {
    let server = Server::start();
    let mut subscriber = server.subscribe("");
    let mut connection = server.connect();
    let long = "n".repeat(257);
    let cases: Vec<(Value, &str)> = vec![
        (json!([]), "publication"),
        (json!("x"), "publication"),
        (json!(null), "publication"),
        (json!({}), "data"),
        (json!({"event": "a"}), "data"),
        (json!({"data": 1, "text": "a"}), "text"),
        (json!({"text": 1}), "text"),
        (json!({"text": null}), "text"),
        (json!({"event": 1, "data": 1}), "event"),
        (json!({"event": null, "data": 1}), "event"),
        (json!({"event": "", "data": 1}), "event"),
        (json!({"event": long, "data": 1}), "event"),
        (json!({"data": 1, "retry": -1}), "retry"),
        (json!({"data": 1, "retry": 1.5}), "retry"),
        (json!({"data": 1, "retry": "1"}), "retry"),
        (json!({"data": 1, "retry": null}), "retry"),
        (json!({"data": 1, "ttl": -1}), "ttl"),
        (json!({"data": 1, "ttl": "5"}), "ttl"),
        (json!({"data": 1, "id": "x"}), "id"),
        (json!({"data": 1, "Event": "x"}), "Event"),
        (json!({"data": 1, "event\u{0}": "x"}), "event"),
        (json!({"data": 1, "to": null}), "to"),
        (json!({"data": 1, "to": "everyone"}), "to"),
        (json!({"data": 1, "to": ["all"]}), "to"),
        (json!({"data": 1, "to": {}}), "to"),
        (json!({"data": 1, "to": {"users": "a"}}), "to.users"),
        (json!({"data": 1, "to": {"user": 1}}), "to.user"),
        (json!({"data": 1, "to": {"user": [1]}}), "to.user"),
        (json!({"data": 1, "to": {"topic": "a.*"}}), "to.topic"),
        (json!({"data": 1, "to": {"topic": "a.>"}}), "to.topic"),
        (json!({"data": 1, "to": {"topic": ""}}), "to.topic"),
        (json!({"data": 1, "to": {"topic": ["ok", "a..b"]}}), "to.topic"),
        (json!({"data": 1, "to": {"where": {}}}), "to.where"),
        (json!({"data": 1, "to": {"where": "x"}}), "to.where"),
        (json!({"data": 1, "to": {"where": {"k": null}}}), "to.where.k"),
        (json!({"data": 1, "to": {"where": {"k": ["v"]}}}), "to.where.k"),
        (json!({"data": 1, "except": {}}), "except"),
        (json!({"data": 1, "except": "all"}), "except"),
        (json!({"data": 1, "except": {"user": "a", "where": {"k": "v"}}}), "except.where"),
        (json!({"data": 1, "except": {"all": true}}), "except.all"),
    ];
    for (publication, member) in cases {
        let detail = connection.post(EVENTS, publication.to_string()).problem(422);
        assert!(detail.contains(member), "{publication}: {detail}");
    }
    let marker = server.publish(&json!({"data": "marker"}));
    assert_eq!(parts(&marker).1, 1, "none of them got an id");
    assert_eq!(subscriber.next().id, Some(marker), "none of them was sent");
}

#[test]
fn a_name_that_could_forge_a_field_is_refused() {
    let server = Server::start();
    let mut connection = server.connect();
    let controls = (0..0x20).chain(0x7f..0xa0);
    for code in controls {
        let control = char::from_u32(code).expect("a character");
        for name in [format!("a{control}b"), format!("{control}"), format!("a{control}")] {
            let detail = connection.post(EVENTS, json!({"event": name, "data": 1}).to_string()).problem(422);
            assert!(detail.contains("event"), "U+{code:04X}: {detail}");
        }
    }
    // Neither does raw JSON hide one.
    connection.post(EVENTS, "{\"event\":\"a\\u000adata: x\",\"data\":1}").problem(422);
    connection.post(EVENTS, "{\"event\":\"a\\u0085b\",\"data\":1}").problem(422);
}

#[test]
fn a_member_that_stands_twice_is_refused() {
    let server = Server::start();
    let mut connection = server.connect();
    for (publication, member) in [
        (r#"{"data":1,"data":1}"#, "data"),
        (r#"{"event":"a","data":1,"event":"b"}"#, "event"),
        (r#"{"data":1,"d\u0061ta":2}"#, "data"),
        (r#"{"data":1,"to":{"user":"a","user":"b"}}"#, "user"),
        (r#"{"data":1,"to":{"where":{"k":"1","k":"2"}}}"#, "k"),
        (r#"{"data":1,"except":{"user":"a","user":"a"}}"#, "user"),
    ] {
        let detail = connection.post(EVENTS, publication).problem(422);
        assert!(detail.contains(member), "{publication}: {detail}");
    }
    // What stands within the data is not ours to judge.
    let mut subscriber = server.subscribe("");
    id_of(&connection.post(EVENTS, r#"{"data":{"a":1,"a":2}}"#));
    assert_eq!(subscriber.next().data, r#"{"a":1,"a":2}"#);
}

#[test]
fn what_is_not_json_is_malformed() {
    let server = Server::start();
    let mut connection = server.connect();
    for body in [
        &b""[..],
        b" ",
        b"{",
        b"{\"data\":1",
        b"{\"data\":1}}",
        b"{\"data\":1} x",
        b"{data:1}",
        b"{'data':1}",
        b"{\"data\":01}",
        b"{\"data\":+1}",
        b"{\"data\":NaN}",
        b"{\"data\":1,}",
        b"{\"data\":\"a\nb\"}",
        b"{\"data\":\"\\x\"}",
        b"\xef\xbb\xbf{\"data\":1}",
        b"{\"data\":\"\xff\"}",
        b"{\"data\":\"\xed\xa0\x80\"}",
        b"{\"data\":1}\n{\"data\":2}",
    ] {
        let response = connection.post(EVENTS, body);
        assert!(!response.problem(400).is_empty(), "{:?}", String::from_utf8_lossy(body));
    }
}

#[test]
fn deep_data_is_refused_and_costs_nobody_anything() {
    let server = Server::start();
    let mut connection = server.connect();
    let deep = format!("{{\"data\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let status = connection.post(EVENTS, deep).status();
    assert!(matches!(status, 400 | 422 | 202), "{status}");
    id_of(&connection.post(EVENTS, r#"{"data":1}"#));
}

#[test]
fn only_the_two_types_of_body_are_taken() {
    let server = Server::start();
    let mut connection = server.connect();
    for content_type in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: application/jsonl\r\n",
        "Content-Type: application/problem+json\r\n",
        "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
    ] {
        let detail = connection.request("POST", EVENTS, content_type, r#"{"data":1}"#).problem(415);
        let either = "the body must be application/json or application/x-ndjson";
        assert!(detail == either || content_type.contains("gzip"), "{detail}");
    }
    for content_type in [
        "Content-Type: application/json\r\n",
        "Content-Type: Application/JSON; charset=utf-8\r\n",
        "content-type:application/json;charset=\"utf-8\"\r\n",
        "Content-Type: application/x-ndjson\r\n",
        "Content-Type: application/json\r\nContent-Encoding: identity\r\n",
    ] {
        let response = connection.request("POST", EVENTS, content_type, r#"{"data":1}"#);
        assert_eq!(response.status(), 202, "{content_type}");
    }
}

#[test]
fn a_body_may_be_as_large_as_the_limit_and_no_larger() {
    let server = Server::with(|builder| builder.max_body(4096));
    let mut subscriber = server.subscribe("");
    let body = |length: usize| format!("{{\"data\":\"{}\"}}", "x".repeat(length - 11));
    let mut connection = server.connect();
    id_of(&connection.post(EVENTS, body(4096)));
    assert_eq!(subscriber.next().data.len(), 4096 - 9);
    let response = connection.post(EVENTS, body(4097));
    response.problem(413);
    assert_eq!(response.field("connection"), Some("close"));
    connection.expect_end();
    let mut connection = server.connect();
    let chunked = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    connection.send(format!("POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\n{chunked}\r\n1000\r\n"));
    connection.send(body(4096));
    connection.send("\r\n1\r\n \r\n0\r\n\r\n");
    connection.response().problem(413);
    connection.expect_end();
    assert_eq!(server.stats().engine.events_published, 1);
}
