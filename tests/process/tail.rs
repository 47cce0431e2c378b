//! `fanfare tail`.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::server::{Server, command, publish, stats};
use crate::shell::{Running, refusal, url};
use crate::support::clock::eventually;
use crate::support::port::Port;

/// Follows, and waits until the server has the stream.
fn follow(server: &Server, args: &[&str]) -> Running {
    let before = streams(server);
    let running = Running::start(&[&["tail", "--url", &url(server.address)], args].concat(), &[]);
    eventually("it follows", || streams(server) > before);
    running
}

fn streams(server: &Server) -> u64 {
    server.stats()["totalConnections"].as_u64().expect("a number")
}

fn send(server: &Server, publication: Value) -> String {
    publish(&mut server.connect(), &publication)
}

#[test]
fn events_are_json_lines() {
    let server = Server::start(&["--heartbeat-interval", "50ms"]);
    let mut tail =
        follow(&server, &["--count", "4", "--user-id", "a b&c", "--topic", "t.>", "--meta", "room=5"]);
    let target = json!({"user": "a b&c", "where": {"room": "5"}});
    let first = send(&server, json!({"event": "update", "data": {"a": [2], "b": 1}, "to": target}));
    assert_eq!(
        tail.line(),
        format!("{{\"id\":\"{first}\",\"event\":\"update\",\"data\":{{\"a\":[2],\"b\":1}}}}")
    );
    let second = send(&server, json!({"text": "one\ntwo", "to": {"topic": "t.x.y"}}));
    assert_eq!(tail.json(), json!({"id": second, "event": "message", "data": "one\ntwo"}));
    send(&server, json!({"data": "not for it", "to": {"session": "s"}}));
    for n in 0..9 {
        send(&server, json!({"data": n}));
    }
    let rest: Vec<Value> = tail.rest().iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rest.iter().map(|event| &event["data"]).collect::<Vec<_>>(), [&json!(0), &json!(1)]);
    assert_eq!((tail.status(), tail.said()), (Some(0), String::new()));
}

#[test]
fn all_shows_what_the_server_says_and_text_is_plain() {
    let server = Server::start(&["--heartbeat-interval", "50ms"]);
    let tail = follow(&server, &["--all", "--format", "text", "--session-id", "s-1"]);
    let greeting = tail.line();
    assert!(
        greeting.starts_with("connection: {") && greeting.contains("\"sessionId\":\"s-1\""),
        "{greeting}"
    );
    assert!(tail.line().starts_with("ping: {\"timestamp\":"));
    send(&server, json!({"event": "note", "text": "one\ntwo"}));
    let lines: Vec<String> =
        std::iter::repeat_with(|| tail.line()).filter(|line| !line.starts_with("ping")).take(2).collect();
    assert_eq!(lines, ["note: one", "  two"]);
}

/// What an event holds is not for a terminal to obey.
#[test]
fn control_characters_are_shown_instead_of_sent() {
    let server = Server::start(&[]);
    let data = "\u{1b}]0;title\u{7}\u{9b}31m\u{202e}end";
    let [text, json] = ["text", "json"].map(|format| follow(&server, &["--count", "1", "--format", format]));
    send(&server, json!({"event": "u\u{202e}pdate", "text": data}));
    assert_eq!(text.line(), "u\\u{202e}pdate: \\u{1b}]0;title\\u{7}\\u{9b}31m\\u{202e}end");
    let line = json.line();
    assert!(line.is_ascii() && line.contains("\\u001b]0;title\\u0007\\u009b31m\\u202eend"), "{line}");
    let event: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&event["event"], &event["data"]), (&json!("u\u{202e}pdate"), &json!(data)));
}

