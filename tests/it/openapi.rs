//! The description of the interface for machines: every operation in it is driven, and every answer checked
//! against it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use fanfare::{Denial, Event, Identity, Publication, Target};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::durable::moody;
use crate::server::Server;
use crate::support::client::{Response, request};
use crate::support::clock::{Deadline, eventually};
use crate::support::folder::TestFolder;
use crate::support::subscriber::Subscriber;

/// The description, and what of it has been seen.
struct Description {
    document: Value,
    seen: BTreeSet<(String, String, u16)>,
}

impl Description {
    fn of(server: &Server) -> Self {
        let response = server.connect().get("/api/sse/openapi.json");
        assert_eq!((response.status(), response.field("content-type")), (200, Some("application/json")));
        Self { document: response.json(), seen: BTreeSet::new() }
    }

    /// What a reference stands for.
    fn resolved<'v>(&'v self, value: &'v Value) -> &'v Value {
        match value["$ref"].as_str().and_then(|pointer| pointer.strip_prefix('#')) {
            Some(pointer) => self.document.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is nowhere")),
            None => value,
        }
    }

    /// A schema that may refer to the others.
    fn validator(&self, schema: &Value) -> Validator {
        let mut root = schema.clone();
        root["components"] = self.document["components"].clone();
        jsonschema::draft202012::new(&root).expect("a schema")
    }

    /// Checks an answer to an operation against what is written of it.
    fn check(&mut self, path: &str, method: &str, response: &Response) {
        let (status, shown) = (response.status(), format!("{method} {path}: {}", response.status()));
        let operation = &self.document["paths"][path][method.to_lowercase()];
        assert!(operation.is_object(), "{shown} is not described");
        let described = &operation["responses"][status.to_string()];
        assert!(described.is_object(), "{shown} is not described");
        let described = self.resolved(described);
        for (name, header) in described["headers"].as_object().into_iter().flatten() {
            let value = match response.field(&name.to_lowercase()) {
                Some(value) => value,
                None if header["required"] != true => continue,
                None => panic!("{shown} has no {name}"),
            };
            assert!(self.validator(&header["schema"]).is_valid(&json!(value)), "{shown}: {name}: {value}");
        }
        let content_type = response.field("content-type").unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default();
        match described["content"].as_object() {
            None => assert!(response.body.is_empty(), "{shown} has a body"),
            Some(content) => {
                let media = content.get(media_type);
                let media = media.unwrap_or_else(|| panic!("{shown} is {media_type}"));
                let body = match media_type.ends_with("json") {
                    true => response.json(),
                    false => json!(response.text()),
                };
                let validator = self.validator(&media["schema"]);
                let errors: Vec<String> = validator
                    .iter_errors(&body)
                    .map(|error| format!("{}: {error}", error.instance_path()))
                    .collect();
                assert!(errors.is_empty(), "{shown}: {errors:?} in {body}");
            }
        }
        self.seen.insert((path.to_owned(), method.to_owned(), status));
    }

    /// Every operation and status in it.
    fn promised(&self) -> BTreeSet<(String, String, u16)> {
        let paths = self.document["paths"].as_object().expect("paths");
        let mut promised = BTreeSet::new();
        for (path, item) in paths {
            for (method, operation) in item.as_object().expect("operations") {
                for status in
                    operation["responses"].as_object().into_iter().flat_map(|responses| responses.keys())
                {
                    if let Ok(status) = status.parse() {
                        promised.insert((path.clone(), method.to_uppercase(), status));
                    }
                }
            }
        }
        promised
    }
}

const EVENTS: &str = "/api/sse/events";
const TEST: &str = "/api/sse/test";
const JSON: &str = "Content-Type: application/json\r\n";
const NDJSON: &str = "Content-Type: application/x-ndjson\r\n";

