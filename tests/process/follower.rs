//! `fanfare tail` and servers that are not ours: what they say counts as it does for every client, within limits.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::shell::{Running, url};

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/// A server that gives these answers, one a connection, the last again and again, and keeps the requests.
struct Scripted {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        // It ends with the process of the tests.
        thread::spawn(move || {
            for (n, socket) in listener.incoming().enumerate() {
                let Ok(mut socket) = socket else { continue };
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && socket.read(&mut byte).is_ok_and(|count| count > 0) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(head);
                // It may be gone.
                let _ = socket.write_all(answers[n.min(answers.len() - 1)].as_bytes());
            }
        });
        Self { address, requests }
    }

    fn tail(&self, args: &[&str]) -> Running {
        Running::start(&[&["tail", "--url", &url(self.address)], args].concat(), &[])
    }

    /// What each request said of where to go on.
    fn positions(&self) -> Vec<Option<String>> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let position = |head: &String| {
            let is_it = |line: &&str| line.to_ascii_lowercase().starts_with("last-event-id:");
            head.lines().find(is_it).and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
        };
        requests.iter().map(position).collect()
    }
}

/// How long it said that it waits, each time.
fn waits(tail: &Running) -> Vec<Duration> {
    let said = tail.said();
    let wait = |line: &str| humantime::parse_duration(line.split_once("; again in ")?.1).ok();
    said.lines().filter_map(wait).collect()
}

#[test]
fn whoever_is_told_to_come_back_at_once_takes_its_time() {
    let ends_at_once = format!("{STREAM}retry: 0\nid: 1\ndata: 1\n\n");
    let server = Scripted::start(&[&ends_at_once, STREAM]);
    let tail = server.tail(&[]);
    crate::support::clock::eventually("it has come back", || waits(&tail).len() >= 4);
    let waits = waits(&tail);
    for (n, wait) in waits.iter().take(4).enumerate() {
        let least = Duration::from_millis(100 << n.saturating_sub(1));
        assert!(*wait >= least && *wait <= least * 3, "{n}: {waits:?}");
    }
}

#[test]
fn nobody_is_kept_away_for_longer_than_a_day() {
    for retry in ["4294967296", "18446744073709551615", "99999999999999999999999"] {
        let server = Scripted::start(&[&format!("{STREAM}retry: {retry}\ndata: 1\n\n")]);
        server.tail(&[]).wait_until_said("; again in 1day\n");
    }
    let busy = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 9999999999\r\nContent-Length: 0\r\n\r\n";
    Scripted::start(&[busy]).tail(&[]).wait_until_said("; again in 1day\n");
}

#[test]
fn no_content_is_the_end() {
    let server = Scripted::start(&[
        &format!("{STREAM}retry: 1\nid: 7\ndata: 1\n\n"),
        "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    ]);
    let mut tail = server.tail(&[]);
    assert_eq!(tail.json()["data"], 1);
    assert_eq!((tail.status(), tail.rest()), (Some(0), Vec::<String>::new()));
    assert_eq!(server.positions(), [None, Some("7".to_owned())]);
}

#[test]
fn an_event_without_an_id_has_the_one_before_and_an_empty_one_takes_it_back() {
    let server = Scripted::start(&[
        &format!("{STREAM}retry: 1\nid: abc\ndata: 1\n\ndata: 2\n\n"),
        &format!("{STREAM}data: 3\n\nid:\ndata: 4\n\ndata: 5\n\n"),
        STREAM,
    ]);
    let tail = server.tail(&[]);
    let events: Vec<Value> = (0..5).map(|_| tail.json()).collect();
    let ids: Vec<&Value> = events.iter().map(|event| &event["id"]).collect();
    let abc = json!("abc");
    assert_eq!(ids, [&abc, &abc, &abc, &Value::Null, &Value::Null]);
    crate::support::clock::eventually("it comes back", || server.positions().len() >= 3);
    assert_eq!(server.positions()[..3], [None, Some("abc".to_owned()), None]);
}
