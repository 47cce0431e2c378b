//! Heartbeats.

use std::time::Duration;

use fanfare::{Heartbeat, Target};
use serde_json::Value;

use crate::server::Server;
use crate::support::clock::{Deadline, eventually, now, unix_ms};

const INTERVAL: Duration = Duration::from_millis(300);

fn server(heartbeat: Heartbeat) -> Server {
    Server::with(|builder| builder.heartbeat(heartbeat).heartbeat_interval(INTERVAL))
}

#[test]
fn an_idle_stream_gets_a_ping_with_the_time_and_without_an_id() {
    let server = server(Heartbeat::Event);
    let mut subscriber = server.subscribe("");
    let id = subscriber.last_event_id().to_owned();
    let opened = now();
    for n in 1..=3 {
        let ping = subscriber.next();
        assert_eq!((ping.event.as_str(), &ping.id, ping.retry), ("ping", &None, None));
        assert_eq!(ping.last_event_id, id, "a browser's place stays");
        let data: Value = serde_json::from_str(&ping.data).expect("JSON");
        let timestamp = data["timestamp"].as_u64().expect("a time");
        assert!(unix_ms().abs_diff(timestamp) < 5_000, "{timestamp}");
        assert_eq!(data.as_object().map(serde_json::Map::len), Some(1));
        // The stream was sent its first event a moment before it was read.
        assert!(opened.elapsed() + Duration::from_millis(50) >= INTERVAL * n, "ping {n} is too early");
    }
}

#[test]
fn a_stream_that_is_sent_something_gets_no_heartbeat() {
    let server = server(Heartbeat::Event);
    let (mut busy, mut idle) = (server.subscribe("?userId=busy"), server.subscribe(""));
    // The longest time between two events; a machine that is busy elsewhere may make it too long.
    let (mut longest, mut sent, mut last) = (Duration::ZERO, 0, now());
    let deadline = Deadline::after(4 * INTERVAL);
    while deadline.left().is_some() {
        std::thread::sleep(INTERVAL / 15);
        server.publisher.send_update(&sent, Target::user("busy")).expect("room");
        longest = longest.max(last.elapsed());
        (sent, last) = (sent + 1, now());
    }
    let messages = busy.take(sent);
    let is_undisturbed = messages.iter().all(|message| message.event == "update");
    assert!(is_undisturbed || longest > INTERVAL / 2, "a ping on a busy stream");
    assert!(idle.take(2).iter().all(|message| message.event == "ping"));
    assert_eq!(busy.next().event, "ping", "once it is idle");
}

#[test]
fn a_heartbeat_can_be_a_comment() {
    let server = server(Heartbeat::Comment);
    let mut subscriber = server.subscribe("");
    eventually("two comments", || {
        subscriber.read_for(INTERVAL);
        subscriber.reader().comments().len() >= 2
    });
    assert_eq!(subscriber.reader().messages.len(), 1, "no event");
}

#[test]
fn heartbeats_can_be_off() {
    let server = server(Heartbeat::Off);
    let mut subscriber = server.subscribe("");
    assert!(!subscriber.read_for(4 * INTERVAL), "nothing comes");
    assert_eq!(server.publisher.stats().expect("an answer").engine.heartbeats, 0);
}

#[test]
fn heartbeats_are_not_in_history() {
    let server = server(Heartbeat::Event);
    let mut subscriber = server.subscribe("");
    subscriber.take(2);
    let id = subscriber.last_event_id().to_owned();
    let resumed = server.resume("", &id);
    assert_eq!((resumed.reason(), resumed.last_event_id()), (None, &*id));
    assert_eq!(server.publisher.stats().expect("an answer").engine.events_published, 0);
}
