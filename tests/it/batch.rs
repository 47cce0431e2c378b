//! Publishing many events over HTTP: all of them, or none.

use serde_json::json;

use crate::server::{Server, parts};
use crate::support::client::Response;

fn post(server: &Server, lines: &str) -> Response {
    let fields = "Content-Type: application/x-ndjson\r\n";
    server.connect().request("POST", "/api/sse/events", fields, lines)
}

#[test]
fn a_batch_is_published_in_its_order_with_ids_in_a_row() {
    let server = Server::start();
    let mut subscriber = server.subscribe("?userId=ada");
    server.publish(&json!({"data": "before"}));
    let lines = "{\"data\":1}\n{\"event\":\"b\",\"text\":\"2\",\"to\":{\"user\":\"ada\"}}\n\
        {\"data\":3,\"to\":{\"user\":\"other\"}}\n{\"data\":4,\"ttl\":0}\n";
    let response = post(&server, lines);
    assert_eq!(response.status(), 202, "{}", response.text());
    let body = response.json();
    assert_eq!((&body["accepted"], body.as_object().map(serde_json::Map::len)), (&json!(4), Some(3)));
    let id = |name: &str| parts(body[name].as_str().expect("an id")).1;
    assert_eq!((id("firstId"), id("lastId")), (2, 5));
    let received: Vec<_> =
        subscriber.take(4).into_iter().map(|m| (parts(&m.last_event_id).1, m.data)).collect();
    let expected = [(1, "\"before\""), (2, "1"), (3, "2"), (5, "4")];
    assert_eq!(received, expected.map(|(seq, data)| (seq, data.to_owned())));
}

#[test]
fn line_ends_of_a_batch_may_be_crlf_be_missing_or_stand_alone() {
    let server = Server::start();
    for (lines, accepted) in [
        ("{\"data\":1}", 1),
        ("{\"data\":1}\r\n{\"data\":2}\r\n", 2),
        ("\n\n{\"data\":1}\n \n\r\n{\"data\":2}\n\n", 2),
    ] {
        let response = post(&server, lines);
        assert_eq!(response.json()["accepted"], accepted, "{lines:?}: {}", response.text());
    }
}

#[test]
fn one_bad_line_and_nothing_is_sent() {
    let server = Server::start();
    let mut subscriber = server.subscribe("");
    for (lines, line, member) in [
        ("{\"data\":1}\n{\"data\":2,\"event\":\"\"}\n{\"data\":3}", "line 2", "event"),
        ("{\"data\":1}\n\n{\"data\":2,\"to\":{\"topic\":\"*\"}}", "line 3", "to.topic"),
        ("{\"data\":1}\nx\n", "line 2", ""),
        ("{\"data\":1}\n{\"data\":2", "line 2", ""),
        ("{\"data\":1} {\"data\":2}", "line 1", ""),
        ("[]\n{\"data\":2}", "line 1", ""),
        ("{\"data\":1}\n{\"event\":\"a\"}", "line 2", "data"),
    ] {
        let detail = post(&server, lines).problem(422);
        assert!(detail.contains(line) && detail.contains(member), "{lines:?}: {detail}");
    }
    let marker = server.publish(&json!({"data": "marker"}));
    assert_eq!(parts(&marker).1, 1, "none of them got an id");
    assert_eq!(subscriber.next().id, Some(marker), "none of them was sent");
}

#[test]
fn a_batch_of_nothing_is_refused() {
    let server = Server::start();
    for lines in ["", "\n", " \r\n\n"] {
        post(&server, lines).problem(422);
    }
}

#[test]
fn a_large_batch_arrives_whole() {
    let server = Server::start();
    let mut subscriber = server.subscribe("");
    let lines: String = (0..10_000).map(|n| format!("{{\"data\":{n}}}\n")).collect();
    assert_eq!(post(&server, &lines).json()["accepted"], 10_000);
    for n in 0..10_000 {
        assert_eq!(subscriber.next().data, n.to_string());
    }
}
