//! Pages of other origins: who is let in, by exactly which name, and with what.

use serde_json::json;

use super::keyed::{Keyed, publish, signed, subscribe};
use super::token::Token;
use crate::server::{Server, command, run};
use crate::support::client::{Connection, Response};

const LIST: &[&str] = &["--cors-origin", "https://app.example", "--cors-origin", "http://localhost:5173"];
const LISTED: [&str; 2] = ["https://app.example", "http://localhost:5173"];
/// What is none of those, though it looks like one.
const FOREIGN: [&str; 22] = [
    "https://evil.com",
    "http://app.example",
    "https://app.example:444",
    "https://app.example:80",
    "https://app.example.",
    "https://app.example/",
    "https://app.example/path",
    "https://app.example?x",
    "https://app.example.evil.com",
    "https://evil-app.example",
    "https://evil.com/https://app.example",
    "https://x.app.example",
    "https://APP.example",
    "HTTPS://app.example",
    "https://user@app.example",
    "https://app.example, https://evil.com",
    "https://app.example https://evil.com",
    "http://localhost",
    "http://localhost:51730",
    "http://localhost:5173.evil.com",
    "null",
    "*",
];

fn from(connection: &mut Connection, method: &str, target: &str, fields: &str) -> Response {
    connection.request(method, target, fields, "")
}

/// What the answer allows: the origin, and whether with credentials.
fn allowed(response: &Response) -> (Option<&str>, Option<&str>) {
    let field = |name| response.field(name);
    (field("access-control-allow-origin"), field("access-control-allow-credentials"))
}

fn varies_by_origin(response: &Response) -> bool {
    let vary = response.head.fields.iter().filter(|(name, _)| name == "vary");
    vary.flat_map(|(_, value)| value.split(',')).any(|name| name.trim().eq_ignore_ascii_case("origin"))
}

fn is_quiet(response: &Response) -> bool {
    !response.head.fields.iter().any(|(name, _)| name.starts_with("access-control-"))
}

fn preflight(connection: &mut Connection, target: &str, origin: &str, method: &str, names: &str) -> Response {
    let fields = format!(
        "Origin: {origin}\r\nAccess-Control-Request-Method: {method}\r\nAccess-Control-Request-Headers: {names}\r\n"
    );
    let response = from(connection, "OPTIONS", target, &fields);
    assert!(matches!(response.status(), 200 | 204), "a preflight needs no permission: {}", response.status());
    response
}

fn list(response: &Response, name: &str) -> Vec<String> {
    let value = response.field(name).unwrap_or_default();
    value.split(',').map(|item| item.trim().to_ascii_lowercase()).collect()
}

#[test]
fn off_by_default() {
    let (open, keyed) = (Server::start(&[]), Keyed::secret(&[]));
    for server in [&open, &*keyed] {
        let mut connection = server.connect();
        for origin in LISTED.iter().chain(&FOREIGN).chain(&["http://localhost", "https://sse.example"]) {
            let fields = format!("Origin: {origin}\r\n{}", signed(&Token::of_all_scopes()));
            for (method, target) in
                [("HEAD", "/api/sse"), ("GET", "/api/sse/stats"), ("GET", "/nothing"), ("GET", "/healthz")]
            {
                let response = from(&mut connection, method, target, &fields);
                assert!(is_quiet(&response), "{origin}: {:?}", response.head);
            }
            let response = preflight(&mut connection, "/api/sse/events", origin, "POST", "content-type");
            assert!(is_quiet(&response), "{origin}: {:?}", response.head);
        }
    }
}

