//! SIGHUP: keys are read anew, and no stream is dropped.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use super::jwks::set_of;
use super::key::{Key, SECRET};
use super::keyed::{Keyed, bearer, post, publish, signed, subscribe};
use super::token::Token;
use crate::server::Server;
use crate::support::client::Connection;
use crate::support::clock::{PATIENCE, eventually};

const OTHER_SECRET: &[u8] = b"the next secret, of more than 32 bytes as well";
const OLD: &str = "k_live_old_0123456789";
const NEW: &str = "k_live_new_0123456789";
const LASTING: &str = "k_live_lasting_0123456789";

fn keys(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name} publish admin\n")).collect()
}

fn status(connection: &mut Connection, credential: &str) -> u16 {
    connection.request("GET", "/api/sse/stats", &bearer(credential), "").status()
}

/// Replaces a file, and says so.
fn reload(server: &Keyed, option: &str, content: impl AsRef<[u8]>) {
    server.replace(option, content);
    server.signal(Signal::HUP);
}

#[test]
fn api_keys_are_read_anew() {
    let files = [
        ("api-key-file", keys(&[OLD, LASTING])),
        ("jwt-secret-file", String::from_utf8_lossy(SECRET).into()),
    ];
    let files = files.each_ref().map(|(option, content)| (*option, content.as_bytes()));
    let server = Keyed::start(&files, &[]);
    let mut connection = server.connect();
    let mut stream = subscribe(&server, "", &signed(&Token::new()));
    assert_eq!([OLD, NEW, LASTING].map(|key| status(&mut connection, key)), [200, 401, 200]);
    reload(&server, "api-key-file", keys(&[NEW, LASTING]));
    eventually("the new key is known", || status(&mut connection, NEW) == 200);
    // Also on a connection that was open before.
    assert_eq!([OLD, NEW, LASTING].map(|key| status(&mut connection, key)), [401, 200, 200]);
    reload(&server, "api-key-file", format!("{NEW} publish\n{LASTING} publish admin\n"));
    eventually("its scopes are others", || status(&mut connection, NEW) == 403);
    let id = publish(&mut connection, &bearer(NEW), &json!({"data": 1}));
    assert_eq!(stream.next().id, Some(id), "the stream is open still");
}

#[test]
fn the_secret_is_read_anew_and_streams_of_the_old_one_go_on() {
    let server = Keyed::secret(&[]);
    let mut connection = server.connect();
    let [old, new] = [SECRET, OTHER_SECRET].map(|secret| Token::of_all_scopes().sign(Key::Secret(secret)));
    let mut stream = subscribe(&server, "", &bearer(&old));
    assert_eq!((status(&mut connection, &old), status(&mut connection, &new)), (200, 401));
    reload(&server, "jwt-secret-file", OTHER_SECRET);
    eventually("the new secret is known", || status(&mut connection, &new) == 200);
    assert_eq!(status(&mut connection, &old), 401);
    // New streams are of the new one, on every event loop; what is open stays.
    for _ in 0..8 {
        super::verdict::unauthorized(&server.connect().request("GET", "/api/sse", &bearer(&old), ""));
        subscribe(&server, "", &bearer(&new));
    }
    let id = publish(&mut connection, &bearer(&new), &json!({"data": 1}));
    assert_eq!(stream.next().id, Some(id));
}

#[test]
fn a_set_of_keys_is_rotated() {
    let set = |kids: &[&str]| set_of(kids).to_string();
    let server = Keyed::start(&[("jwks-file", set(&["rsa-1"]).as_bytes())], &[]);
    let mut connection = server.connect();
    let [old, new] = [("rsa-1", Key::Rsa), ("ec-1", Key::Ec)]
        .map(|(kid, key)| Token::of_all_scopes().header("kid", kid).sign(key));
    assert_eq!((status(&mut connection, &old), status(&mut connection, &new)), (200, 401));
    reload(&server, "jwks-file", set(&["rsa-1", "ec-1"]));
    eventually("both are known", || status(&mut connection, &new) == 200);
    assert_eq!(status(&mut connection, &old), 200);
    reload(&server, "jwks-file", set(&["ec-1"]));
    eventually("the old one is not", || status(&mut connection, &old) == 401);
    assert_eq!(status(&mut connection, &new), 200);
}

