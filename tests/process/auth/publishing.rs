//! Who may publish what to whom, and that nothing of what is refused is published.

use serde_json::{Value, json};

use super::keyed::{Keyed, post, publish, sequence, signed, subscribe};
use super::token::Token;
use super::verdict::unauthorized;

fn publisher(publish: Value) -> String {
    signed(&Token::new().claim("sub", "backend").claim("fanfare", json!({"publish": publish})))
}

#[test]
fn with_patterns_only_topics_within_them_may_be_published_to() {
    let server = Keyed::secret(&[]);
    let mut connection = server.connect();
    let fields = publisher(json!(["news.*", "orders.>", "single"]));
    let somebody = subscribe(&server, "", &signed(&Token::new())).client_id();
    let cases = [
        (json!({"topic": "news.eu"}), true),
        (json!({"topic": ["news.eu", "orders.1.paid", "single"]}), true),
        (json!({"topic": "orders.1"}), true),
        (json!({"topic": "news.eu", "where": {"room": "1"}}), true),
        (json!(null), false),
        (json!("all"), false),
        (json!({"topic": "news"}), false),
        (json!({"topic": "news.eu.de"}), false),
        (json!({"topic": "orders"}), false),
        (json!({"topic": "single.x"}), false),
        (json!({"topic": "other"}), false),
        (json!({"topic": "News.eu"}), false),
        (json!({"topic": ["news.eu", "other"]}), false),
        (json!({"topic": ["other", "news.eu"]}), false),
        (json!({"user": "ada"}), false),
        (json!({"session": "s-1"}), false),
        (json!({"client": somebody}), false),
        (json!({"topic": "news.eu", "user": "ada"}), false),
        (json!({"topic": "news.eu", "session": "s-1"}), false),
        (json!({"topic": "news.eu", "client": somebody}), false),
        (json!({"where": {"room": "1"}}), false),
    ];
    for (to, is_allowed) in cases {
        let mut event = json!({"data": 1, "to": to});
        if to.is_null() {
            event.as_object_mut().expect("an object").remove("to");
        }
        let response = post(&mut connection, "/api/sse/events", &fields, &event.to_string());
        match is_allowed {
            true => assert_eq!(response.status(), 202, "{event}: {}", response.text()),
            false => assert_eq!(response.status(), 403, "{event}: {}", response.text()),
        }
    }
    let except = json!({"data": 1, "to": {"topic": "news.eu"}, "except": {"user": "ada"}});
    publish(&mut connection, &fields, &except);
}

#[test]
fn publish_true_is_for_everything_and_false_for_nothing() {
    let server = Keyed::secret(&[]);
    let mut connection = server.connect();
    let targets = [json!("all"), json!({"user": "ada"}), json!({"topic": "a.b"}), json!({"session": "s"})];
    for to in targets {
        let event = json!({"data": 1, "to": to});
        publish(&mut connection, &publisher(json!(true)), &event);
        publish(&mut connection, &publisher(json!([">"])), &json!({"data": 1, "to": {"topic": "x"}}));
        for nothing in [json!(false), json!([])] {
            let response =
                post(&mut connection, "/api/sse/events", &publisher(nothing.clone()), &event.to_string());
            assert!(matches!(response.status(), 401 | 403), "{nothing}: {}", response.text());
        }
    }
    // Every topic is still not everybody.
    for to in [json!("all"), json!({"user": "ada"})] {
        let event = json!({"data": 1, "to": to}).to_string();
        post(&mut connection, "/api/sse/events", &publisher(json!([">"])), &event).problem(403);
    }
}