#[test]
fn a_listed_origin_is_allowed_with_credentials_and_no_other_is() {
    let server = Keyed::secret(LIST);
    let mut connection = server.connect();
    let token = signed(&Token::of_all_scopes());
    for origin in LISTED {
        for (method, target) in [("HEAD", "/api/sse"), ("GET", "/api/sse/stats"), ("GET", "/api/sse/users")] {
            let fields = format!("Origin: {origin}\r\n{token}");
            let response = from(&mut connection, method, target, &fields);
            assert_eq!(response.status(), 200);
            assert_eq!(allowed(&response), (Some(origin), Some("true")), "{target}");
            assert!(varies_by_origin(&response), "{target}: a cache must not give this to another origin");
        }
    }
    for origin in FOREIGN {
        let fields = format!("Origin: {origin}\r\n{token}");
        for (method, target) in [("HEAD", "/api/sse"), ("GET", "/api/sse/stats")] {
            let response = from(&mut connection, method, target, &fields);
            assert_eq!(allowed(&response), (None, None), "{origin}");
            assert!(varies_by_origin(&response), "{origin}: nor what another origin got to this one");
        }
    }
    let response = from(&mut connection, "GET", "/api/sse/stats", &token);
    assert_eq!(allowed(&response), (None, None));
    assert!(varies_by_origin(&response), "nor what came without an origin");
}

#[test]
fn two_origins_are_none() {
    let server = Keyed::secret(LIST);
    let mut connection = server.connect();
    for [first, second] in [[LISTED[0], "https://evil.com"], ["https://evil.com", LISTED[0]], LISTED] {
        let fields = format!("Origin: {first}\r\nOrigin: {second}\r\n{}", signed(&Token::new()));
        let response = from(&mut connection, "HEAD", "/api/sse", &fields);
        assert_eq!(allowed(&response), (None, None), "{first} {second}");
    }
}

#[test]
fn a_refusal_can_be_read_by_the_page_that_it_is_for() {
    let server = Keyed::secret(LIST);
    let mut connection = server.connect();
    let token = signed(&Token::new());
    let all = signed(&Token::of_all_scopes());
    let json = "Content-Type: application/json\r\n";
    for (method, target, fields, body, status) in [
        ("GET", "/api/sse", String::new(), "", 401),
        ("GET", "/api/sse?topic=a", token.clone(), "", 403),
        ("GET", "/api/sse?topic=", token.clone(), "", 400),
        ("GET", "/api/sse", format!("{token}Accept: text/html\r\n"), "", 406),
        ("GET", "/api/sse/nothing", String::new(), "", 404),
        ("PUT", "/api/sse", String::new(), "", 405),
        ("BREW", "/api/sse", String::new(), "", 501),
        ("POST", "/api/sse/events", json.to_owned(), "{}", 401),
        ("POST", "/api/sse/events", format!("{token}{json}"), "{}", 403),
        ("POST", "/api/sse/events", format!("{all}{json}"), "{", 400),
        ("POST", "/api/sse/events", format!("{all}{json}"), "{}", 422),
        ("POST", "/api/sse/events", format!("{all}Content-Type: text/plain\r\n"), "{}", 415),
        ("GET", "/api/sse/stats", token.clone(), "", 403),
    ] {
        for (origin, expected) in
            [(LISTED[0], (Some(LISTED[0]), Some("true"))), ("https://evil.com", (None, None))]
        {
            let fields = format!("Origin: {origin}\r\n{fields}");
            let response = connection.request(method, target, &fields, body);
            let found = response.status();
            // What cannot be parsed may be malformed or no valid event.
            assert!(found == status || (status == 400 && found == 422), "{method} {target}: {found}");
            response.problem(found);
            assert_eq!(allowed(&response), expected, "{method} {target} {status} {origin}");
            assert!(varies_by_origin(&response), "{method} {target} {status}");
        }
    }
}

#[test]
fn a_stream_is_for_the_origin_that_asked() {
    let server = Keyed::secret(&[LIST, &["--max-connections-per-user", "1"]].concat());
    let fields = format!("Origin: {}\r\n{}", LISTED[1], signed(&Token::new()));
    let mut stream = subscribe(&server, "", &fields);
    assert_eq!(stream.field("access-control-allow-origin"), Some(LISTED[1]));
    assert_eq!(stream.field("access-control-allow-credentials"), Some("true"));
    assert!(stream.field("vary").is_some_and(|vary| vary.to_ascii_lowercase().contains("origin")));
    // A refusal for now is a stream too.
    let refused = subscribe(&server, "", &fields);
    assert_eq!(refused.greeting()["status"], "refused");
    assert_eq!(refused.field("access-control-allow-origin"), Some(LISTED[1]));
    let foreign = format!("Origin: https://evil.com\r\n{}", signed(&Token::new().claim("sub", "grace")));
    let foreign = subscribe(&server, "", &foreign);
    assert_eq!(foreign.field("access-control-allow-origin"), None);
    assert!(foreign.field("vary").is_some_and(|vary| vary.to_ascii_lowercase().contains("origin")));
    let id = publish(&mut server.connect(), &signed(&Token::of_all_scopes()), &json!({"data": 1}));
    assert_eq!(stream.next().id, Some(id));
}

