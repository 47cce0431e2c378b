//! An application that says who requests are from: the authenticate hook.

use std::time::Duration;

use fanfare::{Denial, Identity, Pattern, RequestHead};
use serde_json::json;

use crate::server::{Server, id_of};
use crate::support::client::Response;
use crate::support::clock::{now, unix_ms};
use crate::support::subscriber::Subscriber;

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect("a pattern")
}

/// Tokens are names; what each may do is written here.
fn judge(head: &RequestHead<'_>) -> Result<Identity, Denial> {
    let token = head.bearer().map(ToOwned::to_owned).or_else(|| head.query("access_token"));
    match token.as_deref() {
        Some("ada") => Ok(Identity::new()
            .user("ada")
            .session("s-1")
            .meta("room", "1")
            .allow_subscribe(pattern("orders.*.created"))
            .allow_subscribe(pattern("news.>"))),
        Some("publisher") => Ok(Identity::new().allow_publish()),
        Some("admin") => Ok(Identity::new().allow_admin()),
        Some("brief") => Ok(Identity::new().user("brief").expires_at(unix_ms() + 300)),
        Some("past") => Ok(Identity::new().user("past").expires_at(unix_ms() - 1)),
        Some("banned") => Err(Denial::Forbidden("you are banned".into())),
        Some("panic") => panic!("a hook that panics, as the test wants"),
        _ => Err(Denial::Unauthorized("who are you?".into())),
    }
}

fn server() -> Server {
    Server::with(|builder| builder.authenticate(judge))
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn ask(server: &Server, method: &str, target: &str, token: &str) -> Response {
    let fields = format!("{}Content-Type: application/json\r\n", bearer(token));
    let body = if method == "POST" { r#"{"data":1}"# } else { "" };
    server.connect().request(method, target, &fields, body)
}

#[test]
fn the_identity_is_the_hooks_and_not_the_querys() {
    let server = server();
    let target = "/api/sse?userId=mallory&sessionId=x&meta.room=2&topic=news.eu";
    let mut subscriber = Subscriber::open(server.address, target, &bearer("ada"));
    let greeting = subscriber.greeting();
    assert_eq!((&greeting["userId"], &greeting["sessionId"]), (&json!("ada"), &json!("s-1")));
    assert!(server.publisher.is_user_connected("ada") && !server.publisher.is_user_connected("mallory"));
    let publish = |to: serde_json::Value| {
        let body = json!({"data": 1, "to": to}).to_string();
        let fields = format!("{}Content-Type: application/json\r\n", bearer("publisher"));
        id_of(&server.connect().request("POST", "/api/sse/events", &fields, body))
    };
    for to in [
        json!({"user": "mallory"}),
        json!({"session": "x"}),
        json!({"where": {"room": 2}}),
        json!({"topic": "orders.eu.created"}),
    ] {
        publish(to);
    }
    for to in [json!({"where": {"room": 1}}), json!({"session": "s-1"}), json!({"topic": "news.eu"})] {
        let id = publish(to);
        assert_eq!(subscriber.next().id, Some(id));
    }
}

#[test]
fn a_token_may_come_in_the_query() {
    let server = server();
    let subscriber = Subscriber::open(server.address, "/api/sse?access_token=ada", "");
    assert_eq!(subscriber.greeting()["userId"], "ada");
    let subscriber = Subscriber::open(server.address, "/api/sse", "authorization:bearer   ada\r\n");
    assert_eq!(subscriber.greeting()["userId"], "ada");
}

/// What a hook looks at to tell who asks is its own business; what is asked for is not.
#[test]
fn a_hook_has_parameters_of_its_own() {
    let judge = |head: &RequestHead<'_>| match head.query("token").as_deref() {
        Some("ada") => Ok(Identity::new().user(head.query("user").expect("a name"))),
        _ => Err(Denial::Unauthorized("who are you?".into())),
    };
    let server = Server::with(|builder| builder.authenticate(judge));
    let target = "/api/sse?token=ada&user=grace&session=x&meta[room]=1";
    let subscriber = Subscriber::open(server.address, target, "");
    assert_eq!(subscriber.greeting()["userId"], "grace");
    for (query, name) in [("topics=a", "topic"), ("last_event_id=1-1", "lastEventId")] {
        let response = server.connect().get(&format!("/api/sse?token=ada&user=grace&{query}"));
        assert!(response.problem(400).ends_with(name), "{query}");
        server.connect().get(&format!("/api/sse?{query}")).problem(401);
    }
}

#[test]
fn who_is_not_known_is_told_how_to_become_it() {
    let server = server();
    let mut connection = server.connect();
    for (method, target) in [
        ("GET", "/api/sse"),
        ("HEAD", "/api/sse"),
        ("POST", "/api/sse/events"),
        ("GET", "/api/sse/stats"),
        ("GET", "/api/sse/users"),
        ("GET", "/api/sse/users/ada"),
        ("DELETE", "/api/sse/users/ada"),
        ("DELETE", "/api/sse/clients/x"),
    ] {
        let response = connection.request(method, target, "", "");
        assert_eq!(
            (response.status(), response.field("www-authenticate")),
            (401, Some("Bearer")),
            "{target}"
        );
        if method != "HEAD" {
            assert_eq!(response.problem(401), "who are you?");
        }
        assert_eq!(response.field("connection"), None, "the connection is kept");
    }
    assert!(connection.is_open());
    assert_eq!(connection.request("GET", "/api/sse", &bearer("banned"), "").problem(403), "you are banned");
}

#[test]
fn topics_must_be_covered_by_what_is_allowed() {
    let server = server();
    let mut connection = server.connect();
    for topic in
        ["orders", "orders.eu", "orders.%3E", "orders.*.*", "%3E", "*", "news", "orders.eu.created.x"]
    {
        let target = format!("/api/sse?topic=news.eu&topic={topic}");
        connection.request("GET", &target, &bearer("ada"), "").problem(403);
    }
    for topic in ["orders.eu.created", "orders.*.created", "news.eu", "news.%3E", "news.*", "news.*.x.%3E"] {
        Subscriber::open(server.address, &format!("/api/sse?topic={topic}"), &bearer("ada"));
    }
    // Who has no topics can still listen to what goes to everyone.
    Subscriber::open(server.address, "/api/sse", &bearer("publisher"));
    connection.request("GET", "/api/sse?topic=a", &bearer("publisher"), "").problem(403);
}

#[test]
fn each_scope_opens_its_own_doors_only() {
    let server = Server::with(|builder| builder.authenticate(judge).dev_endpoints(true));
    for (method, target, who) in [
        ("POST", "/api/sse/events", "publisher"),
        ("POST", "/api/sse/test", "publisher"),
        ("GET", "/api/sse/test", "admin"),
        ("GET", "/api/sse/stats", "admin"),
        ("GET", "/api/sse/users", "admin"),
        ("GET", "/api/sse/users/ada", "admin"),
        ("DELETE", "/api/sse/users/ada", "admin"),
        ("DELETE", "/api/sse/clients/x", "admin"),
    ] {
        for token in ["ada", "publisher", "admin"] {
            let response = ask(&server, method, target, token);
            match token == who {
                true => assert!(matches!(response.status(), 200 | 202), "{method} {target} as {token}"),
                false => drop(response.problem(403)),
            }
        }
    }
}

#[test]
fn some_things_are_for_everybody() {
    let server = server();
    let mut connection = server.connect();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(connection.get(path).status(), 200);
    }
    assert_eq!(connection.request("OPTIONS", "/api/sse", "", "").status(), 204);
    connection.get("/nothing").problem(404);
    connection.request("PUT", "/api/sse", "", "").problem(405);
    connection.get("/api/sse/test").problem(404);
}

