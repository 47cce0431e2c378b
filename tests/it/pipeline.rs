//! Any requests on one connection, sent in any pieces, over a journal that commits at any time, against a model of the
//! answers: in order, each right, and nothing done that should not be.

use std::io::Write;
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;

use crate::late_journal::{Fortune, late};
use crate::server::{Server, id_of, parts};
use crate::support::client::{Connection, Response, request};
use crate::support::clock::PATIENCE;
use crate::support::subscriber::Subscriber;

const SEEDS: u64 = 80;
const EVENTS: &str = "/api/sse/events";
const JSON: &str = "Content-Type: application/json\r\n";
const LINES: &str = "Content-Type: application/x-ndjson\r\n";

/// What an answer must be.
#[derive(Debug)]
enum Expected {
    /// The event has this number. `true`: after an interim answer.
    Published(u64, bool),
    /// The events have these numbers.
    Batch(u64, u64),
    Problem(u16),
    /// Nothing but a head.
    Head,
    /// So many events were published before.
    Statistics(u64),
    Healthy,
}

/// How a connection goes on after all answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Closed,
    HalfClosed,
    Stream,
}

/// What has been published to a server.
#[derive(Default)]
struct Published {
    /// Publications before the journal.
    publications: u64,
    /// Events that are kept.
    events: u64,
}

/// What one connection sends, and what must come of it.
struct Script {
    bytes: Vec<u8>,
    expected: Vec<Expected>,
    end: End,
}

fn fortune(publication: u64) -> Fortune {
    match publication {
        n if n % 7 == 3 => Fortune::Lost,
        n if n % 11 == 5 => Fortune::Refused,
        _ => Fortune::Kept,
    }
}

impl Published {
    /// One publication more, of so many events. The number of its first one, if it is kept.
    fn add(&mut self, events: u64) -> Option<u64> {
        self.publications += 1;
        let is_kept = fortune(self.publications - 1) == Fortune::Kept;
        is_kept.then(|| {
            self.events += events;
            self.events + 1 - events
        })
    }
}

impl Script {
    fn new(random: &mut Rng, published: &mut Published) -> Self {
        let mut script = Self { bytes: Vec::new(), expected: Vec::new(), end: End::Open };
        // Mostly publishes, in some scripts nothing else.
        let kinds = random.u32(1..30);
        for _ in 0..random.usize(1..120) {
            script.add(random.u32(..kinds), random, published);
        }
        script.finish(random, published);
        script
    }

    fn push(&mut self, bytes: impl AsRef<[u8]>, expected: Expected) {
        self.bytes.extend_from_slice(bytes.as_ref());
        self.expected.push(expected);
    }

    fn publish(&mut self, bytes: impl AsRef<[u8]>, interim: bool, published: &mut Published) {
        let expected = match published.add(1) {
            Some(number) => Expected::Published(number, interim),
            None => Expected::Problem(503),
        };
        self.push(bytes, expected);
    }

