//! Open mode: on loopback only, and only for a `Host` that is loopback, since a page of anybody can make its own
//! name lead here (DNS rebinding).

use serde_json::json;

use super::key::SECRET;
use super::keyed::{Folder, Keyed};
use crate::server::{Server, command, publish, run};
use crate::support::client::Connection;

const LOOPBACK: [&str; 12] = [
    "localhost",
    "localhost:3000",
    "LOCALHOST",
    "LocalHost:80",
    "LOCALHOST.",
    "localhost:",
    "127.0.0.1",
    "127.0.0.1:3000",
    "127.255.255.254",
    "[::1]",
    "[::1]:3000",
    "[0:0:0:0:0:0:0:1]:1",
];
const ELSEWHERE: [&str; 33] = [
    "evil.com",
    "evil.com:3000",
    "localhost.evil.com",
    "127.0.0.1.evil.com",
    "127.0.0.1.nip.io",
    "evil.com.",
    "localhost..",
    "localhost.localdomain",
    "notlocalhost",
    "localhost1",
    "xlocalhost:3000",
    "127.1",
    "127.0.1",
    "0x7f.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "0177.0.0.1",
    "127.0.0.01",
    "2130706433",
    "127.0.0.256",
    "127.0.0.1%2eevil.com",
    "%6c%6f%63%61%6c%68%6f%73%74",
    "localhost%00.evil.com",
    "localhost%2eevil.com",
    "0.0.0.0",
    "[::]",
    "[::2]",
    "[::ffff:8.8.8.8]",
    "10.0.0.1",
    "192.168.0.1:3000",
    "169.254.169.254",
    "128.0.0.1",
    "_",
];
/// What is not a host at all.
const MALFORMED: [&str; 12] = [
    "",
    "localhost evil.com",
    "localhost,evil.com",
    "localhost@evil.com",
    "evil.com@localhost",
    "localhost/",
    "localhost#evil.com",
    "localhost\\evil.com",
    "http://localhost",
    "::1",
    "[::1",
    "localhost:80:80",
];

fn with_host(connection: &mut Connection, method: &str, target: &str, host: &str) -> u16 {
    let fields = format!("Host: {host}\r\nContent-Type: application/json\r\n");
    let body = if method == "POST" { r#"{"data":1}"# } else { "" };
    let response = connection.request(method, target, &fields, body);
    if response.status() >= 400 && method != "HEAD" {
        response.problem(response.status());
    }
    response.status()
}

#[test]
fn a_host_that_is_loopback_is_served_and_no_other() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for host in LOOPBACK {
        for (method, target, status) in
            [("HEAD", "/api/sse", 200), ("POST", "/api/sse/events", 202), ("GET", "/api/sse/stats", 200)]
        {
            assert_eq!(with_host(&mut connection, method, target, host), status, "{method} for {host}");
        }
    }
    for host in ELSEWHERE {
        for (method, target) in [
            ("HEAD", "/api/sse"),
            ("GET", "/api/sse"),
            ("POST", "/api/sse/events"),
            ("POST", "/api/sse/test"),
            ("GET", "/api/sse/stats"),
            ("GET", "/api/sse/users"),
            ("DELETE", "/api/sse/users/ada"),
        ] {
            assert_eq!(with_host(&mut connection, method, target, host), 403, "{method} {target} for {host}");
        }
    }
    for host in MALFORMED {
        let status = with_host(&mut server.connect(), "HEAD", "/api/sse", host);
        assert_eq!(status, 400, "{host}");
    }
}

#[test]
fn nothing_of_what_a_foreign_host_publishes_is_published() {
    let server = Server::start(&[]);
    let (mut stream, mut connection) = (server.subscribe(""), server.connect());
    for host in ELSEWHERE {
        with_host(&mut connection, "POST", "/api/sse/events", host);
    }
    let id = publish(&mut connection, &json!({"data": 1}));
    assert_eq!(stream.next().id, Some(id.clone()));
    assert_eq!(super::keyed::sequence(&id), 1);
}

