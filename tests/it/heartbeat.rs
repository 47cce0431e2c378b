//! Heartbeats.

use std::time::Duration;

use fanfare::{Heartbeat, Target};
use serde_json::Value;

use crate::server::Server;
use crate::support::clock::{Deadline, eventually, unix_ms};

const INTERVAL: Duration = Duration::from_millis(300);

fn server(heartbeat: Heartbeat) -> Server {
    Server::with(|builder| builder.heartbeat(heartbeat).heartbeat_interval(INTERVAL))
}

#[test]
fn an_idle_stream_gets_a_ping_with_the_time_and_without_an_id() {
    let server = server(Heartbeat::Event);
    let mut subscriber = server.subscribe("");
    // It was sent its first event then, or later.
    let mut last = server.stats().oldest_connection.expect("a stream");
    let id = subscriber.last_event_id().to_owned();
    for n in 1..=3 {
        let ping = subscriber.next();
        assert_eq!((ping.event.as_str(), &ping.id, ping.retry), ("ping", &None, None));
        assert_eq!(ping.last_event_id, id, "a browser's place stays");
        let data: Value = serde_json::from_str(&ping.data).expect("JSON");
        let timestamp = data["timestamp"].as_u64().expect("a time");
        // By the server's own clocks; each time is cut to whole ms.
        let due = last + INTERVAL.as_millis() as u64 - 1;
        assert!(timestamp >= due, "ping {n} is too early: {timestamp}, and not {due}");
        assert!(timestamp <= unix_ms(), "{timestamp}");
        assert_eq!(data.as_object().map(serde_json::Map::len), Some(1));
        last = timestamp;
    }
}

#[test]
fn a_stream_that_is_sent_something_gets_no_heartbeat() {
    let server = server(Heartbeat::Event);
    let (mut busy, mut idle) = (server.subscribe("?userId=busy"), server.subscribe(""));
    // A machine that is busy elsewhere may make a pause of an interval, and then a heartbeat is right. The simulation
    // knows when one may be sent; here it is enough that the stream stays without one for once, in a time in which the
    // idle one gets two at least.
    eventually("the busy stream is left alone", || {
        let deadline = Deadline::after(4 * INTERVAL);
        let mut sent = 0;
        while deadline.left().is_some() {
            server.publisher.send_update(&sent, Target::user("busy")).expect("room");
            sent += 1;
            std::thread::sleep(INTERVAL / 15);
        }
        // What came before the first of them came while nothing was published.
        busy.before("update");
        let pings = (1..sent).map(|_| busy.before("update").len()).sum::<usize>();
        assert!(idle.take(2).iter().all(|message| message.event == "ping"));
        pings == 0
    });
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
    assert_eq!(server.stats().engine.heartbeats, 0);
}

#[test]
fn heartbeats_are_not_in_history() {
    let server = server(Heartbeat::Event);
    let mut subscriber = server.subscribe("");
    subscriber.take(2);
    let id = subscriber.last_event_id().to_owned();
    let resumed = server.resume("", &id);
    assert_eq!((resumed.reason(), resumed.last_event_id()), (None, &*id));
    assert_eq!(server.stats().engine.events_published, 0);
}
