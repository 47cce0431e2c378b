//! The claim `fanfare`: what its bearer may do. If it is not what it should be the token is not taken: who signs
//! `"publish": "yes"` meant something, and it is not for us to guess what.

use serde_json::{Value, json};

use super::key::{Key, SECRET};
use super::keyed::{Keyed, post, publish, signed, subscribe};
use super::token::{Token, seconds};
use super::verdict::Matrix;

fn with(claim: Value) -> Token {
    Token::new().claim("fanfare", claim)
}

#[test]
fn a_claim_that_is_not_what_it_should_be_is_refused() {
    let mut matrix = Matrix::new();
    for claim in [
        json!("publish"),
        json!(true),
        json!(1),
        json!(["publish", "admin"]),
        json!({"subscribe": "news"}),
        json!({"subscribe": true}),
        json!({"subscribe": {"news": true}}),
        json!({"subscribe": [1]}),
        json!({"subscribe": ["news", null]}),
        json!({"subscribe": [["news"]]}),
        json!({"subscribe": [""]}),
        json!({"subscribe": ["a..b"]}),
        json!({"subscribe": [".a"]}),
        json!({"subscribe": ["a."]}),
        json!({"subscribe": ["a.>.b"]}),
        json!({"subscribe": [">.a"]}),
        json!({"subscribe": ["a*"]}),
        json!({"subscribe": ["a.>b"]}),
        json!({"subscribe": ["a b"]}),
        json!({"subscribe": ["a\n"]}),
        json!({"subscribe": ["a", "a..b"]}),
        json!({"subscribe": ["a".repeat(257)]}),
        json!({"publish": 1}),
        json!({"publish": "true"}),
        json!({"publish": "news.*"}),
        json!({"publish": {"topic": "news"}}),
        json!({"publish": [true]}),
        json!({"publish": ["a..b"]}),
        json!({"publish": ["news", 1]}),
        json!({"publish": [">.a"]}),
        json!({"admin": 1}),
        json!({"admin": 0}),
        json!({"admin": "true"}),
        json!({"admin": "false"}),
        json!({"admin": []}),
        json!({"admin": {}}),
        json!({"meta": "room"}),
        json!({"meta": ["room", "1"]}),
        json!({"meta": true}),
        json!({"meta": {"room": {"id": "1"}}}),
        json!({"meta": {"room": ["1"]}}),
        json!({"meta": {"room": "a\0b"}}),
        json!({"meta": {"ro\nom": "1"}}),
        json!({"meta": {"room": "x".repeat(257)}}),
        json!({"meta": {"x".repeat(257): "1"}}),
    ] {
        let what: String = claim.to_string().chars().take(60).collect();
        matrix = matrix.bad(&what, with(claim).sign(Key::Secret(SECRET)));
    }
    for inner in [
        r#"{"admin":false,"admin":true}"#,
        r#"{"publish":true,"publish":["a"]}"#,
        r#"{"subscribe":["a"],"subscribe":[">"]}"#,
        r#"{},"fanfare":{"admin":true}"#,
    ] {
        let claims = format!(r#"{{"sub":"ada","exp":{},"fanfare":{inner}}}"#, seconds() + 60);
        matrix = matrix.bad(inner, Token::new().claims_text(claims).sign(Key::Secret(SECRET)));
    }
    matrix.check(&Keyed::secret(&[]));
}

#[test]
fn a_claim_may_leave_out_anything() {
    let mut matrix = Matrix::new().good("none", Token::new().sign(Key::Secret(SECRET)));
    for claim in [
        json!({}),
        json!({"subscribe": []}),
        json!({"subscribe": ["a", "a.*", "a.>", ">", "*"]}),
        json!({"publish": []}),
        json!({"publish": true}),
        json!({"publish": ["a.>"]}),
        json!({"admin": true}),
        json!({"admin": false}),
        json!({"meta": {}}),
        json!({"meta": {"room": "1", "ünï": "名前"}}),
    ] {
        matrix = matrix.good(&claim.to_string(), with(claim).sign(Key::Secret(SECRET)));
    }
    matrix.check(&Keyed::secret(&[]));
}

/// Without the claim, or with one that gives nothing, a token is one of a subscriber to what goes to everyone.
#[test]
fn a_claim_that_gives_nothing_gives_nothing() {
    let server = Keyed::secret(&[]);
    let mut connection = server.connect();
    for claim in [json!({}), json!({"subscribe": [], "publish": [], "admin": false, "meta": {}})] {
        let fields = signed(&with(claim));
        let event = post(&mut connection, "/api/sse/events", &fields, r#"{"data":1}"#);
        event.problem(403);
        let to_topic = r#"{"data":1,"to":{"topic":"a"}}"#;
        post(&mut connection, "/api/sse/events", &fields, to_topic).problem(403);
        connection.request("GET", "/api/sse/stats", &fields, "").problem(403);
        connection.request("GET", "/api/sse?topic=a", &fields, "").problem(403);
        assert_eq!(subscribe(&server, "", &fields).greeting()["status"], "connected");
    }
}

#[test]
fn meta_narrows_what_a_stream_gets() {
    let server = Keyed::secret(&[]);
    let mut rooms = ["1", "2"].map(|room| {
        let fields = signed(&with(json!({"meta": {"room": room}})));
        subscribe(&server, "?meta.room=3", &fields)
    });
    let (mut connection, publisher) = (server.connect(), signed(&Token::of_all_scopes()));
    let mut to = |room: &str| {
        publish(&mut connection, &publisher, &json!({"data": room, "to": {"where": {"room": room}}}))
    };
    let _nobody = to("3");
    let ids = [to("1"), to("2")];
    for (stream, id) in rooms.iter_mut().zip(ids) {
        assert_eq!(stream.next().id, Some(id));
    }
}
