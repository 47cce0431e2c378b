//! How long history keeps an event whose publisher has said so.

use std::time::Duration;

use fanfare::{Event, Publication, Target};
use serde_json::json;

use crate::server::{Server, parts};
use crate::support::clock::{eventually, now};

/// The server's clock counts whole ms.
const MS: Duration = Duration::from_millis(1);

#[test]
fn ttl_zero_is_delivered_and_never_held() {
    let server = Server::start();
    let mut live = server.subscribe("");
    let id = server.publish(&json!({"data": 1}));
    let fleeting = server.publish(&json!({"event": "fleeting", "data": 2, "ttl": 0}));
    assert_eq!(
        live.take(2).into_iter().filter_map(|message| message.id).collect::<Vec<_>>(),
        [id.clone(), fleeting.clone()]
    );
    let mut resumed = server.resume("", &id);
    assert_eq!(resumed.reason(), None, "its publisher wanted no more, so nobody is told of a gap");
    let newest = server.publish(&json!({"data": 3}));
    assert_eq!(resumed.next().id, Some(newest));
    assert_eq!(parts(&fleeting).1, 2, "it has a place in the order");
}

#[test]
fn ttl_is_how_long_history_keeps_an_event() {
    let server = Server::start();
    let first = server.publish(&json!({"data": 0}));
    let ttl = Duration::from_millis(300);
    let event = Event::json("brief", &1).expect("an event");
    let published = now();
    server.publisher.publish(Publication::new(event, Target::all()).ttl(ttl)).expect("room");
    let kept = server.publish(&json!({"data": 2, "ttl": 600}));
    // Only once the time has passed may it be missing.
    let is_there = server.resume("", &first).next().event == "brief";
    assert!(is_there || published.elapsed() + MS >= ttl, "gone after {:?}", published.elapsed());
    eventually("it is gone", || server.stats().engine.history.events == 2);
    assert_eq!(server.resume("", &first).next().id, Some(kept));
}

#[test]
fn a_ttl_over_http_is_in_seconds() {
    let server = Server::start();
    let first = server.publish(&json!({"data": 0}));
    let published = now();
    server.publish(&json!({"event": "brief", "data": 1, "ttl": 1}));
    eventually("it is gone", || server.stats().engine.history.events == 1);
    assert!(published.elapsed() + MS >= Duration::from_secs(1), "gone after {:?}", published.elapsed());
    let mut resumed = server.resume("", &first);
    assert_eq!(resumed.reason(), None, "its publisher wanted no more, so nobody is told of a gap");
    let next = server.publish(&json!({"data": 2}));
    assert_eq!(resumed.next().id, Some(next));
}
