//! What each scope opens, and that it opens nothing else.

use serde_json::json;

use super::keyed::{Keyed, bearer, post, signed};
use super::token::Token;
use super::verdict::unauthorized;
use crate::support::client::{Connection, Response, request};
use crate::support::subscriber::Subscriber;

/// Every request that needs a scope, and which.
pub(super) const REQUESTS: [(&str, &str, &str); 12] = [
    ("POST", "/api/sse/events", "publish"),
    ("POST", "/api/sse/test", "publish"),
    ("GET", "/metrics", "admin"),
    ("GET", "/api/sse/stats", "admin"),
    ("HEAD", "/api/sse/stats", "admin"),
    ("GET", "/api/sse/test", "admin"),
    ("GET", "/api/sse/users", "admin"),
    ("HEAD", "/api/sse/users", "admin"),
    ("GET", "/api/sse/users/ada", "admin"),
    ("GET", "/api/sse/users/%2e%2e", "admin"),
    ("DELETE", "/api/sse/users/ada", "admin"),
    ("DELETE", "/api/sse/clients/x", "admin"),
];

pub(super) fn ask(connection: &mut Connection, method: &str, target: &str, fields: &str) -> Response {
    match method {
        "POST" => post(connection, target, fields, r#"{"type":"update","data":1}"#),
        _ => connection.request(method, target, fields, ""),
    }
}

/// A body that both `events` and `test` take would have to be both; each gets its own.
fn ask_well(connection: &mut Connection, method: &str, target: &str, fields: &str) -> Response {
    match target {
        "/api/sse/events" => post(connection, target, fields, r#"{"data":1}"#),
        _ => ask(connection, method, target, fields),
    }
}

#[test]
fn each_scope_opens_its_own_doors_only() {
    let server = Keyed::secret(&["--dev-endpoints", "on"]);
    let mut connection = server.connect();
    let tokens = [
        ("publish", json!({"publish": true})),
        ("admin", json!({"admin": true})),
        ("subscribe", json!({"subscribe": [">"]})),
    ]
    .map(|(scope, claim)| (scope, signed(&Token::new().claim("fanfare", claim))));
    for (method, target, needed) in REQUESTS {
        if method != "HEAD" {
            unauthorized(&ask(&mut connection, method, target, ""));
            unauthorized(&ask(&mut connection, method, target, &bearer("x.y.z")));
        }
        for (scope, fields) in &tokens {
            let response = ask_well(&mut connection, method, target, fields);
            match (*scope == needed, method) {
                (true, _) => assert!(
                    matches!(response.status(), 200 | 202),
                    "{method} {target} with {scope}: {}",
                    response.text()
                ),
                (false, "HEAD") => assert_eq!(response.status(), 403, "{method} {target} with {scope}"),
                (false, _) => {
                    let detail = response.problem(403);
                    assert!(detail.contains(needed), "{method} {target} with {scope}: {detail}");
                }
            }
            assert_eq!(response.field("connection"), None, "the connection is kept");
        }
    }
    assert!(connection.is_open());
}

#[test]
fn some_things_need_no_scope() {
    let server = Keyed::secret(&[]);
    let mut connection = server.connect();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(connection.get(path).status(), 200, "{path}");
        assert_eq!(
            connection.request("GET", path, &bearer("x"), "").status(),
            200,
            "{path} with a bad token"
        );
    }
    for (path, method) in [("/api/sse", "PUT"), ("/api/sse/events", "DELETE"), ("/api/sse/stats", "POST")] {
        connection.request(method, path, "", "").problem(405);
    }
    for path in ["/", "/api", "/api/sse/", "/api/sse/nothing", "/api/sse/users/a/b", "/api/sse/stats/"] {
        connection.get(path).problem(404);
    }
    // Off, since there are keys: as if they were not there, also for those who may.
    for path in ["/api/sse/test", "/sse-test"] {
        connection.get(path).problem(404);
        connection.request("GET", path, &signed(&Token::of_all_scopes()), "").problem(404);
    }
    post(&mut connection, "/api/sse/test", &signed(&Token::of_all_scopes()), "{}").problem(404);
}

/// The scope is judged before what is sent is read: who may not publish learns nothing of what would be valid.
#[test]
fn permission_is_judged_before_the_body() {
    let server = Keyed::secret(&[]);
    let mut connection = server.connect();
    for body in ["{", "{\"event\":1}", "\u{feff}", "null", ""] {
        unauthorized(&post(&mut connection, "/api/sse/events", "", body));
        post(&mut connection, "/api/sse/events", &signed(&Token::new()), body).problem(403);
    }
    let text = connection.request("POST", "/api/sse/events", "Content-Type: text/plain\r\n", "x");
    unauthorized(&text);
}

/// Who asks before it sends a body is refused at once; who sends it all the same can go on behind it.
#[test]
fn the_body_of_a_refused_request_is_not_asked_for_and_passed_over() {
    let server = Keyed::secret(&[]);
    let mut connection = server.connect();
    let head = "Content-Type: application/json\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n";
    connection.send(format!("POST /api/sse/events HTTP/1.1\r\nHost: localhost\r\n{head}"));
    let response = connection.response();
    response.problem(401);
    assert_eq!(response.interim, [0; 0], "it is not asked for what is not wanted");
    let mut connection = server.connect();
    let chunked = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    connection.send(format!("POST /api/sse/events HTTP/1.1\r\nHost: localhost\r\n{chunked}"));
    connection.send("a\r\n{\"data\":1}\r\n0\r\n\r\n");
    unauthorized(&connection.response());
    assert_eq!(connection.get("/healthz").status(), 200);
}

/// Each request on a connection is judged by what it brings itself.
#[test]
fn a_permission_is_of_its_request_and_not_of_its_connection() {
    let server = Keyed::secret(&[]);
    let mut connection = server.connect();
    let all = signed(&Token::of_all_scopes());
    let json = "Content-Type: application/json\r\n";
    let event = r#"{"data":1}"#;
    let requests = [
        (request("GET", "/api/sse/stats", "", ""), 401),
        (request("GET", "/api/sse/stats", &all, ""), 200),
        (request("POST", "/api/sse/events", json, event), 401),
        (request("POST", "/api/sse/events", &format!("{json}{all}"), event), 202),
        (request("POST", "/api/sse/events", &format!("{json}{}", signed(&Token::new())), event), 403),
        (request("GET", "/api/sse/stats", "", ""), 401),
        (request("GET", "/api/sse", "", ""), 401),
    ];
    connection.send(requests.iter().flat_map(|(bytes, _)| bytes.clone()).collect::<Vec<u8>>());
    for (bytes, status) in &requests {
        assert_eq!(connection.response().status(), *status, "{}", String::from_utf8_lossy(bytes));
    }
    connection.send(request("GET", "/api/sse", &all, ""));
    assert_eq!(Subscriber::after(connection).greeting()["userId"], "ada");
}

#[test]
fn an_administrator_ends_streams_and_nobody_else_does() {
    let server = Keyed::secret(&[]);
    let mut connection = server.connect();
    let mut stream = super::keyed::subscribe(&server, "", &signed(&Token::new()));
    let client = format!("/api/sse/clients/{}", stream.client_id());
    for target in ["/api/sse/users/ada", &client] {
        unauthorized(&connection.request("DELETE", target, "", ""));
        // Not even its own.
        connection.request("DELETE", target, &signed(&Token::new()), "").problem(403);
    }
    assert!(!stream.read_for(std::time::Duration::from_millis(20)), "it is open");
    let admin = signed(&Token::new().claim("sub", "root").claim("fanfare", json!({"admin": true})));
    assert_eq!(connection.request("DELETE", &client, &admin, "").json(), json!({"disconnected": 1}));
    assert_eq!(stream.rest(), []);
}
