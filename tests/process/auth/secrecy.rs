//! What the log never has: tokens, keys, cookies and what was refused; and what cannot be made to look like it.

use std::process::Command;

use serde_json::{Value, json};

use super::key::{Key, SECRET};
use super::keyed::{Keyed, bearer, post, publish, subscribe};
use super::token::{Token, seconds};
use crate::support::client::request;
use crate::support::clock::PATIENCE;

const API_KEY: &str = "k_live_Zm9vYmFyYmF6cXV4";
const NO_KEY: &str = "k_live_bm9ib2R5c2tleSEh";
const FORMATS: [&str; 2] = ["text", "json"];

/// A server that logs all that it can, with keys of every kind.
fn talkative(format: &str) -> Keyed {
    let keys = format!("{API_KEY} publish admin\n");
    let files = [("jwt-secret-file", SECRET), ("api-key-file", keys.as_bytes())];
    let args =
        ["--log-format", format, "--jwt-cookie", "sse_token", "--max-body", "1KiB", "--dev-endpoints", "on"];
    Keyed::start_with(&files, &args, talk)
}

fn talk(command: &mut Command) {
    command.env("RUST_LOG", "trace");
}

/// All that it has said, once it has ended.
fn log_of(mut server: Keyed) -> String {
    server.signal(rustix::process::Signal::TERM);
    server.exit_within(PATIENCE);
    let log = server.whole_log();
    assert!(!log.is_empty(), "it says something at all");
    log
}

/// Fails if any of these is in the log, or in it in another spelling.
fn assert_absent(log: &str, secrets: &[String]) {
    for secret in secrets {
        assert!(secret.len() >= 8, "{secret} may well be there by accident");
        let escaped = secret.replace('.', "%2E");
        for spelling in [secret, &escaped, &secret.to_lowercase()] {
            let line = log.lines().find(|line| line.contains(&**spelling));
            assert_eq!(line, None, "{secret} is in the log");
        }
    }
}

/// The parts of a token that are its own.
fn parts(token: &str) -> Vec<String> {
    token.split('.').skip(1).filter(|part| part.len() >= 8).map(str::to_owned).collect()
}

/// Puts a credential in every place where one could be, right or wrong.
fn show(server: &Keyed, credential: &str) {
    let json = "Content-Type: application/json\r\n";
    let places = [
        bearer(credential),
        format!("Authorization: Basic {credential}\r\n"),
        format!("Authorization: {credential}\r\n"),
        format!("Authorization: Bearer {credential} {credential}\r\n"),
        bearer(credential) + &bearer(credential),
        format!("Cookie: sse_token={credential}; other={credential}\r\n"),
        format!("Cookie: {credential}\r\n"),
        format!("X-Api-Key: {credential}\r\n"),
        format!("Proxy-Authorization: Bearer {credential}\r\n"),
        format!("Last-Event-ID: {credential}\r\n"),
    ];
    let mut connection = server.connect();
    for fields in &places {
        for (method, target) in [
            ("HEAD", "/api/sse"),
            ("HEAD", "/api/sse?topic=a"),
            ("GET", "/api/sse/stats"),
            ("PUT", "/api/sse/stats"),
            ("GET", "/nothing"),
        ] {
            connection.request(method, target, fields, "");
        }
        connection.request("POST", "/api/sse/events", &format!("{fields}{json}"), "{\"data\":1}");
        connection.request("POST", "/api/sse/events", &format!("{fields}{json}"), "{");
    }
    for target in [
        format!("/api/sse?access_token={credential}"),
        format!("/api/sse?access_token={credential}&access_token={credential}"),
        format!("/api/sse?access_token={}", credential.replace('.', "%2E")),
        format!("/api/sse?topic=a..b&access_token={credential}"),
        format!("/api/sse?token={credential}"),
        format!("/api/sse/stats?access_token={credential}"),
        format!("/nothing?access_token={credential}"),
        format!("http://localhost/api/sse?access_token={credential}"),
    ] {
        connection.request("HEAD", &target, "", "");
    }
    // What is not HTTP, or too much of it, ends its connection.
    for bytes in [
        format!("GET /api/sse HTTP/1.1\r\nHost: localhost\r\nAuthorization : Bearer {credential}\r\n\r\n"),
        format!("GET /api/sse HTTP/1.1\r\nHost: localhost\r\n Authorization: Bearer {credential}\r\n\r\n"),
        format!("GET /api/sse HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {credential}\x01\r\n\r\n"),
        format!("GET /api/sse?access_token={credential} HTTP/1.1\r\n\r\n"),
        format!("GET /api/sse?access_token={credential}\x7f HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /api/sse?access_token={credential} HTTP/7.1\r\nHost: localhost\r\n\r\n"),
        format!(
            "GET /api/sse?access_token={credential}{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "x".repeat(9000)
        ),
        format!(
            "GET /api/sse HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {credential}{}\r\n\r\n",
            "x".repeat(17_000)
        ),
        format!("GET /api/sse HTTP/1.1\r\nHost: {credential}@localhost\r\n\r\n"),
        format!("{credential}\r\n\r\n"),
    ] {
        let mut connection = server.connect();
        connection.try_send(bytes);
        let answer = connection.response();
        assert!(answer.status() >= 400);
        assert!(!answer.text().contains(credential), "nor is it in an answer");
    }
}