#[test]
fn a_host_in_the_target_counts_like_one_in_its_field() {
    let server = Server::start(&[]);
    let ask = |request: &str| {
        let mut connection = server.connect();
        connection.expect_head_only();
        connection.send(request);
        connection.response().status()
    };
    for (target, host, status) in [
        ("http://localhost/api/sse", "localhost", 200),
        ("http://localhost:3000/api/sse", "localhost:3000", 200),
        ("http://evil.com/api/sse", "evil.com", 403),
        ("http://evil.com/api/sse", "localhost", 400),
        ("http://localhost/api/sse", "evil.com", 400),
        ("http://localhost:1/api/sse", "localhost:2", 400),
        ("http://localhost@evil.com/api/sse", "localhost", 400),
        ("http://evil.com@localhost/api/sse", "localhost", 400),
        ("http://127.0.0.1.evil.com/api/sse", "127.0.0.1.evil.com", 403),
    ] {
        let found = ask(&format!("HEAD {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(found, status, "{target} for {host}");
    }
    // In 1.0 there need be no field; the target alone says it.
    assert_eq!(ask("HEAD http://evil.com/api/sse HTTP/1.0\r\n\r\n"), 403);
    assert_eq!(ask("HEAD http://localhost/api/sse HTTP/1.0\r\n\r\n"), 200);
    assert_eq!(ask("HEAD /api/sse HTTP/1.0\r\nHost: evil.com\r\n\r\n"), 403);
    for two in
        ["Host: localhost\r\nHost: evil.com", "Host: evil.com\r\nHost: localhost", "Host: a\r\nhOST: a"]
    {
        assert_eq!(ask(&format!("HEAD /api/sse HTTP/1.1\r\n{two}\r\n\r\n")), 400, "{two}");
    }
    // A proxy's word is not the host.
    let fields = "Host: evil.com\r\nX-Forwarded-Host: localhost\r\nForwarded: host=localhost\r\n";
    assert_eq!(ask(&format!("HEAD /api/sse HTTP/1.1\r\n{fields}\r\n")), 403);
}

/// There is nothing to judge a token by, and nobody is refused for one.
#[test]
fn in_open_mode_credentials_are_passed_over() {
    let server = Server::start(&[]);
    for fields in ["Authorization: Bearer x.y.z\r\n", "Authorization: Basic eDp5\r\n", "Cookie: jwt=x\r\n"] {
        let stream = super::keyed::subscribe(&server, "?userId=ada&access_token=x", fields);
        assert_eq!(stream.greeting()["userId"], "ada");
        super::keyed::publish(&mut server.connect(), fields, &json!({"data": 1}));
    }
}

/// A page of anybody can post a form here without asking first; what it can send is not what is taken.
#[test]
fn a_form_of_another_site_publishes_nothing() {
    let server = Server::start(&[]);
    let (mut stream, mut connection) = (server.subscribe(""), server.connect());
    for content_type in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
    {
        for target in ["/api/sse/events", "/api/sse/test"] {
            let field = if content_type.is_empty() {
                String::new()
            } else {
                format!("Content-Type: {content_type}\r\n")
            };
            let fields = format!("Origin: http://evil.com\r\n{field}");
            let response = connection.request("POST", target, &fields, r#"{"type":"update","data":1}"#);
            response.problem(415);
        }
    }
    let id = publish(&mut connection, &json!({"data": 1}));
    assert_eq!(stream.next().id, Some(id));
}

#[test]
fn beyond_loopback_it_starts_with_keys_or_when_told_that_it_is_insecure() {
    for address in ["0.0.0.0:0", "[::]:0", "127.0.0.1:0,0.0.0.0:0"] {
        let mut command = command(&[]);
        command.env("FANFARE_LISTEN", address);
        let output = run(command);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{address}: {error}");
        assert!(error.contains("insecure-open"), "{error}");
    }
    let folder = Folder::new();
    let secret = folder.write("secret", SECRET);
    let keys = folder.write("keys", "k_live_publish_0123456789 publish\n");
    for args in [
        &["--jwt-secret-file", &secret][..],
        &["--api-key-file", &keys],
        &["--api-key-file", &keys, "--anonymous-subscribers"],
    ] {
        let server = Server::launch(command(&[&["--listen", "0.0.0.0:0"], args].concat()));
        super::verdict::unauthorized(&server.connect().get("/api/sse/stats"));
    }
    // Alone it says nothing about who may publish, so it does not close the door.
    let output = run(command(&["--listen", "0.0.0.0:0", "--anonymous-subscribers"]));
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn with_keys_any_host_is_served() {
    let server = Keyed::secret(&[]);
    let mut connection = server.connect();
    for host in ["sse.example", "10.0.0.1", "localhost"] {
        let fields = format!("Host: {host}\r\n{}", super::keyed::signed(&super::token::Token::new()));
        assert_eq!(connection.request("HEAD", "/api/sse", &fields, "").status(), 200, "{host}");
    }
}
