//! Coming back with an id: replay, and gaps that are told.

use std::time::Duration;

use fanfare::Target;
use serde_json::json;

use crate::server::{Server, parts};
use crate::support::clock::eventually;
use crate::support::sse::Message;
use crate::support::subscriber::Subscriber;

const LONG: Duration = Duration::from_secs(600);
const MANY: usize = 64 * 1024 * 1024;
const NOTHING: [u64; 0] = [];

fn seqs(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| parts(message.id.as_deref().expect("an id")).1).collect()
}

/// What follows, up to a marker that is published now.
fn before_marker(server: &Server, subscriber: &mut Subscriber) -> Vec<u64> {
    server.publish(&json!({"event": "marker", "data": null, "ttl": 0}));
    seqs(&subscriber.before("marker"))
}

#[test]
fn what_was_missed_follows_in_order_and_once() {
    let server = Server::start();
    let ids: Vec<String> = (1..=40).map(|n| server.publish(&json!({"data": n}))).collect();
    let mut subscriber = server.resume("", &ids[9]);
    assert_eq!((subscriber.reason(), subscriber.last_event_id()), (None, &*ids[9]));
    assert_eq!(before_marker(&server, &mut subscriber), (11..=40).collect::<Vec<_>>());
}

#[test]
fn the_header_wins_over_the_query() {
    let server = Server::start();
    let ids: Vec<String> = (1..=3).map(|n| server.publish(&json!({"data": n}))).collect();
    let mut by_query = server.subscribe(&format!("?lastEventId={}", ids[0]));
    assert_eq!((by_query.reason(), by_query.last_event_id()), (None, &*ids[0]));
    assert_eq!(seqs(&by_query.take(2)), [2, 3]);
    let mut by_header = server.resume(&format!("?lastEventId={}", ids[0]), &ids[1]);
    assert_eq!(by_header.last_event_id(), ids[1]);
    assert_eq!(seqs(&by_header.take(1)), [3]);
    let invalid = server.resume(&format!("?lastEventId={}", ids[0]), "nonsense");
    assert_eq!(invalid.reason().as_deref(), Some("invalid"));
}

#[test]
fn without_an_id_a_stream_starts_live() {
    let server = Server::start();
    let newest = [1, 2, 3].map(|n| server.publish(&json!({"data": n})))[2].clone();
    server.settle();
    for query in ["", "?lastEventId="] {
        let subscriber = server.subscribe(query);
        assert_eq!((subscriber.reason().as_deref(), subscriber.last_event_id()), (Some("none"), &*newest));
    }
    let mut subscriber = server.subscribe("");
    let next = server.publish(&json!({"data": 4}));
    assert_eq!(subscriber.next().id, Some(next));
}

#[test]
fn with_an_id_that_is_not_ours_a_stream_starts_live() {
    let server = Server::start();
    let newest = server.publish(&json!({"data": 1}));
    server.settle();
    let (epoch, _) = parts(&newest);
    let (zero, sign, long) =
        (format!("{epoch}-01"), format!("+{epoch}-1"), format!("{epoch}-{}", "9".repeat(30)));
    for id in ["x", "1", "-", "1-", "-1", "1-2-3", "é", "$", &zero, &sign, &long] {
        let subscriber = server.resume("", id);
        let (reason, last) = (subscriber.reason(), subscriber.last_event_id());
        assert_eq!((reason.as_deref(), last), (Some("invalid"), &*newest), "{id}");
    }
    let mut subscriber = server.resume("", "x");
    assert_eq!(before_marker(&server, &mut subscriber), NOTHING);
}

#[test]
fn the_id_of_the_first_event_resumes_without_a_gap() {
    let server = Server::start();
    server.publish(&json!({"data": 1}));
    server.settle();
    let id = server.subscribe("").last_event_id().to_owned();
    for n in 2..=4 {
        server.publish(&json!({"data": n}));
    }
    let mut resumed = server.resume("", &id);
    assert_eq!((resumed.reason(), resumed.last_event_id().to_owned()), (None, id.clone()));
    // Lost again before an event came: the same place.
    let mut again = server.resume("", resumed.last_event_id());
    assert_eq!(seqs(&again.take(3)), [2, 3, 4]);
    assert_eq!(seqs(&resumed.take(3)), [2, 3, 4]);
}

#[test]
fn before_any_event_the_place_is_the_beginning() {
    let server = Server::start();
    let first = server.subscribe("");
    let (epoch, seq) = parts(first.last_event_id());
    assert_eq!(seq, 0);
    server.publish(&json!({"data": 1}));
    let mut resumed = server.resume("", &format!("{epoch}-0"));
    assert_eq!(resumed.reason(), None);
    assert_eq!(before_marker(&server, &mut resumed), [1]);
}

#[test]
fn after_an_id_of_another_epoch_all_that_is_held_follows() {
    let server = Server::start();
    let publish = |user: &str| server.publish(&json!({"data": 1, "to": {"user": user}}));
    let ids = ["b", "a", "b", "a"].map(publish);
    let (epoch, _) = parts(&ids[0]);
    for other in [epoch - 1000, epoch + 1000, 0] {
        let mut subscriber = server.resume("?userId=a", &format!("{other}-3"));
        assert_eq!(subscriber.reason().as_deref(), Some("epoch"));
        assert_eq!(subscriber.last_event_id(), format!("{epoch}-1"), "just before the first that follows");
        assert_eq!(seqs(&subscriber.take(2)), [2, 4]);
    }
    let stranger = server.resume("?userId=c", "1-3");
    assert_eq!(stranger.reason().as_deref(), Some("epoch"));
    assert_eq!(stranger.last_event_id(), format!("{epoch}-4"), "nothing follows: the newest");
}