#[test]
fn a_batch_is_refused_whole() {
    let server = Keyed::secret(&[]);
    let mut connection = server.connect();
    let mut stream = subscribe(&server, "?topic=a", &signed(&Token::of_all_scopes()));
    let lines = [
        "{\"data\":1,\"to\":{\"topic\":\"a\"}}\n{\"data\":2,\"to\":{\"topic\":\"b\"}}\n",
        "{\"data\":1,\"to\":{\"topic\":\"b\"}}\n{\"data\":2,\"to\":{\"topic\":\"a\"}}\n",
        "{\"data\":1,\"to\":{\"topic\":\"a\"}}\n{\"data\":2}\n",
    ];
    for body in lines {
        let fields = format!("{}Content-Type: application/x-ndjson\r\n", publisher(json!(["a"])));
        connection.request("POST", "/api/sse/events", &fields, body).problem(403);
    }
    let id = publish(&mut connection, &publisher(json!(["a"])), &json!({"data": 3, "to": {"topic": "a"}}));
    assert_eq!(stream.next().id, Some(id));
}

#[test]
fn a_test_event_goes_to_everybody_and_needs_as_much() {
    let server = Keyed::secret(&["--dev-endpoints", "on"]);
    let mut connection = server.connect();
    let body = r#"{"type":"notification","message":"Test message"}"#;
    post(&mut connection, "/api/sse/test", &publisher(json!([">"])), body).problem(403);
    let to_user = r#"{"type":"notification","message":"Test message","userId":"ada"}"#;
    post(&mut connection, "/api/sse/test", &publisher(json!([">"])), to_user).problem(403);
    assert!(matches!(
        post(&mut connection, "/api/sse/test", &publisher(json!(true)), body).status(),
        200 | 202
    ));
}

/// Refused for whatever reason: no stream gets it, history does not have it, and no id was spent on it.
#[test]
fn nothing_of_a_refused_publish_is_published() {
    let server = Keyed::secret(&["--dev-endpoints", "on", "--max-body", "1KiB"]);
    let mut connection = server.connect();
    let all = signed(&Token::of_all_scopes());
    let mut stream = subscribe(&server, "?topic=%3E", &all);
    let before = publish(&mut connection, &all, &json!({"data": "before"}));
    let refused = |connection: &mut _, fields: &str, body: &str, status: u16| {
        post(connection, "/api/sse/events", fields, body).problem(status);
    };
    let event = r#"{"data":"refused"}"#;
    unauthorized(&post(&mut connection, "/api/sse/events", "", event));
    unauthorized(&post(&mut connection, "/api/sse/events", &super::keyed::bearer("a.b.c"), event));
    unauthorized(&post(&mut connection, "/api/sse/test", "", r#"{"type":"ping"}"#));
    for claim in [json!(["a"]), json!([]), json!(false)] {
        assert!(matches!(
            post(&mut connection, "/api/sse/events", &publisher(claim), event).status(),
            401 | 403
        ));
    }
    refused(&mut connection, &signed(&Token::new()), event, 403);
    refused(&mut connection, &all, r#"{"data":"refused","text":"both"}"#, 422);
    refused(&mut connection, &all, r#"{"data":"refused","event":"a\nb"}"#, 422);
    let ndjson = format!("{all}Content-Type: application/x-ndjson\r\n");
    connection
        .request("POST", "/api/sse/events", &ndjson, "{\"data\":\"refused\"}\n{\"data\":}\n")
        .problem(422);
    let text = format!("{all}Content-Type: text/plain\r\n");
    connection.request("POST", "/api/sse/events", &text, event).problem(415);
    let long = json!({"data": "x".repeat(2000)}).to_string();
    post(&mut server.connect(), "/api/sse/events", &all, &long).problem(413);
    let after = publish(&mut connection, &all, &json!({"data": "after"}));
    assert_eq!(
        stream.take(2).into_iter().map(|message| message.id).collect::<Vec<_>>(),
        [Some(before.clone()), Some(after.clone())]
    );
    assert_eq!(sequence(&after), sequence(&before) + 1);
    let mut again = subscribe(&server, "?topic=%3E", &format!("{all}Last-Event-ID: {before}\r\n"));
    assert_eq!(again.next().id, Some(after));
}
