//! `fanfare history`, and `fanfare tail` from where history begins.

use serde_json::{Value, json};

use crate::server::Server;
use crate::shell::{Running, refusal, run, url};

fn lines(server: &Server, args: &[&str]) -> Vec<Value> {
    let output = run(&[&["history", "--url", &url(server.address)], args].concat(), &[], "");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*error), (Some(0), ""), "{args:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn data(lines: &[Value]) -> Vec<u64> {
    lines.iter().map(|line| line["data"].as_u64().expect("a number")).collect()
}

#[test]
fn what_history_holds_is_printed_page_after_page() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let ids: Vec<String> = (0..2_500)
        .map(|n| {
            let to = if n % 100 == 0 { json!({"user": "ada"}) } else { json!({"topic": "t.x"}) };
            crate::server::publish(&mut connection, &json!({"data": n, "to": to}))
        })
        .collect();
    let all = lines(&server, &[]);
    assert_eq!(data(&all), (0..2_500).collect::<Vec<_>>());
    assert_eq!((&all[0]["to"], &all[1]["id"]), (&json!({"user": "ada"}), &json!(ids[1])));
    let of_ada: Vec<u64> = (0..2_500).filter(|n| n % 100 == 0).collect();
    assert_eq!(data(&lines(&server, &["--user", "ada"])), of_ada);
    assert_eq!(data(&lines(&server, &["--user", "ada", "--limit", "3"])), of_ada[..3]);
    assert_eq!(data(&lines(&server, &["--after", &ids[2_497], "--topic", "t.*"])), [2_498, 2_499]);
    assert_eq!(data(&lines(&server, &["--limit", "1700"])).len(), 1_700);
    assert_eq!(lines(&server, &["--session", "nobody"]).len(), 0);
}

#[test]
fn control_characters_are_escaped() {
    let server = Server::start(&[]);
    server.publish(&json!({"text": "a\u{1b}[31m\u{9b}\u{202e}b"}));
    let output = run(&["history", "--url", &url(server.address)], &[], "");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{text:?}");
    let line: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(line["text"], "a\u{1b}[31m\u{9b}\u{202e}b");
}

#[test]
fn what_cannot_be_read_is_told_in_one_line() {
    let server = Server::start(&[]);
    let at = url(server.address);
    let refused =
        |args: &[&str], status| refusal(&[&["history", "--url", &at], args].concat(), &[], "", status);
    assert!(refused(&["--after", "x"], 1).starts_with("refused with 400: "));
    refused(&["--limit", "0"], 2);
    refused(&["--userId", "ada"], 2);
    drop(server);
    assert!(refused(&[], 1).starts_with("no answer from "));
}

#[test]
fn tail_begins_where_history_does() {
    let server = Server::start(&["--history-events", "5"]);
    let mut connection = server.connect();
    let mut publish =
        |n: u32| crate::server::publish(&mut connection, &json!({"data": n, "to": {"user": "ada"}}));
    (0..3).for_each(|n| drop(publish(n)));
    let at = url(server.address);
    let tail =
        |args: &[&str]| Running::start(&[&["tail", "--user-id", "ada", "--url", &at], args].concat(), &[]);
    for args in [&["--earliest", "--count", "3"][..], &["--since", "10m", "--count", "3"]] {
        let running = tail(args);
        let printed: Vec<Value> = (0..3).map(|_| running.json()["data"].clone()).collect();
        assert_eq!(printed, [0, 1, 2], "{args:?}");
        assert_eq!(running.said(), "");
    }
    (3..8).for_each(|n| drop(publish(n)));
    let running = tail(&["--earliest", "--count", "5"]);
    assert_eq!(running.json()["data"], 3);
    assert!(running.said().contains("gap: events may be missing here (expired)"), "{}", running.said());
    for args in
        [&["--earliest", "--since", "1h"][..], &["--earliest", "--last-event-id", "7-1"], &["--since", "x"]]
    {
        refusal(&[&["tail", "--url", &at], args].concat(), &[], "", 2);
    }
}
