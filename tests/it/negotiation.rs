//! What a stream request may say: its method, what it accepts, who it is for, what it subscribes to.

use serde_json::json;

use crate::server::Server;
use crate::support::subscriber::Subscriber;

#[test]
fn head_is_answered_with_the_head_of_a_stream_and_opens_none() {
    let server = Server::start();
    let mut connection = server.connect();
    for _ in 0..2 {
        let response = connection.request("HEAD", "/api/sse?userId=ada", "", "");
        assert_eq!(response.status(), 200);
        assert_eq!(response.field("content-type"), Some("text/event-stream"));
        assert_eq!(response.field("cache-control"), Some("no-cache, no-transform"));
        assert_eq!(response.field("x-accel-buffering"), Some("no"));
        assert_eq!(response.field("content-length"), None, "a stream has no length");
    }
    assert_eq!(server.publisher.connections_count(), 0);
    assert_eq!(connection.request("HEAD", "/api/sse", "Accept: text/html\r\n", "").status(), 406);
    assert_eq!(connection.request("HEAD", "/api/sse?topic=", "", "").status(), 400);
}

#[test]
fn options_says_which_methods_there_are() {
    let server = Server::start();
    let mut connection = server.connect();
    for (path, methods) in [
        ("/api/sse", &["GET", "HEAD", "OPTIONS"][..]),
        ("/api/sse/events", &["GET", "HEAD", "POST", "OPTIONS"]),
        ("/api/sse/stats", &["GET", "HEAD", "OPTIONS"]),
        ("/api/sse/users", &["GET", "HEAD", "OPTIONS"]),
        ("/api/sse/users/ada", &["GET", "HEAD", "DELETE", "OPTIONS"]),
        ("/api/sse/clients/x", &["DELETE", "OPTIONS"]),
        ("/api/sse/test", &["GET", "HEAD", "POST", "OPTIONS"]),
        ("/healthz", &["GET", "HEAD", "OPTIONS"]),
    ] {
        let response = connection.request("OPTIONS", path, "", "");
        assert_eq!((response.status(), response.body.len()), (204, 0), "{path}");
        let allow: Vec<&str> = response.field("allow").expect("Allow").split(", ").collect();
        assert_eq!(allow, methods, "{path}");
    }
    assert_eq!(connection.request("OPTIONS", "*", "", "").status(), 204);
    assert_eq!(connection.request("OPTIONS", "/nothing", "", "").problem(404), "nothing is at this path");
}

#[test]
fn accept_excludes_the_stream_or_does_not() {
    let server = Server::start();
    let excluded = [
        "Accept: application/json\r\n",
        "Accept: text/html\r\n",
        "Accept: text/event-stream;q=0\r\n",
        "Accept: text/event-stream; q=0.000, */*\r\n",
        "Accept: */*, text/event-stream;q=0\r\n",
        "Accept: text/*;q=0, */*\r\n",
        "Accept: */*;q=0\r\n",
        "Accept: text/html\r\nAccept: application/json\r\n",
        "Accept: text/event-streams\r\n",
    ];
    let mut connection = server.connect();
    for fields in excluded {
        connection.request("GET", "/api/sse", fields, "").problem(406);
    }
    for fields in [
        "",
        "Accept: text/event-stream\r\n",
        "Accept: TEXT/Event-Stream\r\n",
        "Accept: */*\r\n",
        "Accept: text/*\r\n",
        "Accept: text/html, text/event-stream;q=0.1\r\n",
        "Accept: text/html, application/xhtml+xml, */*;q=0.8\r\n",
        "Accept: text/event-stream;q=0.001\r\n",
        "Accept: */*;q=0, text/event-stream\r\n",
        "Accept: text/*;q=0, text/event-stream\r\n",
        "Accept: application/json\r\nAccept: text/event-stream\r\n",
    ] {
        Subscriber::open(server.address, "/api/sse", fields);
    }
}

#[test]
fn the_query_names_user_session_and_metadata() {
    let server = Server::start();
    let query = "?userId=a%20b%26c&sessionId=%C3%A9+x&meta.room=r%3D1&meta.x=";
    let mut subscriber = server.subscribe(query);
    let greeting = subscriber.greeting();
    assert_eq!((&greeting["userId"], &greeting["sessionId"]), (&json!("a b&c"), &json!("é x")));
    for to in [
        json!({"user": "a b&c"}),
        json!({"session": "é x"}),
        json!({"where": {"room": "r=1"}}),
        json!({"where": {"x": ""}}),
    ] {
        let id = server.publish(&json!({"data": 1, "to": to}));
        assert_eq!(subscriber.next().id, Some(id), "{to}");
    }
}