/// Requests to an open server, and what must come of them: path as described, method, target, fields, body, status.
const OPEN: [(&str, &str, &str, &str, &str, u16); 39] = [
    ("/api/sse", "HEAD", "/api/sse?topic=a.*", "", "", 200),
    ("/api/sse", "OPTIONS", "/api/sse", "", "", 204),
    ("/api/sse", "GET", "/api/sse?topic=a..b", "", "", 400),
    ("/api/sse", "GET", "/api/sse?topics=a", "", "", 400),
    ("/api/sse", "GET", "/api/sse", "Accept: text/html\r\n", "", 406),
    (EVENTS, "POST", EVENTS, JSON, r#"{"data":1}"#, 202),
    (
        EVENTS,
        "POST",
        EVENTS,
        JSON,
        r#"{"event":"x","text":"a","to":{"user":["a"],"where":{"k":1}},"except":{"session":"s"},"retry":1,"ttl":0}"#,
        202,
    ),
    (EVENTS, "POST", EVENTS, NDJSON, "{\"data\":1}\n{\"data\":2}\n", 202),
    (EVENTS, "POST", EVENTS, JSON, "{", 400),
    (EVENTS, "POST", EVENTS, "Content-Type: text/plain\r\n", "x", 415),
    (EVENTS, "POST", EVENTS, JSON, r#"{"data":1,"more":2}"#, 422),
    (EVENTS, "GET", "/api/sse/events?limit=2", "", "", 200),
    (EVENTS, "GET", "/api/sse/events?after=7-1&topic=a.*&user=ada&session=s", "", "", 200),
    (EVENTS, "GET", "/api/sse/events?limit=none", "", "", 400),
    ("/api/sse/stats", "GET", "/api/sse/stats", "", "", 200),
    ("/api/sse/stats", "GET", "/api/sse/stats", "Host: evil.example\r\n", "", 403),
    ("/api/sse/users", "GET", "/api/sse/users", "", "", 200),
    ("/api/sse/users/{userId}", "GET", "/api/sse/users/ada", "", "", 200),
    ("/api/sse/users/{userId}", "GET", "/api/sse/users/nobody%20here", "", "", 200),
    ("/api/sse/users/{userId}", "DELETE", "/api/sse/users/nobody", "", "", 200),
    ("/api/sse/clients/{clientId}", "DELETE", "/api/sse/clients/nobody", "", "", 200),
    ("/api/sse/users/{userId}", "GET", "/api/sse/users/%zz", "", "", 400),
    ("/api/sse/users/{userId}", "DELETE", "/api/sse/users/%", "", "", 400),
    ("/api/sse/clients/{clientId}", "DELETE", "/api/sse/clients/%4", "", "", 400),
    (TEST, "POST", TEST, JSON, r#"{"type":"ping"}"#, 202),
    (TEST, "POST", TEST, JSON, r#"{"type": "notification", "message": "Test message"}"#, 202),
    (
        TEST,
        "POST",
        TEST,
        JSON,
        r#"{"type":"progress","percentage":12.5,"operationId":"o","userId":"ada"}"#,
        202,
    ),
    (TEST, "POST", TEST, JSON, "x", 400),
    (TEST, "POST", TEST, NDJSON, "{}", 415),
    (TEST, "POST", TEST, JSON, r#"{"type":"announcement","level":"loud"}"#, 422),
    (TEST, "POST", TEST, "Host: evil.example\r\nContent-Type: application/json\r\n", "{}", 403),
    (TEST, "GET", TEST, "", "", 200),
    ("/api/sse/openapi.json", "GET", "/api/sse/openapi.json", "", "", 200),
    ("/api/sse/client.js", "GET", "/api/sse/client.js", "", "", 200),
    ("/api/sse/client.js", "GET", "/api/sse/client.js", "If-None-Match: *\r\n", "", 304),
    ("/sse-test", "GET", "/sse-test", "", "", 200),
    ("/metrics", "GET", "/metrics", "", "", 200),
    ("/healthz", "GET", "/healthz", "", "", 200),
    ("/readyz", "GET", "/readyz", "", "", 200),
];

/// What somebody without a token, and then somebody without permission, is refused.
const CLOSED: [(&str, &str, &str); 11] = [
    ("/api/sse", "GET", "/api/sse?topic=secret"),
    (EVENTS, "POST", EVENTS),
    (EVENTS, "GET", EVENTS),
    ("/api/sse/stats", "GET", "/api/sse/stats"),
    ("/metrics", "GET", "/metrics"),
    ("/api/sse/users", "GET", "/api/sse/users"),
    ("/api/sse/users/{userId}", "GET", "/api/sse/users/ada"),
    ("/api/sse/users/{userId}", "DELETE", "/api/sse/users/ada"),
    ("/api/sse/clients/{clientId}", "DELETE", "/api/sse/clients/x"),
    (TEST, "POST", TEST),
    (TEST, "GET", TEST),
];

#[test]
fn every_operation_answers_as_described() {
    let server = Server::start();
    let mut described = Description::of(&server);
    let subscriber = server.subscribe("?userId=ada&sessionId=s");
    for (path, method, target, fields, body, status) in OPEN {
        let mut connection = server.connect();
        if method == "HEAD" {
            connection.expect_head_only();
        }
        let response = connection.request(method, target, fields, body);
        assert_eq!(response.status(), status, "{method} {target} {body}");
        if method != "HEAD" {
            described.check(path, method, &response);
        } else {
            described.seen.insert((path.into(), method.into(), status));
        }
    }
    drop(subscriber);
    see_closed(&mut described);
    see_limits(&mut described);
    see_overload(&mut described);
    see_drain(&mut described, server);
    see_disk(&mut described);
    let missing: Vec<_> = described.promised().difference(&described.seen).cloned().collect();
    assert!(missing.is_empty(), "described, but never seen: {missing:?}");
}

fn see_disk(described: &mut Description) {
    let folder = TestFolder::new();
    let (server, moods) = moody(&folder);
    let held = moods.hold();
    let fields = format!("{JSON}Idempotency-Key: k\r\n");
    let mut connection = server.connect();
    connection.send(request("POST", EVENTS, &fields, r#"{"data": 1}"#).repeat(2));
    eventually("the second is refused", || {
        server.connect().get("/metrics").text().contains("code=\"409\"} 1\n")
    });
    drop(held);
    assert_eq!(connection.response().status(), 202);
    let response = connection.response();
    assert_eq!(response.status(), 409);
    described.check(EVENTS, "POST", &response);
    moods.fill();
    let response = server.post(r#"{"data": 1}"#);
    assert_eq!(response.status(), 507);
    described.check(EVENTS, "POST", &response);
}

fn see_closed(described: &mut Description) {
    let judge = |head: &fanfare::RequestHead<'_>| match head.bearer() {
        Some("ada") => Ok(Identity::new().user("ada")),
        _ => Err(Denial::Unauthorized("who are you?".into())),
    };
    let server = Server::with(|builder| builder.authenticate(judge).dev_endpoints(true));
    for (path, method, target) in CLOSED {
        for (token, status) in [("", 401), ("Authorization: Bearer ada\r\n", 403)] {
            let body = if method == "POST" { "{}" } else { "" };
            let response = server.connect().request(method, target, &format!("{token}{JSON}"), body);
            assert_eq!(response.status(), status, "{method} {target}");
            described.check(path, method, &response);
        }
    }
    // A stream: there is no end to check, only its beginning.
    let subscriber = Subscriber::open(server.address, "/api/sse", "Authorization: Bearer ada\r\n");
    assert_eq!(subscriber.greeting()["status"], "connected");
    described.seen.insert(("/api/sse".into(), "GET".into(), 200));
    let hidden = Server::with(|builder| builder.dev_endpoints(false));
    for method in ["GET", "POST"] {
        described.check(TEST, method, &hidden.connect().request(method, TEST, JSON, "{}"));
    }
    described.check("/sse-test", "GET", &hidden.connect().get("/sse-test"));
}

fn see_limits(described: &mut Description) {
    let server = Server::with(|builder| builder.publish_rate(1).max_body(8000));
    let large = format!("{{\"data\":\"{}\"}}", "x".repeat(9000));
    described.check(EVENTS, "POST", &server.connect().post(EVENTS, large));
    // What a batch takes beyond the rate is owed, so that nothing is taken for the next ten minutes.
    let batch = "{\"data\":1}\n".repeat(600);
    assert_eq!(server.connect().request("POST", EVENTS, NDJSON, batch).status(), 202);
    described.check(EVENTS, "POST", &server.connect().post(EVENTS, r#"{"data":1}"#));
    described.check(TEST, "POST", &server.connect().post(TEST, "{}"));
}

/// An event loop that hangs lets publications pile up, to a limit.
fn see_overload(described: &mut Description) {
    let server = Server::with(|builder| builder.workers(1));
    let _subscriber = server.subscribe("");
    // Handed over to the control thread while the loop still turns.
    let mut connection = server.connect();
    assert_eq!(connection.get("/healthz").status(), 200);
    let released = Arc::new(AtomicBool::new(false));
    let gate = released.clone();
    let hang = Target::filter(move |_| {
        let deadline = Deadline::new();
        while !gate.load(Ordering::Relaxed) && deadline.left().is_some() {
            thread::yield_now();
        }
        true
    });
    let event = Event::json("x", &1).expect("an event");
    server.publisher.publish(Publication::new(event, hang)).expect("published");
    let batch = "{\"data\":1}\n".repeat(40_000);
    let mut post = || connection.request("POST", EVENTS, NDJSON, &batch);
    let refused = (0..4).map(|_| post()).find(|response| response.status() != 202);
    released.store(true, Ordering::Relaxed);
    described.check(EVENTS, "POST", &refused.expect("a limit"));
}

fn see_drain(described: &mut Description, server: Server) {
    server.engine.begin_shutdown();
    described.check("/readyz", "GET", &server.connect().get("/readyz"));
}
