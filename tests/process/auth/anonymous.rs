//! Subscribers without a token, where they are wanted.

use serde_json::json;

use super::key::{Key, SECRET};
use super::keyed::{Keyed, bearer, post, publish, signed, subscribe};
use super::scope::REQUESTS;
use super::token::{Token, seconds};
use super::verdict::unauthorized;

const ANONYMOUS: &[&str] = &["--anonymous-subscribers", "--jwt-cookie", "sse_token"];

#[test]
fn who_brings_no_token_subscribes_to_what_goes_to_everyone() {
    let server = Keyed::secret(ANONYMOUS);
    let query = "?userId=ada&sessionId=s-1&meta.room=1";
    let mut stream = subscribe(&server, query, "");
    let greeting = stream.greeting();
    assert_eq!((&greeting["userId"], &greeting["sessionId"]), (&json!(null), &json!(null)), "{greeting}");
    let (mut connection, publisher) = (server.connect(), signed(&Token::of_all_scopes()));
    let targets = [
        json!({"user": "ada"}),
        json!({"session": "s-1"}),
        json!({"where": {"room": "1"}}),
        json!({"topic": "a"}),
        json!("all"),
    ];
    let ids = targets.map(|to| publish(&mut connection, &publisher, &json!({"data": 1, "to": to})));
    assert_eq!(stream.next().id.as_ref(), ids.last());
    // And so of the past.
    let first = ids[0].clone();
    let mut again = subscribe(&server, query, &format!("Last-Event-ID: {first}\r\n"));
    assert_eq!(again.next().id.as_ref(), ids.last());
}

/// Who it is, the query does not say: not by these names, nor by others that are nearly these. What it is taken for, the
/// first event says.
#[test]
fn claims_of_the_query_are_ignored_however_they_are_written() {
    let server = Keyed::secret(ANONYMOUS);
    for query in [
        "userId=ada&sessionId=s-1&meta.room=1",
        "userid=ada&user=ada&user_id=ada&sid=s-1&session=s-1",
        "metadata.room=1&meta[room]=1&meta=1&meta.=1",
        "userId=ada&userId=grace&sessionId=a%0Ab&meta.a=1&meta.a=2",
        "userId=%FF&meta.%E9=1",
    ] {
        for (fields, user) in [(String::new(), json!(null)), (signed(&Token::new()), json!("ada"))] {
            let greeting = subscribe(&server, &format!("?{query}"), &fields).greeting();
            assert_eq!(greeting["userId"], user, "{query}");
        }
    }
    for (query, name) in
        [("token=x", "access_token"), ("topics=a", "topic"), ("lasteventid=1", "lastEventId")]
    {
        let detail = server.connect().get(&format!("/api/sse?{query}")).problem(400);
        assert!(detail.ends_with(name), "{query}: {detail}");
    }
}

#[test]
fn who_brings_no_token_may_do_nothing_else() {
    let server = Keyed::secret(&[ANONYMOUS, &["--dev-endpoints", "on"]].concat());
    let mut connection = server.connect();
    for (method, target, _) in REQUESTS {
        match method {
            "HEAD" => assert_eq!(connection.request("HEAD", target, "", "").status(), 401, "{target}"),
            "POST" => unauthorized(&post(&mut connection, target, "", r#"{"type":"update","data":1}"#)),
            _ => unauthorized(&connection.request(method, target, "", "")),
        }
    }
    for topic in ["a", "%3E", "*"] {
        let response = connection.get(&format!("/api/sse?topic={topic}"));
        assert!(matches!(response.status(), 401 | 403), "topic {topic}: {}", response.status());
    }
}

#[test]
fn who_brings_no_token_may_be_let_into_some_topics() {
    let topics = ["--anonymous-topic", "public.>", "--anonymous-topic", "news"];
    let server = Keyed::secret(&[ANONYMOUS, &topics].concat());
    let (mut connection, publisher) = (server.connect(), signed(&Token::of_all_scopes()));
    for topic in ["public", "%3E", "*", "news.eu", "*.a", "private.a"] {
        let response = connection.get(&format!("/api/sse?topic=news&topic={topic}"));
        assert!(matches!(response.status(), 401 | 403), "topic {topic}: {}", response.status());
    }
    let mut to =
        |topic: &str| publish(&mut connection, &publisher, &json!({"data": 1, "to": {"topic": topic}}));
    let first = to("news");
    let query = "?topic=news&topic=public.*";
    let mut live = subscribe(&server, query, "");
    let ids = ["private.a", "public.a.b", "news", "public.a"].map(&mut to);
    let mut again = subscribe(&server, query, &format!("Last-Event-ID: {first}\r\n"));
    for stream in [&mut live, &mut again] {
        assert_eq!(stream.take(2).into_iter().filter_map(|message| message.id).collect::<Vec<_>>(), ids[2..]);
    }
    // They are not for whoever brings a token that does not have them.
    let fields = signed(&Token::new());
    connection.request("GET", "/api/sse?topic=news", &fields, "").problem(403);
}

/// Who brings a token means to be somebody: if it will not do, that is said, and not passed over.
#[test]
fn a_bad_token_is_not_no_token() {
    let server = Keyed::secret(ANONYMOUS);
    let mut connection = server.connect();
    let forged = Token::new().sign(Key::Secret(b"another secret of more than 32 bytes, which is unknown"));
    let expired = Token::new().claim("exp", seconds() - 3600).sign(Key::Secret(SECRET));
    for token in [&forged, &expired, "x", "a.b.c"] {
        unauthorized(&connection.request("GET", "/api/sse", &bearer(token), ""));
        unauthorized(&connection.get(&format!("/api/sse?access_token={token}")));
        let cookie = format!("Cookie: sse_token={token}\r\n");
        unauthorized(&connection.request("GET", "/api/sse", &cookie, ""));
    }
    for value in ["Bearer", "Bearer ", "bearer", "Bearer\tx", "Bearer \u{e9}", "Bearer \"\"", "Bearer ,"] {
        let fields = format!("Authorization: {value}\r\n");
        unauthorized(&connection.request("GET", "/api/sse", &fields, ""));
    }
    let fields = signed(&Token::new());
    assert_eq!(subscribe(&server, "", &fields).greeting()["userId"], "ada", "a good one is somebody's");
}

/// Subscribers without tokens, publishers with API keys: no token at all.
#[test]
fn api_keys_and_anonymous_subscribers_are_enough() {
    let keys = b"k_live_publish_0123456789 publish\n";
    let server = Keyed::start(&[("api-key-file", keys)], &["--anonymous-subscribers"]);
    let mut stream = subscribe(&server, "?userId=ada", "");
    assert_eq!(stream.greeting()["userId"], json!(null));
    let key = bearer("k_live_publish_0123456789");
    let id = publish(&mut server.connect(), &key, &json!({"data": 1}));
    assert_eq!(stream.next().id, Some(id));
    unauthorized(&server.connect().post("/api/sse/events", r#"{"data":1}"#));
}
