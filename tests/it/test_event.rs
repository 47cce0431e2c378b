//! The development endpoint that sends a test event of each type.

use std::net::TcpStream;

use fanfare::Heartbeat;
use serde_json::{Value, json};

use crate::server::{Server, id_of};
use crate::support::clock::unix_ms;
use crate::support::subscriber::Subscriber;

const TEST: &str = "/api/sse/test";

/// The name and the data of what a test event becomes.
fn sent(request: Value) -> (String, Value) {
    let server = Server::start();
    let mut subscriber = server.subscribe("?userId=ada");
    let id = id_of(&server.connect().post(TEST, request.to_string()));
    let message = subscriber.next();
    assert_eq!(message.id, Some(id), "{request}");
    (message.event, serde_json::from_str(&message.data).expect("JSON"))
}

#[test]
fn a_notification() {
    let (event, data) = sent(json!({"type": "notification", "message": "Test message"}));
    assert_eq!((&*event, &data["message"]), ("notification", &json!("Test message")));
    assert!(data["type"].is_string() && data["title"].is_string());
    let (_, data) = sent(json!({"type": "notification", "message": "m", "title": "t", "data": {"k": [1]}}));
    assert_eq!(
        (&data["title"], &data["message"], &data["data"]),
        (&json!("t"), &json!("m"), &json!({"k": [1]}))
    );
}

#[test]
fn an_announcement() {
    for level in ["info", "warning", "error"] {
        let (event, data) =
            sent(json!({"type": "announcement", "title": "t", "message": "m", "level": level}));
        assert_eq!((&*event, data), ("announcement", json!({"title": "t", "message": "m", "level": level})));
    }
    let (_, data) = sent(json!({"type": "announcement", "message": "m"}));
    assert_eq!((&data["level"], &data["message"]), (&json!("info"), &json!("m")));
}

#[test]
fn progress() {
    let request =
        json!({"type": "progress", "operationId": "o", "percentage": 40, "message": "m", "completed": false});
    let (event, data) = sent(request);
    assert_eq!(event, "progress");
    assert_eq!(
        (&data["operationId"], &data["message"], &data["completed"]),
        (&json!("o"), &json!("m"), &json!(false))
    );
    assert_eq!(data["percentage"].as_f64(), Some(40.0));
    let (_, data) = sent(json!({"type": "progress", "percentage": 100}));
    assert_eq!(data["completed"], true);
}

#[test]
fn an_update_and_a_custom_event() {
    let (event, data) = sent(json!({"type": "update", "data": {"price": 3}}));
    assert_eq!((&*event, data), ("update", json!({"price": 3})));
    let (event, data) = sent(json!({"type": "my-own", "message": "m"}));
    assert_eq!((&*event, data), ("my-own", json!({"message": "m"})));
}

#[test]
fn a_ping_is_a_heartbeat_now_and_never_in_history() {
    for heartbeat in [Heartbeat::Event, Heartbeat::Comment, Heartbeat::Off] {
        let server = Server::with(|builder| builder.heartbeat(heartbeat));
        let mut streams =
            [server.subscribe("?userId=ada"), server.subscribe("?userId=bob"), server.subscribe("")];
        let plain = TcpStream::connect(server.address).expect("a connection");
        let mut plain = Subscriber::over(plain, b"GET /api/sse?userId=ada HTTP/1.0\r\n\r\n");
        let before = server.publish(&json!({"data": 1}));
        let began = unix_ms();
        let response = server.connect().post(TEST, r#"{"type":"ping"}"#);
        assert_eq!((response.status(), response.json()), (202, json!({"id": null})));
        let to_ada = server.connect().post(TEST, r#"{"type":"ping","userId":"ada"}"#);
        assert_eq!(to_ada.status(), 202);
        let after = server.publish(&json!({"data": 2}));
        let expect = |stream: &mut Subscriber, pings: usize| {
            assert_eq!(stream.next().id.as_ref(), Some(&before));
            for ping in stream.take(pings) {
                assert_eq!((&*ping.event, &ping.id, ping.retry), ("ping", &None, None));
                assert_eq!(ping.last_event_id, before, "a browser's place stays");
                let data: Value = serde_json::from_str(&ping.data).expect("JSON");
                let at = data["timestamp"].as_u64().expect("a time");
                assert!((began..=unix_ms()).contains(&at), "{at}");
                assert_eq!(data.as_object().map(serde_json::Map::len), Some(1));
            }
            assert_eq!(stream.next().id.as_ref(), Some(&after));
        };
        for (stream, pings) in streams.iter_mut().zip([2, 1, 1]) {
            expect(stream, pings);
        }
        expect(&mut plain, 2);
        let mut resumed = server.resume("?userId=ada", &before);
        assert_eq!((resumed.reason(), resumed.next().id), (None, Some(after)), "no ping in between");
        let engine = server.stats().engine;
        assert_eq!((engine.events_published, engine.heartbeats), (2, 6));
    }
}

#[test]
fn it_goes_to_everyone_or_to_one_user() {
    let server = Server::start();
    let (mut ada, mut bob) = (server.subscribe("?userId=ada"), server.subscribe("?userId=bob"));
    let mut connection = server.connect();
    let to_ada = id_of(&connection.post(TEST, r#"{"type":"notification","message":"m","userId":"ada"}"#));
    let to_all = id_of(&connection.post(TEST, r#"{"type":"notification","message":"m"}"#));
    assert_eq!(
        ada.take(2).into_iter().map(|m| m.id).collect::<Vec<_>>(),
        [Some(to_ada), Some(to_all.clone())]
    );
    assert_eq!(bob.next().id, Some(to_all));
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let server = Server::start();
    let mut connection = server.connect();
    for (request, member) in [
        (json!({"type": "announcement", "level": "loud"}), "level"),
        (json!({"type": "progress", "percentage": "half"}), "percentage"),
        (json!({"type": "notification", "title": 1}), "title"),
        (json!({"type": "connection"}), "type"),
        (json!({"type": "a\nb"}), "type"),
        (json!({"type": "ping", "userId": 1}), "userId"),
        (json!({"type": 1}), "type"),
        (json!({"type": "notification", "userId": 1}), "userId"),
        (json!([]), "test event"),
    ] {
        let detail = connection.post(TEST, request.to_string()).problem(422);
        assert!(detail.contains(member), "{request}: {detail}");
    }
    connection.post(TEST, "{").problem(400);
    connection.request("POST", TEST, "Content-Type: application/x-ndjson\r\n", "{}").problem(415);
    connection.request("POST", TEST, "", "{}").problem(415);
}