#[test]
fn no_credential_is_ever_logged() {
    for format in FORMATS {
        let server = talkative(format);
        let good = Token::of_all_scopes()
            .claim("jti", "a claim that is nobody's business")
            .sign(Key::Secret(SECRET));
        let forged = Token::new()
            .claim("jti", "forged")
            .sign(Key::Secret(b"another secret of more than 32 bytes, unknown"));
        let expired = Token::new().claim("exp", seconds() - 9999).sign(Key::Secret(SECRET));
        for credential in [&good, &forged, &expired, API_KEY, NO_KEY, "not.a.token-but-secret"] {
            show(&server, credential);
        }
        // And while somebody is connected, and after.
        let mut stream = subscribe(&server, "", &bearer(&good));
        publish(&mut server.connect(), &bearer(API_KEY), &json!({"data": 1}));
        stream.next();
        drop(stream);
        drop(subscribe(&server, &format!("?access_token={good}"), "Last-Event-ID: 1-1\r\n"));
        server.replace("api-key-file", format!("{API_KEY} publish admin\n{NO_KEY} nonsense\n"));
        server.signal(rustix::process::Signal::HUP);
        crate::support::clock::eventually("the bad file is told", || server.log().contains("api-key-file"));
        let mut secrets = vec![API_KEY.to_owned(), NO_KEY.to_owned(), "but-secret".to_owned()];
        for token in [&good, &forged, &expired] {
            secrets.extend(parts(token));
        }
        secrets.push(String::from_utf8_lossy(SECRET).into_owned());
        secrets.push("nobody's business".to_owned());
        assert_absent(&log_of(server), &secrets);
    }
}