#[test]
fn a_lost_stream_goes_on_where_it_was() {
    let server = Server::start(&["--retry", "300ms"]);
    let tail = follow(&server, &["--user-id", "ada"]);
    for round in 0..3 {
        send(&server, json!({"data": [round, "before"]}));
        assert_eq!(tail.json()["data"], json!([round, "before"]));
        let mut connection = server.connect();
        let answer = connection.request("DELETE", "/api/sse/users/ada", "", "");
        assert_eq!(answer.json(), json!({"disconnected": 1}));
        for n in 0..5 {
            send(&server, json!({"data": [round, n]}));
        }
        for n in 0..5 {
            assert_eq!(tail.json()["data"], json!([round, n]));
        }
    }
    assert!(!tail.said().contains("gap"), "{}", tail.said());
    // It is said before an event comes that shows it, but not always read by then.
    eventually("three losses are told", || tail.said().matches("; again in ").count() >= 3);
    assert_eq!(tail.said().matches("; again in ").count(), 3, "{}", tail.said());
}

#[test]
fn a_server_that_is_killed_and_comes_back_is_followed_on_and_the_gap_is_told() {
    let port = Port::reserve();
    let start = || Server::launch(command(&["--listen", &port.address().to_string(), "--retry", "20ms"]));
    let server = start();
    let mut tail = follow(&server, &[]);
    send(&server, json!({"data": "before"}));
    assert_eq!(tail.json()["data"], "before");
    drop(server);
    tail.wait_until_said("no answer from http://");
    let server = start();
    tail.wait_until_said("gap: events may be missing here (epoch)");
    send(&server, json!({"data": "after"}));
    assert_eq!(tail.json()["data"], "after");
    tail.signal(Signal::INT);
    assert_eq!(tail.status(), Some(0));
}

#[test]
fn a_server_that_shuts_down_in_good_order_is_told() {
    let mut server = Server::start(&["--drain-timeout", "100ms"]);
    let mut tail = follow(&server, &["--no-reconnect"]);
    server.signal(Signal::TERM);
    server.exit_within(crate::support::clock::PATIENCE);
    assert_eq!(tail.status(), Some(1));
    assert_eq!(tail.said(), "fanfare: the stream ended: the server is shutting down\n");
}

#[test]
fn it_begins_after_an_event() {
    let server = Server::start(&[]);
    let ids: Vec<String> = (0..4).map(|n| send(&server, json!({"data": n}))).collect();
    let args = ["tail", "--count", "2", "--url", &url(server.address)];
    let mut tail = Running::start(&[&args[..], &["--last-event-id", &ids[1]]].concat(), &[]);
    assert_eq!((tail.json()["id"].as_str(), tail.json()["id"].as_str()), (Some(&*ids[2]), Some(&*ids[3])));
    assert_eq!((tail.status(), tail.said()), (Some(0), String::new()));
    let mut tail = Running::start(&[&args[..], &["--last-event-id", "never one of ours"]].concat(), &[]);
    tail.wait_until_said("gap: events may be missing here (invalid)");
    tail.signal(Signal::TERM);
    assert_eq!(tail.status(), Some(0));
}

#[test]
fn a_silent_stream_is_taken_for_lost() {
    let server = Server::start(&["--heartbeat", "off", "--retry", "20ms"]);
    let tail = follow(&server, &["--heartbeat-timeout", "500ms", "--all"]);
    assert_eq!(tail.json()["event"], "connection");
    tail.wait_until_said("nothing came within the time for heartbeats; again in ");
    let second = tail.json();
    assert_eq!((&second["event"], &second["data"]["recovered"]), (&json!("connection"), &json!(true)));
}

#[test]
fn heartbeats_keep_a_stream_alive() {
    let server = Server::start(&["--heartbeat", "comment", "--heartbeat-interval", "20ms"]);
    // A machine that is busy elsewhere may make a pause that is longer than the timeout, but not any pause.
    let is_kept = [1, 4, 30].into_iter().any(|seconds| {
        eventually("nobody else follows", || streams(&server) == 0);
        let (url, timeout) = (url(server.address), format!("{seconds}s"));
        let args = ["tail", "--url", &url, "--heartbeat-timeout", &timeout, "--no-reconnect", "--count", "1"];
        let mut tail = Running::start(&args, &[]);
        eventually("it follows, or says that it is lost", || {
            streams(&server) == 1 || !tail.said().is_empty()
        });
        // Longer than the timeout, and without an event.
        std::thread::sleep(Duration::from_millis(1300) * seconds);
        send(&server, json!({"data": 1}));
        tail.status() == Some(0) && tail.json()["data"] == 1
    });
    assert!(is_kept, "it is lost, however much time it has");
}