#[test]
fn a_preflight_says_what_may_be_sent() {
    let server = Keyed::secret(LIST);
    let mut connection = server.connect();
    for (target, method) in [
        ("/api/sse", "GET"),
        ("/api/sse/events", "POST"),
        ("/api/sse/stats", "GET"),
        ("/api/sse/users/ada", "DELETE"),
        ("/api/sse/clients/x", "DELETE"),
    ] {
        let names = "authorization,content-type,last-event-id";
        let response = preflight(&mut connection, target, LISTED[0], method, names);
        assert_eq!(allowed(&response), (Some(LISTED[0]), Some("true")), "{target}");
        assert!(varies_by_origin(&response));
        let methods = list(&response, "access-control-allow-methods");
        assert!(methods.contains(&method.to_ascii_lowercase()), "{target}: {methods:?}");
        let headers = list(&response, "access-control-allow-headers");
        for name in names.split(',') {
            assert!(headers.iter().any(|header| header == name), "{target}: {headers:?}");
        }
        // With credentials an asterisk would be the name of a field.
        assert!(!headers.contains(&"*".to_owned()) && !methods.contains(&"*".to_owned()));
        let age = response.field("access-control-max-age").expect("an age");
        assert!(age.parse::<u32>().is_ok_and(|age| age > 0), "{age}");
        assert!(response.body.is_empty());
    }
    for origin in FOREIGN {
        let response = preflight(&mut connection, "/api/sse/events", origin, "POST", "content-type");
        assert!(is_quiet(&response), "{origin}: {:?}", response.head);
        assert!(varies_by_origin(&response), "{origin}");
    }
    // OPTIONS that is no preflight is one for the methods.
    let plain = from(&mut connection, "OPTIONS", "/api/sse/events", "");
    assert_eq!(allowed(&plain), (None, None));
    assert!(plain.field("allow").is_some_and(|allow| allow.contains("POST")));
}

#[test]
fn any_origin_is_allowed_without_credentials() {
    let server = Keyed::secret(&["--cors-origin", "*"]);
    let mut connection = server.connect();
    for origin in LISTED.iter().chain(&FOREIGN) {
        let fields = format!("Origin: {origin}\r\n{}", signed(&Token::new()));
        let response = from(&mut connection, "HEAD", "/api/sse", &fields);
        assert_eq!(allowed(&response), (Some("*"), None), "{origin}");
        let response =
            preflight(&mut connection, "/api/sse/events", origin, "POST", "authorization,content-type");
        assert_eq!(allowed(&response), (Some("*"), None), "{origin}");
        // The asterisk does not stand for this one.
        assert!(list(&response, "access-control-allow-headers").contains(&"authorization".to_owned()));
        let response = from(&mut connection, "GET", "/api/sse", &format!("Origin: {origin}\r\n"));
        assert_eq!((response.status(), allowed(&response)), (401, (Some("*"), None)));
    }
}

#[test]
fn what_is_no_origin_is_refused_at_start() {
    for origin in [
        "",
        "app.example",
        "https://",
        "https://app.example/",
        "https://app.example/path",
        "https://app.example?x",
        "https://app.example#x",
        "https://user@app.example",
        "https://*.app.example",
        "https://app.example:port",
        "https://app.example:99999",
        "https://app example",
        "://app.example",
        "**",
        "https://app.example\n",
    ] {
        let output = run(command(&["--listen", "127.0.0.1:0", &format!("--cors-origin={origin}")]));
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{origin:?}: {error}");
        assert!(error.contains("cors-origin"), "{error}");
    }
}