#[test]
fn nothing_of_what_was_refused_is_logged() {
    const MARK: &str = "s3cr3t-of-a-refused-request";
    for format in FORMATS {
        let server = talkative(format);
        let mut connection = server.connect();
        let event = format!(r#"{{"event":"update","data":{{"card":"{MARK}"}}}}"#);
        let may_not = bearer(&Token::new().sign(Key::Secret(SECRET)));
        post(&mut connection, "/api/sse/events", "", &event).problem(401);
        post(&mut connection, "/api/sse/events", &may_not, &event).problem(403);
        post(&mut connection, "/api/sse/test", "", &event).problem(401);
        let key = bearer(API_KEY);
        for body in [
            format!(r#"{{"data":"{MARK}","text":"{MARK}"}}"#),
            format!(r#"{{"data":"{MARK}","to":{{"user":{{"{MARK}":1}}}}}}"#),
            format!(r#"{{"data":"{MARK}"#),
            format!(r#"{{"{MARK}":1,"data":1}}"#),
            format!(r#"{{"event":"{MARK}\n","data":1}}"#),
        ] {
            let status = post(&mut connection, "/api/sse/events", &key, &body).status();
            assert!(matches!(status, 202 | 400 | 422), "{body}: {status}");
        }
        let text = format!("{key}Content-Type: text/plain\r\n");
        connection.request("POST", "/api/sse/events", &text, &event).problem(415);
        let long = format!(r#"{{"data":"{MARK}{}"}}"#, "x".repeat(2000));
        post(&mut server.connect(), "/api/sse/events", &key, &long).problem(413);
        assert_absent(&log_of(server), &[MARK.to_owned()]);
    }
}

/// Line ends, escape characters and quotes that are percent-encoded in a request.
const TRICKS: [&str; 8] = [
    "x%0a2026-01-01T00:00:00Z%20%20INFO%20fanfare:%20FORGED",
    "x%0d%0aFORGED",
    "x%0dFORGED",
    "x%1b[2K%1b[1AFORGED",
    "x%c2%9b2KFORGED",
    "x%c2%85FORGED",
    "x%22,%22level%22:%22ERROR%22,%22FORGED%22:%22",
    "x%00%7f%08FORGED",
];

fn try_to_forge(server: &Keyed) {
    let key = bearer(API_KEY);
    let mut connection = server.connect();
    for trick in TRICKS {
        for (method, target) in [
            ("GET", format!("/api/sse/users/{trick}")),
            ("DELETE", format!("/api/sse/users/{trick}")),
            ("DELETE", format!("/api/sse/clients/{trick}")),
            ("GET", format!("/{trick}")),
            ("HEAD", format!("/api/sse?topic={trick}")),
            ("HEAD", format!("/api/sse?userId={trick}&sessionId={trick}&meta.{trick}={trick}")),
            ("HEAD", format!("/api/sse?lastEventId={trick}")),
            ("HEAD", format!("/api/sse?access_token={trick}")),
        ] {
            connection.request(method, &target, &key, "");
        }
    }
    for name in ["a\\nFORGED", "a\\u001b[2KFORGED", "a\\u0085FORGED", "a\\rFORGED"] {
        let body = format!(r#"{{"event":"{name}","data":1}}"#);
        post(&mut connection, "/api/sse/events", &key, &body).problem(422);
        let body = format!(r#"{{"data":1,"to":{{"user":"{name}"}}}}"#);
        post(&mut connection, "/api/sse/events", &key, &body);
    }
    for name in ["ada\nFORGED", "\u{1b}[2KFORGED", "ada\u{9b}FORGED"] {
        let token = Token::new().claim("sub", name).sign(Key::Secret(SECRET));
        connection.request("GET", "/api/sse", &bearer(&token), "").problem(401);
        let token = Token::new().header("kid", name).header("typ", name).sign(Key::Secret(SECRET));
        connection.request("HEAD", "/api/sse", &bearer(&token), "");
        let token = Token::new().header("alg", name).sign(Key::Secret(SECRET));
        connection.request("GET", "/api/sse", &bearer(&token), "").problem(401);
    }
    // Bytes that may stand in a field and are no text, or not printed.
    let mut connection = server.connect();
    let fields =
        "User-Agent: \u{9b}2K\u{85}FORGED\r\nOrigin: \u{9d}FORGED\r\nX-Forwarded-For: \u{90}FORGED\r\n";
    connection.send(request("GET", "/api/sse/stats", &format!("{key}{fields}"), ""));
    connection.response();
}

#[test]
fn nobody_forges_a_line_of_the_log() {
    for format in FORMATS {
        let server = talkative(format);
        try_to_forge(&server);
        let log = log_of(server);
        let raw = log.chars().find(|character| character.is_control() && *character != '\n');
        assert_eq!(raw, None, "a control character in the log: {log:?}");
        for line in log.lines() {
            match format {
                "json" => {
                    let entry: Value = serde_json::from_str(line).expect("JSON");
                    assert!(entry["level"].is_string() && entry.get("FORGED").is_none(), "{line}");
                }
                _ => assert!(line.starts_with("20") && !line.starts_with("2026-01-01"), "{line:?}"),
            }
        }
    }
}
