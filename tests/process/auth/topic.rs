//! What a subscriber may ask for, and that it never gets anything else, replay or not.

use serde_json::{Value, json};

use super::keyed::{Keyed, publish, signed, subscribe};
use super::token::Token;

fn subscriber(patterns: &[&str]) -> String {
    signed(&Token::new().claim("fanfare", json!({"subscribe": patterns})))
}

fn escape(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// What is allowed, what is asked for, and whether that is within it.
const CASES: [(&[&str], &str, bool); 58] = [
    (&["a"], "a", true),
    (&["a"], "b", false),
    (&["a"], "A", false),
    (&["a"], "a.b", false),
    (&["a"], "*", false),
    (&["a"], ">", false),
    (&["a"], "a.>", false),
    (&["a.b"], "a.b", true),
    (&["a.b"], "a", false),
    (&["a.b"], "a.*", false),
    (&["a.b"], "*.b", false),
    (&["a.b"], "*.*", false),
    (&["a.b"], "a.>", false),
    (&["a.b"], "a.b.c", false),
    (&["*"], "a", true),
    (&["*"], "*", true),
    (&["*"], ">", false),
    (&["*"], "a.b", false),
    (&["*"], "*.*", false),
    (&["a.*"], "a.b", true),
    (&["a.*"], "a.*", true),
    (&["a.*"], "a.>", false),
    (&["a.*"], "a", false),
    (&["a.*"], "a.b.c", false),
    (&["a.*"], "a.*.*", false),
    (&["a.*"], "*.*", false),
    (&["a.*"], "*.b", false),
    (&["a.*"], "b.*", false),
    (&["*.b"], "a.b", true),
    (&["*.b"], "*.b", true),
    (&["*.b"], "*.*", false),
    (&["*.b"], "*.>", false),
    (&["*.*"], "a.b", true),
    (&["*.*"], "*.b", true),
    (&["*.*"], "a.>", false),
    (&["*.*"], "*.*.*", false),
    (&["a.>"], "a.b", true),
    (&["a.>"], "a.b.c", true),
    (&["a.>"], "a.*", true),
    (&["a.>"], "a.*.c.>", true),
    (&["a.>"], "a.>", true),
    (&["a.>"], "a", false),
    (&["a.>"], "*.b", false),
    (&["a.>"], "*.>", false),
    (&["a.>"], ">", false),
    (&["a.>"], "b.>", false),
    (&["a.>"], "ab.c", false),
    (&["*.>"], "a.b.c", true),
    (&["*.>"], "a", false),
    (&["*.>"], ">", false),
    (&[">"], ">", true),
    (&[">"], "*", true),
    (&[">"], "a.b.c", true),
    (&[">"], "*.*.>", true),
    (&["a", "b.*"], "b.c", true),
    // Together they would be enough, but neither is.
    (&["a", "a.>"], ">", false),
    (&["a.b", "a.*.c"], "a.>", false),
    (&[], "a", false),
];

#[test]
fn what_is_asked_for_must_be_within_what_is_allowed() {
    let server = Keyed::secret(&[]);
    let mut connection = server.connect();
    for (allowed, asked, is_within) in CASES {
        let (fields, query) = (subscriber(allowed), format!("?topic={}", escape(asked)));
        let head = connection.request("HEAD", &format!("/api/sse{query}"), &fields, "");
        assert_eq!(head.status(), if is_within { 200 } else { 403 }, "{allowed:?} {asked}");
        match is_within {
            true => assert_eq!(subscribe(&server, &query, &fields).greeting()["status"], "connected"),
            false => drop(connection.request("GET", &format!("/api/sse{query}"), &fields, "").problem(403)),
        }
    }
    assert!(connection.is_open(), "a 403 leaves the connection");
}

#[test]
fn of_several_topics_each_must_be_allowed() {
    let server = Keyed::secret(&[]);
    let (mut connection, fields) = (server.connect(), subscriber(&["a.*", "news"]));
    for query in [
        "topic=a.b&topic=b",
        "topic=b&topic=a.b",
        "topic=a.b&topic=news&topic=news.x",
        "topic=a.b&topic=a.%3E",
        "topic=a.b&topic=a.%3e&topic=news",
    ] {
        connection.request("GET", &format!("/api/sse?{query}"), &fields, "").problem(403);
    }
    let mut stream = subscribe(&server, "?topic=a.b&topic=news&topic=a.b", &fields);
    let (mut connection, publisher) = (server.connect(), signed(&Token::of_all_scopes()));
    let mut to = |to: Value| publish(&mut connection, &publisher, &json!({"data": 1, "to": to}));
    let _others = ["a.c", "news.x", "b"].map(|topic| to(json!({"topic": topic})));
    let id = to(json!({"topic": ["b", "news"]}));
    assert_eq!(stream.next().id, Some(id));
}

/// A topic that cannot be is a mistake of the request, also of somebody who may nothing.
#[test]
fn a_topic_that_is_none_is_malformed() {
    let server = Keyed::secret(&[]);
    let mut connection = server.connect();
    for topic in ["", "a..b", "a.%3E.b", "a*", "a%20b", "a%0a", "%ff"] {
        let target = format!("/api/sse?topic={topic}");
        let response = connection.request("GET", &target, &subscriber(&[">"]), "");
        response.problem(400);
    }
}

#[test]
fn what_is_not_asked_for_is_not_delivered_though_it_is_allowed() {
    let server = Keyed::secret(&[]);
    let mut stream = subscribe(&server, "", &subscriber(&[">"]));
    let (mut connection, publisher) = (server.connect(), signed(&Token::of_all_scopes()));
    publish(&mut connection, &publisher, &json!({"data": 1, "to": {"topic": "a"}}));
    let id = publish(&mut connection, &publisher, &json!({"data": 2}));
    assert_eq!(stream.next().id, Some(id));
}

/// Events for everybody, for topics, users and sessions, in order; and what each who comes back gets of them.
#[test]
fn a_replay_has_only_what_is_permitted() {
    let server = Keyed::secret(&[]);
    let (mut connection, publisher) = (server.connect(), signed(&Token::of_all_scopes()));
    let mut to = |to: Value| publish(&mut connection, &publisher, &json!({"data": to, "to": to}));
    let first = to(json!("all"));
    let targets = [
        json!({"topic": "a.x"}),
        json!({"topic": "b.x"}),
        json!({"user": "ada"}),
        json!({"user": "grace"}),
        json!({"session": "s-1"}),
        json!({"where": {"room": "1"}}),
        json!({"topic": ["a.y", "b.y"]}),
        json!({"topic": "a.x.deep"}),
        json!("all"),
    ];
    let ids: Vec<String> = targets.iter().map(|target| to(target.clone())).collect();
    let at = format!("Last-Event-ID: {first}\r\n");
    let got = |token: Token, query: &str, count: usize| {
        let mut stream = subscribe(&server, query, &(signed(&token) + &at));
        let ids: Vec<_> = stream.take(count).into_iter().map(|message| message.id).collect();
        assert_eq!(stream.greeting()["recovered"], true);
        assert!(!stream.read_for(std::time::Duration::from_millis(20)), "and nothing besides");
        ids
    };
    let expect = |which: &[usize]| which.iter().map(|at| Some(ids[*at].clone())).collect::<Vec<_>>();
    let allowed = |patterns: &[&str]| Token::new().claim("fanfare", json!({"subscribe": patterns}));
    let nobody = |patterns: &[&str]| allowed(patterns).without("sub");
    assert_eq!(got(nobody(&[]), "", 1), expect(&[8]));
    assert_eq!(got(nobody(&["a.*"]), "?topic=a.*", 3), expect(&[0, 6, 8]));
    assert_eq!(got(nobody(&["a.*"]), "?topic=a.y", 2), expect(&[6, 8]));
    assert_eq!(got(nobody(&["a.>"]), "?topic=a.%3E&userId=ada", 4), expect(&[0, 6, 7, 8]));
    assert_eq!(got(allowed(&[]), "?sessionId=s-1&meta.room=1", 2), expect(&[2, 8]));
    assert_eq!(got(allowed(&[]).claim("sub", "grace"), "?userId=ada", 2), expect(&[3, 8]));
    assert_eq!(got(nobody(&[]).claim("sid", "s-1"), "", 2), expect(&[4, 8]));
    let meta = Token::new().without("sub").claim("fanfare", json!({"meta": {"room": "1"}}));
    assert_eq!(got(meta, "", 2), expect(&[5, 8]));
    // What may not be asked for live may not be asked for of the past.
    for (patterns, topic) in [(&["a.*"][..], "a.%3E"), (&["a.*"], "b.x"), (&[], "a.x"), (&["a.x"], "*.x")] {
        for query in [format!("?topic={topic}"), format!("?topic={topic}&lastEventId={first}")] {
            let target = format!("/api/sse{query}");
            let fields = subscriber(patterns) + &at;
            server.connect().request("GET", &target, &fields, "").problem(403);
        }
    }
}

/// Whoever had been allowed more has no more of the past than of what is to come.
#[test]
fn a_replay_is_judged_by_the_token_that_asks_for_it() {
    let server = Keyed::secret(&[]);
    let (mut connection, publisher) = (server.connect(), signed(&Token::of_all_scopes()));
    let mut to =
        |topic: &str| publish(&mut connection, &publisher, &json!({"data": topic, "to": {"topic": topic}}));
    let mut before = subscribe(&server, "?topic=a&topic=b", &subscriber(&["a", "b"]));
    let seen = to("b");
    assert_eq!(before.next().id.as_ref(), Some(&seen));
    let last_event_id = before.last_event_id().to_owned();
    drop(before);
    let (_, for_a) = (to("b"), to("a"));
    let fields = subscriber(&["a"]) + &format!("Last-Event-ID: {last_event_id}\r\n");
    server.connect().request("GET", "/api/sse?topic=a&topic=b", &fields, "").problem(403);
    let mut after = subscribe(&server, "?topic=a", &fields);
    assert_eq!(after.next().id, Some(for_a));
}
