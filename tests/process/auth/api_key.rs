//! Keys of publishers and administrators, one a line, each with its scopes.

use serde_json::json;

use super::key::{Key, SECRET};
use super::keyed::{Keyed, bearer, publish, signed, subscribe};
use super::scope::{REQUESTS, ask};
use super::token::Token;
use super::verdict::unauthorized;

const KEYS: &str = "k_live_publish_0123456789 publish\n\
    k_live_admin_0123456789 admin\n\
    k_live_both_0123456789 publish admin\n";

fn server(keys: &str, args: &[&str]) -> Keyed {
    Keyed::start(&[("api-key-file", keys.as_bytes()), ("jwt-secret-file", SECRET)], args)
}

#[test]
fn a_key_opens_what_its_scopes_say() {
    let server = server(KEYS, &["--dev-endpoints", "on"]);
    let mut connection = server.connect();
    for (key, scopes) in [
        ("k_live_publish_0123456789", &["publish"][..]),
        ("k_live_admin_0123456789", &["admin"]),
        ("k_live_both_0123456789", &["publish", "admin"]),
    ] {
        for (method, target, needed) in REQUESTS {
            let response = ask(&mut connection, method, target, &bearer(key));
            match (scopes.contains(&needed), method) {
                // What is asked is not always sound, but it is permitted.
                (true, _) => assert!(matches!(response.status(), 200 | 202 | 422), "{method} {target} {key}"),
                (false, "HEAD") => assert_eq!(response.status(), 403, "{method} {target} {key}"),
                (false, _) => drop(response.problem(403)),
            }
        }
    }
}

#[test]
fn what_is_not_quite_a_key_is_none() {
    let server = server(KEYS, &[]);
    let mut connection = server.connect();
    let key = "k_live_both_0123456789";
    for wrong in [
        "",
        "k",
        &key[..key.len() - 1],
        &format!("{key}0"),
        &format!("{key}."),
        &format!("{key} publish"),
        &format!("{key} publish admin"),
        &format!("{key}, {key}"),
        &format!("\"{key}\""),
        &key.to_uppercase(),
        &key.replace('_', "-"),
        "publish",
        "admin",
        "k_live_publish_0123456789\tpublish",
        "k_live_publish_0123456789 k_live_admin_0123456789",
    ] {
        unauthorized(&connection.request("GET", "/api/sse/stats", &bearer(wrong), ""));
    }
    for field in ["X-Api-Key", "Api-Key", "Cookie"] {
        unauthorized(&connection.request("GET", "/api/sse/stats", &format!("{field}: {key}\r\n"), ""));
    }
    for scheme in ["Basic", "ApiKey", "Token"] {
        let fields = format!("Authorization: {scheme} {key}\r\n");
        unauthorized(&connection.request("GET", "/api/sse/stats", &fields, ""));
    }
    assert_eq!(connection.request("GET", "/api/sse/stats", &bearer(key), "").status(), 200);
}

#[test]
fn keys_and_tokens_live_side_by_side() {
    let server = server(KEYS, &[]);
    let mut connection = server.connect();
    let mut stream = subscribe(&server, "?topic=a", &{
        signed(&Token::new().claim("fanfare", json!({"subscribe": ["a"]})))
    });
    let key = bearer("k_live_publish_0123456789");
    let targets = [json!("all"), json!({"user": "ada"}), json!({"topic": "a"})];
    for to in targets {
        let id = publish(&mut connection, &key, &json!({"data": 1, "to": to}));
        assert_eq!(stream.next().id, Some(id), "an API key may publish to whom it wants: {to}");
    }
    publish(&mut connection, &signed(&Token::of_all_scopes()), &json!({"data": 1}));
}

/// Keys alone close the door too: there is nobody yet who could subscribe.
#[test]
fn with_keys_alone_the_server_is_not_open() {
    let server = Keyed::start(&[("api-key-file", KEYS.as_bytes())], &[]);
    let mut connection = server.connect();
    unauthorized(&connection.get("/api/sse?userId=ada"));
    unauthorized(&connection.post("/api/sse/events", r#"{"data":1}"#));
    unauthorized(&connection.get("/api/sse/stats"));
    let unsigned = Token::of_all_scopes();
    for token in [unsigned.sign(Key::Secret(b"")), unsigned.sign(Key::Secret(SECRET)), unsigned.sign(Key::Ed)]
    {
        unauthorized(&connection.request("GET", "/api/sse/stats", &bearer(&token), ""));
    }
    connection.get("/api/sse/test").problem(404);
    publish(&mut connection, &bearer("k_live_publish_0123456789"), &json!({"data": 1}));
}

/// For a backend that listens: to everything that it asks for, as nobody.
#[test]
fn a_key_may_be_for_subscribing() {
    let keys = "k_live_listens_0123456789 subscribe\nk_live_publishes_0123456789 publish\n";
    let server = server(keys, &[]);
    let (mut connection, publisher) = (server.connect(), bearer("k_live_publishes_0123456789"));
    connection.request("GET", "/api/sse", &publisher, "").problem(403);
    let listener = bearer("k_live_listens_0123456789");
    let mut stream = subscribe(&server, "?topic=%3E&userId=ada", &listener);
    assert_eq!(stream.greeting()["userId"], json!(null));
    let to_user = json!({"data": 1, "to": {"user": "ada"}});
    publish(&mut connection, &publisher, &to_user);
    let id = publish(&mut connection, &publisher, &json!({"data": 1, "to": {"topic": "a.b"}}));
    assert_eq!(stream.next().id, Some(id));
    for (method, target, _) in
        REQUESTS.into_iter().filter(|(method, target, _)| *method != "HEAD" && *target != "/api/sse/test")
    {
        ask(&mut connection, method, target, &listener).problem(403);
    }
}

#[test]
fn there_may_be_many_keys() {
    let name = |number: usize| format!("k_live_{number:020}");
    let keys: String = (0..20_000).map(|number| format!("{} admin\n", name(number))).collect();
    let server = server(&keys, &[]);
    let mut connection = server.connect();
    for (number, status) in [(0, 200), (10_000, 200), (19_999, 200), (20_000, 401)] {
        let response = connection.request("GET", "/api/sse/stats", &bearer(&name(number)), "");
        assert_eq!(response.status(), status, "{number}");
    }
}

#[test]
fn a_key_file_is_read_leniently_where_nothing_can_be_misunderstood() {
    let keys = "k_live_tabs_0123456789\tpublish \t admin  \r\n\nk_live_last_0123456789 admin";
    let server = server(keys, &[]);
    let mut connection = server.connect();
    publish(&mut connection, &bearer("k_live_tabs_0123456789"), &json!({"data": 1}));
    for key in ["k_live_tabs_0123456789", "k_live_last_0123456789"] {
        assert_eq!(connection.request("GET", "/api/sse/stats", &bearer(key), "").status(), 200, "{key}");
    }
}