#[test]
fn after_an_id_of_the_future_all_that_is_held_follows() {
    let server = Server::start();
    let empty = server.resume("", &server.newest().replace("-0", "-7"));
    assert_eq!(empty.reason().as_deref(), Some("future"));
    let (epoch, seq) = parts(empty.last_event_id());
    assert_eq!(seq, 0, "nothing was ever published");
    for n in 1..=3 {
        server.publish(&json!({"data": n}));
    }
    let mut subscriber = server.resume("", &format!("{epoch}-4"));
    assert_eq!(subscriber.reason().as_deref(), Some("future"));
    assert_eq!(subscriber.last_event_id(), format!("{epoch}-0"));
    assert_eq!(before_marker(&server, &mut subscriber), [1, 2, 3]);
}

#[test]
fn what_the_limit_of_events_dropped_is_told() {
    let server = Server::with(|builder| builder.history(3, MANY, LONG));
    let ids: Vec<String> = (1..=8).map(|n| server.publish(&json!({"data": n}))).collect();
    let mut expired = server.resume("", &ids[3]);
    assert_eq!((expired.reason().as_deref(), expired.last_event_id()), (Some("expired"), &*ids[4]));
    assert_eq!(before_marker(&server, &mut expired), [6, 7, 8]);
    // The marker was never in history, so everything after the fifth is still held.
    let recovered = server.resume("", &ids[4]);
    assert_eq!((recovered.reason(), recovered.last_event_id()), (None, &*ids[4]));
}

#[test]
fn what_the_limit_of_bytes_dropped_is_told() {
    let server = Server::with(|builder| builder.history(1000, 16 * 1024, LONG));
    let data = "x".repeat(3000);
    let ids: Vec<String> = (1..=12).map(|_| server.publish(&json!({"data": data}))).collect();
    let mut expired = server.resume("", &ids[0]);
    assert_eq!(expired.reason().as_deref(), Some("expired"));
    let (begins, follow) = (expired.last_event_id().to_owned(), before_marker(&server, &mut expired));
    assert!((3..=5).contains(&follow.len()), "16 KiB hold some of 3000 bytes: {follow:?}");
    assert_eq!(follow, (13 - follow.len() as u64..=12).collect::<Vec<_>>());
    assert_eq!(parts(&begins).1 + 1, follow[0]);
    assert!(server.stats().engine.history.bytes <= 16 * 1024);
}

#[test]
fn what_the_limit_of_age_dropped_is_told() {
    let server = Server::with(|builder| builder.history(1000, MANY, Duration::from_millis(200)));
    let id = server.publish(&json!({"data": 1}));
    let newest = server.publish(&json!({"data": 2}));
    eventually("history forgets", || server.stats().engine.history.events == 0);
    let expired = server.resume("", &id);
    assert_eq!((expired.reason().as_deref(), expired.last_event_id()), (Some("expired"), &*newest));
    assert_eq!(server.resume("", &newest).reason(), None, "nothing was lost");
}

#[test]
fn without_a_history_every_missed_event_is_told() {
    let server = Server::with(|builder| builder.history(0, MANY, LONG));
    let mut live = server.subscribe("");
    let start = live.last_event_id().to_owned();
    assert_eq!(server.resume("", &start).reason(), None, "nothing was missed yet");
    let id = server.publish(&json!({"data": 1}));
    assert_eq!(live.next().id.as_deref(), Some(&*id));
    let expired = server.resume("", &start);
    assert_eq!((expired.reason().as_deref(), expired.last_event_id()), (Some("expired"), &*id));
    assert_eq!(server.resume("", &id).reason(), None);
}

#[test]
fn what_others_lost_is_no_gap() {
    let server = Server::with(|builder| builder.history(2, MANY, LONG));
    let ids: Vec<String> =
        (1..=8).map(|n| server.publish(&json!({"data": n, "to": {"user": "other"}}))).collect();
    let resumed = server.resume("?userId=me", &ids[0]);
    assert_eq!((resumed.reason(), resumed.last_event_id()), (None, &*ids[0]));
}

#[test]
fn a_long_replay_comes_whole_and_runs_into_what_is_live() {
    let server = Server::with(|builder| builder.max_backlog(64 * 1024));
    let data = "x".repeat(1000);
    for _ in 0..2000 {
        server.publisher.send_update(&data, Target::all()).expect("room");
    }
    let (epoch, _) = parts(&server.newest());
    let mut resumed = server.resume("", &format!("{epoch}-0"));
    for _ in 0..200 {
        server.publisher.send_update(&data, Target::all()).expect("room");
    }
    assert_eq!(resumed.reason(), None);
    assert_eq!(seqs(&resumed.take(2200)), (1..=2200).collect::<Vec<_>>());
    assert_eq!(before_marker(&server, &mut resumed), NOTHING);
}
