//! Every refusal is a problem (RFC 9457): type, title, status and detail.

use std::collections::BTreeMap;

use super::keyed::{Keyed, bearer, signed};
use super::token::Token;
use crate::support::client::Response;

/// Each `type` that was seen, and the title and status that it came with.
#[derive(Default)]
struct Kinds(BTreeMap<String, (String, u16)>);

impl Kinds {
    fn check(&mut self, response: &Response, status: u16, what: &str) {
        response.problem(status);
        let (body, text) = (response.json(), response.text());
        let member = |name: &str| body[name].as_str().map(str::to_owned).expect("a text");
        let kind = member("type");
        assert!(!kind.is_empty() && !kind.contains(char::is_whitespace), "{what}: {text}");
        // A type has one title (RFC 9457, 3.1.3), and here one status.
        let known = self.0.entry(kind).or_insert_with(|| (member("title"), status));
        assert_eq!(*known, (member("title"), status), "{what}: {text}");
        let quiet = !text.contains("src/") && !text.contains("panicked") && !text.contains("/tmp");
        assert!(quiet, "{what}: nothing of the inside: {text}");
    }
}

#[test]
fn whatever_is_refused_is_refused_as_a_problem() {
    let server = Keyed::secret(&["--max-body", "1KiB"]);
    let [all, none] = [Token::of_all_scopes(), Token::new()].map(|token| signed(&token));
    let json = format!("{all}Content-Type: application/json\r\n");
    let long = "x".repeat(9000);
    let mut connection = server.connect();
    let mut kinds = Kinds::default();
    for (method, target, fields, body, status) in [
        ("GET", "/api/sse", "", "", 401),
        ("GET", "/api/sse", &*bearer("x"), "", 401),
        ("GET", "/api/sse?topic=a", &none, "", 403),
        ("GET", "/api/sse?topic=", &all, "", 400),
        ("GET", "/api/sse", &format!("{all}Accept: image/*\r\n"), "", 406),
        ("GET", "/api/sse/stats", &none, "", 403),
        ("GET", "/api/sse/users", "", "", 401),
        ("DELETE", "/api/sse/users/ada", &none, "", 403),
        ("DELETE", "/api/sse/clients/x", "", "", 401),
        ("GET", "/nothing", "", "", 404),
        ("PATCH", "/api/sse", "", "", 405),
        ("BREW", "/api/sse", "", "", 501),
        ("POST", "/api/sse/events", &json, "{}", 422),
        ("POST", "/api/sse/events", &json, r#"{"data":1,"to":{"topic":"*"}}"#, 422),
        ("POST", "/api/sse/events", &format!("{all}Content-Type: text/html\r\n"), "{}", 415),
        ("POST", "/api/sse/events", "", "{}", 401),
        ("POST", "/api/sse/events", &none, "{}", 403),
    ] {
        let what = format!("{method} {target}");
        let response = connection.request(method, target, fields, body);
        kinds.check(&response, status, &what);
        assert_eq!(response.field("connection"), None, "{what}: the connection is kept");
    }
    for (fields, body, status, target) in [
        (json.clone(), &*long, 413, "/api/sse/events"),
        (json.clone(), "", 414, &*format!("/api/sse?x={long}")),
        (format!("{json}X-A: {long}\r\nX-B: {long}\r\n"), "", 431, "/api/sse/events"),
        (format!("{json}Expect: tea\r\n"), "", 417, "/api/sse/events"),
        (format!("{json}Transfer-Encoding: gzip\r\n"), "", 400, "/api/sse/events"),
        (format!("{json}Bad Name: x\r\n"), "", 400, "/api/sse/events"),
    ] {
        let response = server.connect().request("POST", target, &fields, body);
        kinds.check(&response, status, target);
    }
    let mut connection = server.connect();
    connection.send("GET /api/sse HTTP/3.0\r\nHost: localhost\r\n\r\n");
    kinds.check(&connection.response(), 505, "HTTP/3.0");
    assert!(kinds.0.len() >= 14, "{:?}", kinds.0);
}

/// What the refusal says helps who has a good token at heart, and nobody who has none: it does not say how a
/// signature is wrong, nor what would be right.
#[test]
fn a_refusal_does_not_give_away_what_would_be_right() {
    use super::key::{Key, SECRET};
    let audience = "the-audience-that-is-configured";
    let server = Keyed::secret(&["--jwt-audience", audience, "--jwt-issuer", "https://the-issuer.example"]);
    let mut connection = server.connect();
    for token in [
        Token::new().sign(Key::Secret(b"another secret of more than 32 bytes, which is unknown")),
        Token::new().sign(Key::Secret(SECRET)),
        Token::new().claim("aud", audience).sign(Key::Secret(SECRET)),
        Token::new().claim("exp", 1).sign(Key::Secret(SECRET)),
    ] {
        let response = connection.request("GET", "/api/sse", &bearer(&token), "");
        response.problem(401);
        let text = response.text();
        assert!(!text.contains(audience) && !text.contains("the-issuer"), "{text}");
        let signature = token.rsplit('.').next().expect("a signature");
        assert!(!text.contains(signature), "nor the token: {text}");
    }
}
