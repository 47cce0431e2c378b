//! How often somebody may publish.

use std::thread;
use std::time::Duration;

use serde_json::json;

use super::key::{Key, SECRET};
use super::keyed::{Keyed, bearer, post, publish, sequence, signed, subscribe};
use super::token::Token;
use crate::server::{command, run};
use crate::support::client::{Connection, Response};
use crate::support::clock::{eventually, now};

const KEYS: &[u8] = b"k_live_one_0123456789 publish\nk_live_two_0123456789 publish\n";
/// Many more than one a second, however slow the machine is.
const MANY: usize = 300;

fn server(args: &[&str]) -> Keyed {
    let files = [("api-key-file", KEYS), ("jwt-secret-file", SECRET)];
    let rate: &[&str] = if args.contains(&"--publish-rate") { &[] } else { &["--publish-rate", "1"] };
    Keyed::start(&files, &[rate, args].concat())
}

fn try_publish(connection: &mut Connection, fields: &str) -> Response {
    post(connection, "/api/sse/events", fields, r#"{"data":1}"#)
}

/// Publishes until that is too much. The ids that it got before, and the refusal.
fn exhaust(connection: &mut Connection, fields: &str) -> (Vec<String>, Response) {
    let mut ids = Vec::new();
    for _ in 0..MANY {
        let response = try_publish(connection, fields);
        match response.status() {
            202 => ids.push(response.json()["id"].as_str().expect("an id").to_owned()),
            _ => return (ids, response),
        }
    }
    panic!("{MANY} events are not too much for one a second");
}

#[test]
fn too_much_is_refused_until_later_and_published_not_at_all() {
    let server = server(&[]);
    let mut connection = server.connect();
    let mut stream = subscribe(&server, "", &signed(&Token::new()));
    let key = bearer("k_live_one_0123456789");
    let (mut ids, refusal) = exhaust(&mut connection, &key);
    assert!(!ids.is_empty(), "one at least");
    refusal.problem(429);
    let after = refusal.field("retry-after").expect("a time").parse::<u64>().expect("whole seconds");
    assert!((1..=60).contains(&after), "{after}");
    assert!(connection.is_open() && refusal.field("connection").is_none(), "the connection is kept");
    eventually("the time has come", || {
        let response = try_publish(&mut connection, &key);
        if response.status() == 202 {
            ids.push(response.json()["id"].as_str().expect("an id").to_owned());
            return true;
        }
        response.problem(429);
        false
    });
    let got: Vec<_> = stream.take(ids.len()).into_iter().filter_map(|message| message.id).collect();
    assert_eq!(got, ids);
    let (first, last) = (sequence(&ids[0]), sequence(&ids[ids.len() - 1]));
    assert_eq!(last - first + 1, ids.len() as u64, "nothing refused was published");
}

/// Who waits for as long as it was told is let in.
#[test]
fn the_time_that_is_told_is_enough() {
    let server = server(&[]);
    let (mut connection, key) = (server.connect(), bearer("k_live_two_0123456789"));
    for _ in 0..2 {
        let (_, refusal) = exhaust(&mut connection, &key);
        let after = refusal.field("retry-after").expect("a time").parse().expect("whole seconds");
        thread::sleep(Duration::from_secs(after));
        assert_eq!(try_publish(&mut connection, &key).status(), 202);
    }
}

/// It is events that count: who sends many at once waits for as many, and a batch is refused whole.
#[test]
fn a_batch_counts_for_as_many_as_it_has() {
    let server = server(&["--publish-rate", "2"]);
    let mut connection = server.connect();
    let mut stream = subscribe(&server, "", &signed(&Token::new()));
    let key = bearer("k_live_one_0123456789");
    let mut batch = |lines: usize| {
        let fields = format!("{key}Content-Type: application/x-ndjson\r\n");
        connection.request("POST", "/api/sse/events", &fields, "{\"data\":1}\n".repeat(lines))
    };
    let began = now();
    let first = batch(240);
    assert_eq!(first.status(), 202, "what could never be sent in one second can be sent: {}", first.text());
    let refusal = batch(240);
    refusal.problem(429);
    let after: u64 = refusal.field("retry-after").expect("a time").parse().expect("whole seconds");
    let passed = began.elapsed().as_secs();
    assert!(after <= 120 && after + passed + 1 >= 120, "as long as 240 of 2 a second take: {after}");
    assert_eq!(batch(1).status(), 429);
    let id = publish(&mut server.connect(), &signed(&Token::of_all_scopes()), &json!({"data": 2}));
    let ids: Vec<_> = stream.take(241).into_iter().filter_map(|message| message.id).collect();
    assert_eq!(ids.last(), Some(&id));
    assert_eq!(sequence(&id), sequence(&ids[0]) + 240);
}

#[test]
fn each_key_has_its_own() {
    let server = server(&[]);
    let mut connection = server.connect();
    exhaust(&mut connection, &bearer("k_live_one_0123456789"));
    // On the same connection, and from the same address.
    assert_eq!(try_publish(&mut connection, &bearer("k_live_two_0123456789")).status(), 202);
    let of = |user: &str| signed(&Token::of_all_scopes().claim("sub", user));
    exhaust(&mut connection, &of("backend-1"));
    assert_eq!(try_publish(&mut connection, &of("backend-2")).status(), 202);
}

#[test]
fn a_new_token_of_the_same_user_is_not_a_new_key() {
    let server = server(&[]);
    let mut connection = server.connect();
    let mut refused = false;
    for number in 0..MANY {
        let token = Token::of_all_scopes().claim("jti", number as u64);
        refused = try_publish(&mut connection, &signed(&token)).status() == 429;
        if refused {
            break;
        }
    }
    assert!(refused, "{MANY} tokens of one user");
}

#[test]
fn a_new_connection_is_not_a_new_key() {
    let server = server(&[]);
    let key = bearer("k_live_one_0123456789");
    let refused = (0..MANY).any(|_| try_publish(&mut server.connect(), &key).status() == 429);
    assert!(refused, "{MANY} connections");
}

/// Or anybody could use up what is somebody else's.
#[test]
fn what_is_refused_for_another_reason_does_not_count() {
    let server = server(&[]);
    let mut connection = server.connect();
    let forged = Token::of_all_scopes().sign(Key::Secret(b"another secret of more than 32 bytes, unknown"));
    for _ in 0..MANY {
        try_publish(&mut connection, &bearer(&forged)).problem(401);
        try_publish(&mut connection, &bearer("k_live_one_012345678")).problem(401);
    }
    assert_eq!(try_publish(&mut connection, &signed(&Token::of_all_scopes())).status(), 202);
    assert_eq!(try_publish(&mut connection, &bearer("k_live_one_0123456789")).status(), 202);
}

#[test]
fn only_publishing_is_limited() {
    let keys = b"k_live_one_0123456789 publish admin\n";
    let server = Keyed::start(&[("api-key-file", keys)], &["--publish-rate", "1"]);
    let mut connection = server.connect();
    let key = bearer("k_live_one_0123456789");
    exhaust(&mut connection, &key);
    for _ in 0..10 {
        assert_eq!(connection.request("GET", "/api/sse/stats", &key, "").status(), 200);
    }
    let users = connection.request("GET", "/api/sse/users", &key, "");
    assert_eq!(users.json(), json!({"connectedUsers": 0}));
}

#[test]
fn a_test_event_counts_too() {
    let server = server(&["--dev-endpoints", "on"]);
    let (mut connection, key) = (server.connect(), bearer("k_live_one_0123456789"));
    exhaust(&mut connection, &key);
    let refused = (0..MANY).any(|_| {
        post(&mut connection, "/api/sse/test", &key, r#"{"type":"update","data":1}"#).status() == 429
    });
    assert!(refused);
}

#[test]
fn a_rate_that_is_none_is_refused_at_start() {
    for rate in ["-1", "many", "", "1.5x"] {
        let output = run(command(&["--listen", "127.0.0.1:0", &format!("--publish-rate={rate}")]));
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{rate:?}: {error}");
        assert!(error.contains("publish-rate"), "{error}");
    }
}
