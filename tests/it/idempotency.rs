//! Publishing the same again with an `Idempotency-Key`.

use std::thread;
use std::time::Duration;

use fanfare::{AppendError, Denial, Event, Identity, Publication, PublishError, Target};
use serde_json::{Value, json};

use crate::durable::moody;
use crate::server::{Server, id_of, parts};
use crate::support::client::{Connection, Response, request};
use crate::support::clock::eventually;
use crate::support::folder::TestFolder;

const EVENTS: &str = "/api/sse/events";
const JSON: &str = "Content-Type: application/json\r\n";
const NDJSON: &str = "Content-Type: application/x-ndjson\r\n";

fn post(server: &Server, fields: &str, key: &str, body: &str) -> Response {
    let fields = format!("{fields}Idempotency-Key: {key}\r\n");
    server.connect().request("POST", EVENTS, &fields, body)
}

fn is_replayed(response: &Response) -> bool {
    match response.field("idempotency-replayed") {
        Some("true") => true,
        None => false,
        other => panic!("{other:?}"),
    }
}

/// The number of events that history has.
fn events(server: &Server) -> u64 {
    server.stats().engine.events_published
}

#[test]
fn the_same_again_is_answered_as_before_and_published_once() {
    let server = Server::start();
    let mut stream = server.subscribe("");
    let first = post(&server, JSON, "\"k-1\"", r#"{"data": 1}"#);
    let id = id_of(&first);
    assert!(!is_replayed(&first));
    for key in ["\"k-1\"", "k-1", " k-1 "] {
        let again = post(&server, JSON, key, r#"{"data": 1}"#);
        assert!(is_replayed(&again), "{key}");
        assert_eq!(id_of(&again), id, "{key}");
    }
    let other = id_of(&post(&server, JSON, "k-2", r#"{"data": 1}"#));
    let none = id_of(&server.post(r#"{"data": 1}"#));
    let got: Vec<_> = stream.take(3).into_iter().filter_map(|message| message.id).collect();
    assert_eq!(got, [id, other, none]);
    assert_eq!(events(&server), 3, "repeats are not counted");
}

#[test]
fn a_batch_has_one_key_and_another_body_is_refused() {
    let server = Server::start();
    let lines = "{\"data\": 1}\n{\"data\": 2}\n";
    let first = post(&server, NDJSON, "k", lines);
    let again = post(&server, NDJSON, "k", lines);
    assert_eq!((first.status(), is_replayed(&first)), (202, false));
    assert_eq!((again.status(), is_replayed(&again)), (202, true));
    assert_eq!(first.json(), again.json());
    assert_eq!(again.json()["accepted"], 2);
    for (fields, body) in [(NDJSON, "{\"data\": 1}\n"), (NDJSON, &lines[1..]), (JSON, r#"{"data": 3}"#)] {
        let other = post(&server, fields, "k", body);
        assert!(matches!(other.status(), 422 | 400), "{}", other.text());
    }
    // One event as JSON and as a batch of one are not the same request.
    id_of(&post(&server, JSON, "one", r#"{"data": 1}"#));
    let other = post(&server, NDJSON, "one", r#"{"data": 1}"#);
    assert!(other.problem(422).contains("idempotency key"), "{}", other.text());
    assert_eq!(events(&server), 3);
}

#[test]
fn what_was_refused_is_not_remembered() {
    let server = Server::start();
    assert_eq!(post(&server, JSON, "k", "{").status(), 400);
    assert_eq!(post(&server, JSON, "k", r#"{"event": "ping", "data": 1}"#).status(), 422);
    let first = post(&server, JSON, "k", r#"{"data": 1}"#);
    assert!(!is_replayed(&first) && parts(&id_of(&first)).1 == 1);
}

#[test]
fn keys_that_are_none_are_refused() {
    let server = Server::start();
    let long = "k".repeat(256);
    for key in ["", "\"\"", "a b", "\"a", "a\"b", "\"a\"b\"", "\"a\\b\"", "é", "\"é\"", "a,b", "a;b", &long]
    {
        let response = post(&server, JSON, key, r#"{"data": 1}"#);
        assert!(response.problem(400).contains("Idempotency-Key"), "{key}: {}", response.text());
    }
    let twice = "Idempotency-Key: a\r\n".repeat(2);
    let response = server.connect().request("POST", EVENTS, &format!("{JSON}{twice}"), r#"{"data": 1}"#);
    assert_eq!(response.status(), 400);
    assert_eq!(events(&server), 0);
    for key in [&long[..255], "\"a \\\" \\\\ b\"", "8e03978e-40d5-43dd-bc93-6894a57f9324", "*", "a:b/c"] {
        assert_eq!(post(&server, JSON, key, r#"{"data": 1}"#).status(), 202, "{key}");
    }
    // Where nothing is published, nobody looks at it.
    let fields = "Idempotency-Key: a b\r\n";
    assert_eq!(server.connect().request("GET", "/api/sse/stats", fields, "").status(), 200);
}

#[test]
fn each_publisher_has_keys_of_its_own() {
    let server = Server::with(|builder| {
        builder.authenticate(|head: &fanfare::RequestHead<'_>| match head.bearer() {
            Some(user) => Ok(Identity::new().user(user).allow_publish()),
            None => Err(Denial::Unauthorized("who are you?".into())),
        })
    });
    let by =
        |user: &str, body: &str| post(&server, &format!("{JSON}Authorization: Bearer {user}\r\n"), "k", body);
    let ada = id_of(&by("ada", r#"{"data": "of ada"}"#));
    let bob = id_of(&by("bob", r#"{"data": "of bob"}"#));
    assert_ne!(ada, bob);
    assert_eq!(id_of(&by("ada", r#"{"data": "of ada"}"#)), ada);
    assert_eq!(id_of(&by("bob", r#"{"data": "of bob"}"#)), bob);
    // A program's keys are apart from those of requests.
    let event = || Publication::new(Event::json("n", &1).expect("an event"), Target::all());
    let own = server.publisher.publish_once("k", event()).expect("room");
    assert_eq!(server.publisher.publish_once("k", event()).expect("room"), own);
    assert_eq!(parts(&own.to_string()).1, 3);
}

#[test]
fn requests_in_a_row_and_at_once_publish_one_event() {
    let server = Server::start();
    let one = request("POST", EVENTS, &format!("{JSON}Idempotency-Key: k\r\n"), r#"{"data": 1}"#);
    let mut connection = server.connect();
    connection.send(one.repeat(50));
    let answers: Vec<Response> = (0..50).map(|_| connection.response()).collect();
    assert_eq!(answers.iter().filter(|answer| is_replayed(answer)).count(), 49);
    assert!(!is_replayed(&answers[0]));
    let ids: Vec<Vec<u64>> = thread::scope(|scope| {
        let publish = |_| scope.spawn(|| publish_each_key(&server));
        let threads: Vec<_> = (0..4).map(publish).collect();
        threads.into_iter().map(|thread| thread.join().expect("answers")).collect()
    });
    assert!(ids.windows(2).all(|two| two[0] == two[1]), "all were told the same");
    assert_eq!(events(&server), 1 + 100);
}

/// Publishes a hundred events, each with a key that others use, too; returns their places.
fn publish_each_key(server: &Server) -> Vec<u64> {
    let mut connection = server.connect();
    let publish = |n: usize| {
        let fields = format!("{JSON}Idempotency-Key: shared-{n}\r\n");
        parts(&id_of(&until_answered(&mut connection, &fields, &json!({"data": n})))).1
    };
    (0..100).map(publish).collect()
}

fn until_answered(connection: &mut Connection, fields: &str, body: &Value) -> Response {
    loop {
        let response = connection.request("POST", EVENTS, fields, body.to_string());
        if response.status() != 409 {
            return response;
        }
    }
}

#[test]
fn the_window_ends() {
    let server = Server::with(|builder| builder.idempotency_window(Duration::from_secs(1)));
    let first = id_of(&post(&server, JSON, "k", r#"{"data": 1}"#));
    eventually("the key is forgotten", || {
        let response = post(&server, JSON, "k", r#"{"data": 1}"#);
        let is_new = !is_replayed(&response);
        assert_eq!(is_new, id_of(&response) != first);
        is_new
    });
}

#[test]
fn a_history_on_disk_remembers_keys_over_restarts() {
    let folder = TestFolder::new();
    let start = || Server::with(|builder| builder.history_dir(folder.path()));
    let server = start();
    let single = id_of(&post(&server, JSON, "single", r#"{"data": 1}"#));
    let transient = id_of(&post(&server, JSON, "transient", r#"{"data": 1, "ttl": 0}"#));
    let lines = "{\"data\": 1}\n{\"data\": 2}\n{\"data\": 3, \"ttl\": 0}\n";
    let batch = post(&server, NDJSON, "batch", lines).json();
    drop(server);
    let server = start();
    let mut stream = server.subscribe("");
    for _ in 0..2 {
        let again = post(&server, JSON, "single", r#"{"data": 1}"#);
        assert!(is_replayed(&again) && id_of(&again) == single);
        let again = post(&server, JSON, "transient", r#"{"data": 1, "ttl": 0}"#);
        assert!(is_replayed(&again) && id_of(&again) == transient);
        let again = post(&server, NDJSON, "batch", lines);
        assert!(is_replayed(&again) && again.json() == batch, "{}", again.text());
    }
    assert_eq!(post(&server, JSON, "single", r#"{"data": 2}"#).status(), 422);
    let next = id_of(&post(&server, JSON, "next", r#"{"data": 1}"#));
    assert_eq!(stream.next().id, Some(next), "nothing was published before it");
}

#[test]
fn a_publish_that_is_under_way_is_told_and_a_refused_one_may_be_tried_again() {
    let folder = TestFolder::new();
    let (server, moods) = moody(&folder);
    let held = moods.hold();
    let one = request("POST", EVENTS, &format!("{JSON}Idempotency-Key: k\r\n"), r#"{"data": 1}"#);
    let mut connection = server.connect();
    connection.send(one.repeat(2));
    eventually("the second is refused", || {
        server.connect().get("/metrics").text().contains("{route=\"publish\",code=\"409\"} 1\n")
    });
    drop(held);
    let first = connection.response();
    assert!(!is_replayed(&first) && parts(&id_of(&first)).1 == 1);
    let second = connection.response();
    assert!(second.problem(409).contains("under way"), "{}", second.text());
    assert_eq!(second.field("retry-after"), Some("1"));
    assert!(is_replayed(&post(&server, JSON, "k", r#"{"data": 1}"#)));
    moods.fill();
    assert_eq!(post(&server, JSON, "full", r#"{"data": 2}"#).status(), 507);
    let event = || Publication::new(Event::json("n", &1).expect("an event"), Target::all());
    let refused = server.publisher.publish_once("full", event());
    assert!(matches!(refused, Err(PublishError::Append(AppendError::DiskFull))), "{refused:?}");
    moods.empty();
    let second = post(&server, JSON, "full", r#"{"data": 2}"#);
    assert!(!is_replayed(&second) && parts(&id_of(&second)).1 == 2);
}

#[test]
fn a_program_repeats_what_it_does_not_know_the_end_of() {
    let server = Server::start();
    let event = |n: u32| Publication::new(Event::json("n", &n).expect("an event"), Target::user("ada"));
    let once = |key: &str, n| server.publisher.publish_once(key, event(n));
    let first = once("k", 1).expect("room");
    assert_eq!(once("k", 1).expect("room"), first);
    assert!(matches!(once("k", 2), Err(PublishError::Append(AppendError::KeyReused))));
    assert!(matches!(once("", 1), Err(PublishError::Key)));
    assert!(matches!(once(&"k".repeat(256), 1), Err(PublishError::Key)));
    let batch = || vec![event(3), event(4)];
    let ids = server.publisher.publish_all_once("batch", batch()).expect("room");
    assert_eq!(server.publisher.publish_all_once("batch", batch()).expect("room"), ids);
    assert_eq!(server.publisher.publish_all_once("none", Vec::new()).expect("nothing to do"), None);
    assert_eq!(events(&server), 3);
}