    fn add(&mut self, kind: u32, random: &mut Rng, published: &mut Published) {
        let get = |target: &str| request("GET", target, "", "");
        match kind {
            0..14 => self.publish(request("POST", EVENTS, JSON, r#"{"data":1}"#), false, published),
            14 | 15 => {
                let head = format!("POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\n{JSON}");
                let body = "Transfer-Encoding: chunked\r\n\r\n3\r\n{\"d\r\n7\r\nata\":1}\r\n0\r\n\r\n";
                self.publish(head + body, false, published);
            }
            16 => {
                let fields = format!("{JSON}Expect: 100-continue\r\n");
                self.publish(request("POST", EVENTS, &fields, r#"{"data":1}"#), true, published);
            }
            17 | 18 => {
                let count = random.u64(1..9);
                let bytes = request("POST", EVENTS, LINES, "{\"data\":1}\n".repeat(count as usize));
                let expected = match published.add(count) {
                    Some(first) => Expected::Batch(first, first + count - 1),
                    None => Expected::Problem(503),
                };
                self.push(bytes, expected);
            }
            19 => self.push(request("POST", EVENTS, JSON, "{"), Expected::Problem(400)),
            20 => self.push(request("POST", EVENTS, LINES, "{}\n{"), Expected::Problem(422)),
            21 => self.push(request("POST", EVENTS, "", "x"), Expected::Problem(415)),
            22 | 23 => self.push(get("/nothing"), Expected::Problem(404)),
            24 => self.push(request("HEAD", "/healthz", "", ""), Expected::Head),
            25 => self.push(request("HEAD", "/nothing", "", ""), Expected::Head),
            26 | 27 => self.push(get("/api/sse/stats"), Expected::Statistics(published.events)),
            28 if random.u8(..4) == 0 => {
                // More answers than may wait to be written.
                (0..400).for_each(|_| self.push(get("/nothing"), Expected::Problem(404)));
            }
            _ => self.push(get("/healthz"), Expected::Healthy),
        }
    }

    fn finish(&mut self, random: &mut Rng, published: &mut Published) {
        let post = |fields: &str| request("POST", EVENTS, &format!("{JSON}{fields}"), r#"{"data":1}"#);
        self.end = match random.u8(..6) {
            0 => {
                self.publish(post("Connection: close\r\n"), false, published);
                self.bytes.extend(post(""));
                End::Closed
            }
            1 => {
                self.push("nonsense\r\n\r\n", Expected::Problem(400));
                self.bytes.extend(post(""));
                End::Closed
            }
            2 => {
                self.bytes.extend(request("GET", "/api/sse", "", ""));
                End::Stream
            }
            3 => End::HalfClosed,
            _ => End::Open,
        };
    }
}

impl Expected {
    fn is_head(&self) -> bool {
        matches!(self, Self::Head)
    }

    fn check(&self, response: &Response) {
        let interim: &[u16] = if matches!(self, Self::Published(_, true)) { &[100] } else { &[] };
        let member = |name: &str| response.json()[name].as_str().map(parts).expect("an id").1;
        match self {
            Self::Published(number, _) => {
                assert_eq!(parts(&id_of(response)).1, *number);
                assert_eq!(response.interim, interim);
            }
            Self::Batch(first, last) => {
                assert_eq!(response.json()["accepted"], last - first + 1);
                assert_eq!((member("firstId"), member("lastId")), (*first, *last));
            }
            Self::Problem(status) => drop(response.problem(*status)),
            Self::Head => assert!(response.body.is_empty() && response.field("content-length").is_some()),
            Self::Statistics(published) => {
                assert_eq!(response.json()["engine"]["eventsPublished"], Value::from(*published));
            }
            Self::Healthy => assert_eq!((response.status(), response.text()), (200, "ok\n")),
        }
    }
}

/// Sends it in pieces of random sizes.
fn send(script: &Script, connection: &Connection, random: &mut Rng) -> thread::JoinHandle<()> {
    let (mut socket, bytes, end) = (connection.clone_socket(), script.bytes.clone(), script.end);
    let mut random = random.fork();
    let most = [1, 10, 300, usize::MAX][random.usize(..4)];
    thread::spawn(move || {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, others) = rest.split_at(random.usize(1..=most.min(rest.len())));
            // It may have closed behind the last answer.
            if socket.write_all(piece).is_err() {
                return;
            }
            rest = others;
        }
        if end == End::HalfClosed {
            let _ = socket.shutdown(std::net::Shutdown::Write);
        }
    })
}

fn run(seed: u64, server: &Server, published: &mut Published) {
    let mut random = Rng::with_seed(seed);
    let script = Script::new(&mut random, published);
    let mut connection = server.connect();
    connection.expect_heads(script.expected.iter().map(Expected::is_head));
    let sent = send(&script, &connection, &mut random);
    for (n, expected) in script.expected.iter().enumerate() {
        let response = connection.try_response();
        let response = response.unwrap_or_else(|| panic!("the end before {expected:?}, answer {n}"));
        let close = script.end == End::Closed && n + 1 == script.expected.len();
        assert_eq!(response.field("connection") == Some("close"), close, "{expected:?}, answer {n}");
        expected.check(&response);
    }
    match script.end {
        End::Open => assert!(connection.is_open()),
        End::Closed | End::HalfClosed => connection.expect_end(),
        End::Stream => {
            let subscriber = Subscriber::after(connection);
            assert_eq!(parts(subscriber.last_event_id()).1, published.events);
        }
    }
    sent.join().expect("no panic");
}

#[test]
fn answers_are_in_order_and_right() {
    /// Says which one fails.
    struct Seed(u64);
    impl Drop for Seed {
        fn drop(&mut self) {
            if thread::panicking() {
                eprintln!("seed {}", self.0);
            }
        }
    }

    let (server, commits) = late(fortune);
    let mut random = Rng::with_seed(1);
    let committing = commits.keep_committing(move || {
        let most = [1, 5, 100, usize::MAX][random.usize(..4)];
        (most, Duration::from_micros(random.u64(..3000)))
    });
    let mut published = Published::default();
    for seed in 0..SEEDS {
        let seed = Seed(seed);
        run(seed.0, &server, &mut published);
    }
    assert_eq!(server.stats().engine.events_published, published.events);
    server.engine.shutdown(PATIENCE);
    committing.join().expect("no panic");
}