#[test]
fn a_bad_file_keeps_the_old_keys_and_says_so() {
    let set = set_of(&["ec-1"]).to_string();
    let public = super::key::EC_PUBLIC;
    let secret = Token::of_all_scopes().sign(Key::Secret(SECRET));
    let token = Token::of_all_scopes().header("kid", "ec-1").sign(Key::Ec);
    for (option, good, bad, credential) in [
        ("api-key-file", keys(&[OLD]).as_bytes(), &b"k_live_bad nonsense\n"[..], OLD),
        ("api-key-file", keys(&[OLD]).as_bytes(), b"", OLD),
        ("jwt-secret-file", SECRET, b"\n", &secret),
        ("jwt-public-key-file", public, b"-----BEGIN", &token),
        ("jwks-file", set.as_bytes(), b"{\"keys\":", &token),
        ("jwks-file", set.as_bytes(), b"{\"keys\":[]}", &token),
        ("jwks-file", set.as_bytes(), br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA"}]}"#, &token),
    ] {
        let mut server = Keyed::start(&[(option, good)], &[]);
        let mut connection = server.connect();
        let before = server.log().len();
        reload(&server, option, bad);
        eventually("it says so", || server.log()[before..].contains(option));
        let said = server.log()[before..].to_owned();
        let line = said.lines().find(|line| line.contains(option)).expect("a line");
        assert!(line.contains("WARN") || line.contains("ERROR"), "{line}");
        assert!(!said.contains("k_live_bad"), "{said}");
        assert_eq!(status(&mut connection, credential), 200, "{option}: the old keys are good still");
        assert_eq!(status(&mut server.connect(), "nonsense"), 401);
        // And once the file is good again, so is everything.
        reload(&server, option, good);
        eventually("it goes on", || status(&mut connection, credential) == 200);
        assert!(server.is_running());
    }
}

#[test]
fn a_file_that_is_gone_keeps_the_old_keys() {
    let mut server = Keyed::start(&[("api-key-file", keys(&[OLD]).as_bytes())], &[]);
    let mut connection = server.connect();
    let before = server.log().len();
    server.remove("api-key-file");
    server.signal(Signal::HUP);
    eventually("it says so", || server.log()[before..].contains("api-key-file"));
    assert_eq!(status(&mut connection, OLD), 200);
    reload(&server, "api-key-file", keys(&[NEW]));
    eventually("it is there again", || status(&mut connection, NEW) == 200);
    assert!(server.is_running());
}

/// Without keys there is nothing to read, which is no reason to end.
#[test]
fn in_open_mode_it_goes_on() {
    let mut server = Server::start(&[]);
    let mut stream = server.subscribe("");
    for _ in 0..3 {
        server.signal(Signal::HUP);
    }
    assert!(!stream.read_for(Duration::from_millis(100)), "the stream goes on");
    let id = crate::server::publish(&mut server.connect(), &json!({"data": 1}));
    assert_eq!(stream.next().id, Some(id));
    assert!(server.is_running());
}

/// Nor is it a reason to end sooner, or not at all, once it was asked to end.
#[test]
fn while_it_drains_it_goes_on_draining() {
    let files =
        [("api-key-file", keys(&[LASTING])), ("jwt-secret-file", String::from_utf8_lossy(SECRET).into())];
    let files = files.each_ref().map(|(option, content)| (*option, content.as_bytes()));
    let mut server = Keyed::start(&files, &["--drain-timeout", "1day", "--connection-timeout", "1day"]);
    let stuck = subscribe(&server, "", &signed(&Token::new()));
    let mut connection = server.connect();
    let event = json!({"data": "x".repeat(100_000)});
    eventually("it is stuck", || {
        publish(&mut connection, &bearer(LASTING), &event);
        let stats = connection.request("GET", "/api/sse/stats", &bearer(LASTING), "").json();
        stats["engine"]["backlogBytes"].as_u64() > Some(200_000)
    });
    server.signal(Signal::TERM);
    eventually("nobody is listened to any more", || TcpStream::connect(server.address).is_err());
    for _ in 0..3 {
        server.signal(Signal::HUP);
        thread::sleep(Duration::from_millis(20));
    }
    assert!(server.is_running());
    drop(stuck);
    assert!(server.exit_within(PATIENCE).success());
}

/// Before streams are ended, everything goes on.
#[test]
fn before_streams_are_ended_keys_are_still_read_anew() {
    let files = [("api-key-file", keys(&[OLD])), ("jwt-secret-file", String::from_utf8_lossy(SECRET).into())];
    let files = files.each_ref().map(|(option, content)| (*option, content.as_bytes()));
    let server = Keyed::start(&files, &["--drain-delay", "1day"]);
    let mut connection = server.connect();
    server.signal(Signal::TERM);
    eventually("it is not ready", || connection.get("/readyz").status() == 503);
    reload(&server, "api-key-file", keys(&[NEW]));
    eventually("the new key is known", || status(&mut connection, NEW) == 200);
    assert_eq!(status(&mut connection, OLD), 401);
}

/// Tells threads to end, also where the test fails.
struct Stop<'t>(&'t AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// While keys are exchanged as fast as that goes, no good request is refused, no bad one let in, and no event
/// of a stream missed.
#[test]
fn under_load_nobody_notices() {
    const RELOADS: usize = 60;
    let sources = [keys(&[LASTING, OLD]), keys(&[NEW, LASTING]), "k_live_bad nonsense\n".to_owned()];
    let files = [("api-key-file", sources[0].as_bytes()), ("jwt-secret-file", SECRET)];
    let mut server = Keyed::start(&files, &["--workers", "2"]);
    let mut streams: Vec<_> = (0..8).map(|_| subscribe(&server, "", &signed(&Token::new()))).collect();
    let done = AtomicBool::new(false);
    let counts = thread::scope(|scope| {
        let stop = Stop(&done);
        let publishers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut connection, mut count) = (server.connect(), 0);
                    while !done.load(Ordering::Relaxed) {
                        let event = r#"{"data":1}"#;
                        let response = post(&mut connection, "/api/sse/events", &bearer(LASTING), event);
                        assert_eq!(response.status(), 202, "{}", response.text());
                        assert_eq!(status(&mut connection, "k_live_bad"), 401);
                        assert!(matches!(status(&mut connection, OLD), 200 | 401));
                        let mut other = server.connect();
                        assert_eq!(
                            other.request("HEAD", "/api/sse", &signed(&Token::new()), "").status(),
                            200
                        );
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        // Read as they come, so that no stream falls behind by more than history holds, however long this takes.
        for stream in &mut streams {
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    stream.read_for(Duration::from_millis(100));
                }
            });
        }
        let mut connection = server.connect();
        for round in 0..RELOADS {
            reload(&server, "api-key-file", &sources[round % sources.len()]);
            // Each good file is awaited, so that each is read.
            match round % sources.len() {
                0 => eventually("the old key is back", || status(&mut connection, OLD) == 200),
                1 => eventually("the new key is known", || status(&mut connection, NEW) == 200),
                _ => {}
            }
        }
        drop(stop);
        publishers.into_iter().map(|publisher| publisher.join().expect("no refusal")).collect::<Vec<usize>>()
    });
    let total = counts.iter().sum::<usize>();
    assert!(total > 0, "there was load");
    let last = publish(&mut server.connect(), &bearer(LASTING), &json!({"data": "last"}));
    for stream in &mut streams {
        let messages = stream.take(total + 1);
        let sequence: Vec<u64> =
            messages.iter().filter_map(|message| message.id.as_deref()).map(super::keyed::sequence).collect();
        assert!(sequence.windows(2).all(|two| two[0] + 1 == two[1]), "in order and without a gap");
        assert_eq!(messages[total].id.as_ref(), Some(&last));
    }
    assert!(server.is_running());
}