#[test]
fn a_stream_that_is_refused_for_now_is_asked_for_again() {
    let server = Server::start(&["--max-connections", "1", "--retry", "20ms"]);
    let other = server.subscribe("");
    let tail = Running::start(&["tail", "--url", &url(server.address)], &[]);
    tail.wait_until_said("the stream is refused for now: full; again in ");
    drop(other);
    // The place is free, or taken by what waits for it.
    eventually("it is let in", || {
        send(&server, json!({"data": "now"}));
        tail.try_line().is_some()
    });
}

#[test]
fn what_is_refused_for_good_ends_it() {
    let server = Server::start(&[]);
    let address = server.address;
    let tail = |args: &[&str]| refusal(&[&["tail"], args].concat(), &[], "", 1);
    assert!(tail(&["--url", &format!("http://{address}/elsewhere")]).starts_with("refused with 404: "));
    assert!(tail(&["--url", &url(address), "--topic", "a..b"]).starts_with("refused with 400: "));
    let error = tail(&["--url", &format!("http://{address}/healthz")]);
    assert!(error.ends_with("/healthz is not an event stream"), "{error}");
    let keys = std::env::temp_dir().join(format!("fanfare-tail-keys-{}", std::process::id()));
    std::fs::write(&keys, "k_live publish\n").expect("a folder for temporary files");
    let server = Server::start(&["--api-key-file", keys.to_str().expect("a path in UTF-8")]);
    std::fs::remove_file(&keys).expect("it is there");
    let args = ["tail", "--url", &url(server.address)];
    assert!(refusal(&args, &[], "", 1).starts_with("refused with 401: "));
    assert!(refusal(&args, &[("FANFARE_TOKEN", "k_live")], "", 1).starts_with("refused with 403: "));
}

#[test]
fn wrong_options_are_refused_in_one_line() {
    for (args, name) in [
        (&["--count", "0"][..], "--count"),
        (&["--format", "xml"], "--format"),
        (&["--meta", "room"], "--meta"),
        (&["--last-event-id", "a\nb"], "--last-event-id"),
        (&["--heartbeat-timeout", "0s"], "--heartbeat-timeout"),
        (&["--url", "ftp://localhost/"], "--url"),
        (&["elsewhere"], "elsewhere"),
    ] {
        let error = refusal(&[&["tail"], args].concat(), &[], "", 2);
        assert!(error.contains(name), "{args:?}: {error}");
    }
}

#[test]
fn it_ends_when_nobody_reads() {
    let server = Server::start(&[]);
    let mut tail = follow(&server, &[]);
    send(&server, json!({"data": 1}));
    assert_eq!(tail.json()["data"], 1);
    tail.stop_reading();
    // The first line is still taken.
    eventually("it ends", || {
        send(&server, json!({"data": 2}));
        stats(&mut server.connect())["totalConnections"] == 0
    });
    assert_eq!((tail.status(), tail.said()), (Some(0), String::new()));
}

#[test]
fn a_signal_ends_it_though_its_output_is_stuck() {
    let server = Server::start(&[]);
    let (mut read, write) = std::io::pipe().expect("a pipe");
    let mut command = command(&["tail", "--url", &url(server.address)]);
    let mut child = command.stdout(write).spawn().expect("the program is there");
    drop(command);
    eventually("it follows", || streams(&server) == 1);
    let pad = "x".repeat(100_000);
    // More than a pipe holds.
    for _ in 0..3 {
        send(&server, json!({"data": pad}));
    }
    // The beginning is there, so that it is writing.
    std::io::Read::read_exact(&mut read, &mut [0]).expect("a byte");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::INT).expect("it runs");
    eventually("it ends", || {
        rustix::process::kill_process(pid, Signal::INT).expect("it was not waited for");
        child.try_wait().expect("a child").is_some()
    });
    assert_eq!(child.wait().expect("a child").code(), Some(130));
}