#[test]
fn any_host_is_taken_where_requests_are_judged() {
    let server = server();
    let fields = format!("Host: sse.example\r\n{}", bearer("ada"));
    Subscriber::open(server.address, "/api/sse", &fields);
}

#[test]
fn a_stream_ends_with_its_permission() {
    let server = server();
    let opened = now();
    let mut subscriber = Subscriber::open(server.address, "/api/sse", &bearer("brief"));
    assert_eq!(subscriber.rest(), []);
    let lived = opened.elapsed();
    assert!(lived >= Duration::from_millis(290), "{lived:?}");
    assert!(!server.publisher.is_user_connected("brief"));
    let mut subscriber = Subscriber::open(server.address, "/api/sse", &bearer("past"));
    assert_eq!(subscriber.rest(), []);
}

#[test]
fn refusals_that_are_final_are_judged_before_those_for_now() {
    let server = Server::with(|builder| builder.authenticate(judge).max_connections(1));
    let _first = Subscriber::open(server.address, "/api/sse", &bearer("ada"));
    let mut connection = server.connect();
    connection.get("/api/sse").problem(401);
    connection.request("GET", "/api/sse?topic=a", &bearer("ada"), "").problem(403);
    connection.request("GET", "/api/sse?topic=", &bearer("ada"), "").problem(400);
    connection.request("GET", "/api/sse", &format!("{}Accept: a/b\r\n", bearer("ada")), "").problem(406);
    let refused = connection.request("GET", "/api/sse", &bearer("ada"), "");
    assert_eq!((refused.status(), refused.field("content-type")), (200, Some("text/event-stream")));
}

#[test]
fn a_hook_that_panics_costs_its_own_request_and_no_other() {
    let server = server();
    let mut subscriber = Subscriber::open(server.address, "/api/sse", &bearer("ada"));
    let mut other = server.connect();
    assert_eq!(other.get("/healthz").status(), 200);
    let mut connection = server.connect();
    for _ in 0..20 {
        connection.request("GET", "/api/sse/stats", &bearer("panic"), "").problem(500);
        ask(&server, "POST", "/api/sse/events", "panic").problem(500);
    }
    // A browser comes back from this.
    let refused = connection.request("GET", "/api/sse", &bearer("panic"), "");
    assert_eq!(refused.status(), 200);
    assert!(refused.text().contains(r#"{"status":"refused","reason":"auth"}"#), "{}", refused.text());
    assert_eq!(other.get("/healthz").status(), 200);
    let id = id_of(&ask(&server, "POST", "/api/sse/events", "publisher"));
    assert_eq!(subscriber.next().id, Some(id));
}