#[test]
fn what_the_query_does_not_know_is_ignored() {
    let server = Server::start();
    let query = "?unknown=1&userId=ada&_=123&access_token=x&utm_source=y&v2&=z&since=10m&until=end&wait=5s&clientId=c&utm=caf%E9&%FF=x";
    let subscriber = server.subscribe(query);
    assert_eq!(subscriber.greeting()["userId"], "ada");
}

#[test]
fn a_query_has_so_many_parameters_at_most() {
    let server = Server::start();
    let mut connection = server.connect();
    let detail = connection.get(&format!("/api/sse?{}", "a&".repeat(257))).problem(400);
    assert_eq!(detail, "at most 256 query parameters");
    let stream = server.subscribe(&format!("?{}topic=b", "a&".repeat(255)));
    assert_eq!(stream.greeting()["topics"], serde_json::json!(["b"]));
}

#[test]
fn what_is_nearly_a_parameter_is_refused_and_named() {
    let server = Server::start();
    let mut connection = server.connect();
    for (query, name) in [
        ("topics=a", "topic"),
        ("topic%5B%5D=a", "topic"),
        ("topic[]=a&topic[]=b", "topic"),
        ("topic[0]=a", "topic"),
        ("Topic=a", "topic"),
        ("userid=grace", "userId"),
        ("user_id=grace", "userId"),
        ("user=grace", "userId"),
        ("userId=grace&UserId=grace", "userId"),
        ("session=s", "sessionId"),
        ("sid=s", "sessionId"),
        ("last_event_id=1-1", "lastEventId"),
        ("lasteventid=1-1", "lastEventId"),
        ("last-event-id=", "lastEventId"),
        ("accessToken=x", "access_token"),
        ("token=x", "access_token"),
        ("meta[room]=5", "meta.KEY"),
        ("meta%5Broom%5D=5", "meta.KEY"),
        ("metadata.room=5", "meta.KEY"),
        ("meta.=5", "meta.KEY"),
        ("_=123&topics=a", "topic"),
    ] {
        let detail = connection.get(&format!("/api/sse?{query}")).problem(400);
        assert!(detail.ends_with(name), "{query}: {detail}");
        assert!(
            !detail.contains("grace") && !detail.contains("1-1"),
            "values are nobody's business: {detail}"
        );
        let head = connection.request("HEAD", &format!("/api/sse?{query}"), "", "");
        assert_eq!(head.status(), 400, "{query}");
    }
    assert!(connection.is_open());
    assert_eq!(server.publisher.connections_count(), 0);
}

#[test]
fn the_first_event_tells_the_topics_that_were_understood() {
    let server = Server::start();
    let query = "?topic=b.*&topic=a%2Db&topic=b.*&topic=%C3%A9.%22";
    let topics = json!(["a-b", "b.*", "\u{e9}.\""].map(|topic| topic));
    let mut first = server.subscribe(query);
    assert_eq!(first.greeting()["topics"], topics);
    let id = server.publish(&json!({"data": 1}));
    assert_eq!(first.next().id.as_ref(), Some(&id));
    // Also where it is told what it missed, and where it lost its place.
    for last in [&*id, "1-1", "nonsense"] {
        assert_eq!(server.resume(query, last).greeting()["topics"], topics, "{last}");
    }
}

#[test]
fn a_query_that_cannot_be_meant_is_a_bad_request() {
    let server = Server::start();
    let mut connection = server.connect();
    let long = "x".repeat(257);
    let deep = vec!["x"; 33].join(".");
    let topics = "topic=a&".repeat(65);
    let meta: String = (0..65).map(|n| format!("meta.k{n}=v&")).collect();
    for query in [
        "topic=",
        "topic=a..b",
        "topic=.a",
        "topic=a.",
        "topic=a%20b",
        "topic=a%0Ab",
        "topic=a*",
        "topic=a.%3E.b",
        "topic=a.b%3E",
        "topic=ok&topic=",
        &format!("topic={long}"),
        &format!("topic={deep}"),
        &topics,
        &format!("userId={long}"),
        "userId=a%0Ab",
        "userId=a&userId=b",
        "sessionId=a&sessionId=b",
        "meta.k=1&meta.k=2",
        "meta.k=a%00",
        &meta,
        "userId=%FF",
        "topic=%E9",
        "lastEventId=%E9",
        "access_token=%E9",
        "meta.k=%E9",
        "meta.%E9=1",
        "topics=%E9",
        "userId=%zz",
        "topic=a%",
        "%4=b",
        "_=%",
        "unknown=a%2",
    ] {
        let response = connection.get(&format!("/api/sse?{query}"));
        assert!(!response.problem(400).is_empty(), "{query}");
    }
    assert_eq!(server.publisher.connections_count(), 0);
    assert_eq!(connection.get("/healthz").status(), 200, "the connection stays usable");
}
