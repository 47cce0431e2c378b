//! The library's publisher: every method, from any thread.

use std::collections::BTreeMap;
use std::thread;

use fanfare::{
    Announcement, Engine, Event, EventError, Level, Notification, Progress, Publication, PublishError,
    Target, Topic,
};
use serde_json::{Value, json};

use crate::server::{Server, parts};
use crate::support::clock::eventually;
use crate::support::subscriber::Subscriber;

fn next(subscriber: &mut Subscriber) -> (String, Value) {
    let message = subscriber.next();
    (message.event, serde_json::from_str(&message.data).expect("JSON"))
}

#[test]
fn the_built_in_events_have_the_documented_payloads() {
    let server = Server::start();
    let (publisher, mut ada, mut bob) =
        (&server.publisher, server.subscribe("?userId=ada"), server.subscribe("?userId=bob"));
    let notification = Notification::new("order", "t", "m");
    publisher.notify_user("ada", &notification).expect("room");
    assert_eq!(
        next(&mut ada),
        ("notification".into(), json!({"type": "order", "title": "t", "message": "m"}))
    );
    publisher.notify_user("ada", &notification.data(json!({"n": 1}))).expect("room");
    assert_eq!(next(&mut ada).1["data"], json!({"n": 1}));
    let announcement = Announcement::new("t", "m").level(Level::Warning);
    publisher.broadcast_announcement(&announcement).expect("room");
    let expected = ("announcement".into(), json!({"title": "t", "message": "m", "level": "warning"}));
    assert_eq!((next(&mut ada), next(&mut bob)), (expected.clone(), expected));
    let progress = Progress::new("o", 40.5, "m");
    publisher.send_progress("bob", &progress).expect("room");
    let data = json!({"operationId": "o", "percentage": 40.5, "message": "m", "completed": false});
    assert_eq!(next(&mut bob), ("progress".into(), data));
    publisher.send_update(&json!([1, null]), Target::user("ada")).expect("room");
    assert_eq!(next(&mut ada), ("update".into(), json!([1, null])));
    publisher.send_custom_event("my-own", "text", Target::all()).expect("room");
    assert_eq!(next(&mut ada), ("my-own".into(), json!("text")));
}

#[test]
fn the_id_that_is_returned_is_the_one_that_arrives() {
    let server = Server::start();
    let mut subscriber = server.subscribe("");
    let id = server.publisher.send_update(&1, Target::all()).expect("room");
    assert_eq!(subscriber.next().id, Some(id.to_string()));
    let event = Event::text("t", "a\r\nb").expect("an event").retry(7);
    let id = server.publisher.publish(Publication::new(event, Target::all())).expect("room");
    let message = subscriber.next();
    assert_eq!((message.id, message.data, message.retry), (Some(id.to_string()), "a\nb".into(), Some(7)));
}

#[test]
fn a_batch_has_ids_in_a_row() {
    let server = Server::start();
    let mut subscriber = server.subscribe("");
    let publication = |n: u32| Publication::new(Event::json("n", &n).expect("an event"), Target::all());
    assert!(server.publisher.publish_all(Vec::new()).expect("nothing to do").is_none());
    let (first, last) =
        server.publisher.publish_all((0..10).map(publication).collect()).expect("room").expect("ids");
    assert_eq!((first.seq, last.seq), (1, 10));
    let received = subscriber.take(10);
    assert_eq!(received[0].id, Some(first.to_string()));
    assert_eq!(received[9].id, Some(last.to_string()));
    assert!(received.iter().enumerate().all(|(n, message)| message.data == n.to_string()));
}

#[test]
fn what_cannot_be_an_event_is_an_error_and_sends_nothing() {
    let server = Server::start();
    let name = server.publisher.send_custom_event("a\u{85}b", &1, Target::all());
    assert!(matches!(name, Err(PublishError::Event(EventError::Name))), "{name:?}");
    for name in ["connection", "ping"] {
        let reserved = server.publisher.send_custom_event(name, &1, Target::all());
        assert!(matches!(reserved, Err(PublishError::Event(EventError::Reserved))), "{reserved:?}");
    }
    let event = |ms| Publication::new(Event::text("x", "").expect("an event").retry(ms), Target::all());
    let retry = server.publisher.publish(event(86_400_001));
    assert!(matches!(retry, Err(PublishError::Event(EventError::Retry))), "{retry:?}");
    let retry = server.publisher.publish_all(vec![event(86_400_000), event(u64::MAX)]);
    assert!(matches!(retry, Err(PublishError::Event(EventError::Retry))), "{retry:?}");
    let keys = BTreeMap::from([(vec![1], 1)]);
    let data = server.publisher.send_update(&keys, Target::all());
    assert!(matches!(data, Err(PublishError::Event(EventError::Data(_)))), "{data:?}");
    assert_eq!(server.stats().engine.events_published, 0);
}

#[test]
fn a_target_can_be_a_closure_over_the_client() {
    let server = Server::start();
    let mut streams = [
        server.subscribe("?userId=ada&meta.roomId=room-123"),
        server.subscribe("?sessionId=s&topic=a.%3E&meta.roomId=room-7"),
        server.subscribe(""),
    ];
    let id = streams[2].client_id();
    let panics = Target::filter(|client| client.meta("roomId").expect("not everybody is in a room") == "x");
    let targets = [
        (Target::filter(|client| client.meta("roomId") == Some("room-123")), vec![0]),
        (Target::filter(|client| client.user_id().is_none()), vec![1, 2]),
        (Target::filter(|client| client.session_id() == Some("s")), vec![1]),
        (Target::filter(|client| client.topics().iter().any(|p| p.as_str() == "a.>")), vec![1]),
        (Target::filter(move |client| client.id().to_string() == id), vec![2]),
        (Target::filter(|_| true).with_meta("roomId", "room-7"), vec![1]),
        (Target::all().except(Target::filter(|client| client.meta("roomId").is_some())), vec![2]),
        (panics, vec![]),
    ];
    for (n, (target, reached)) in targets.into_iter().enumerate() {
        server.publisher.send_update(&n, target).expect("room");
        server.publisher.send_custom_event("marker", &(), Target::all()).expect("room");
        let found: Vec<usize> = (0..3).filter(|at| !streams[*at].before("marker").is_empty()).collect();
        assert_eq!(found, reached, "target {n}");
    }
}

#[test]
fn a_closure_decides_about_replays_too() {
    let server = Server::start();
    let start = server.newest();
    for n in 0..6 {
        let target = Target::filter(move |client| client.meta("n") == Some(&(n % 2).to_string()));
        server.publisher.send_update(&n, target).expect("room");
    }
    let data: Vec<String> =
        server.resume("?meta.n=1", &start).take(3).into_iter().map(|message| message.data).collect();
    assert_eq!(data, ["1", "3", "5"]);
}

#[test]
fn targets_are_built_from_parts() {
    let server = Server::start();
    let mut streams = ["?userId=ada&meta.k=v", "?sessionId=s", "?topic=a.*", "?userId=bob&meta.k=v", ""]
        .map(|query| server.subscribe(query));
    let client = streams[4].client_id().parse().expect("a client id");
    let topic = Topic::parse("a.b").expect("a topic");
    let targets = [
        (Target::user("ada").or_session("s").or_topic(topic.clone()).or_client(client), vec![0, 1, 2, 4]),
        (Target::session("s").or_user("bob"), vec![1, 3]),
        (Target::topic(topic.clone()), vec![2]),
        (Target::client(client).or_user("ada").with_meta("k", "v"), vec![0]),
        (Target::all().with_meta("k", "v").except(Target::user("ada")), vec![3]),
        (Target::all().except(Target::user("ada")).except(Target::topic(topic)), vec![1, 3, 4]),
    ];
    for (n, (target, reached)) in targets.into_iter().enumerate() {
        server.publisher.send_update(&n, target).expect("room");
        server.publisher.send_custom_event("marker", &(), Target::all()).expect("room");
        let found: Vec<usize> = (0..5).filter(|at| !streams[*at].before("marker").is_empty()).collect();
        assert_eq!(found, reached, "target {n}");
    }
}

#[test]
fn presence_and_disconnecting() {
    let server = Server::start();
    let publisher = &server.publisher;
    assert_eq!((publisher.connections_count(), publisher.connected_users_count()), (0, 0));
    let mut streams = ["?userId=ada", "?userId=ada", "?userId=bob", ""].map(|query| server.subscribe(query));
    assert_eq!((publisher.connections_count(), publisher.connected_users_count()), (4, 2));
    assert_eq!((publisher.user_connections("ada"), publisher.user_connections("nobody")), (2, 0));
    assert!(publisher.is_user_connected("bob") && !publisher.is_user_connected("Bob"));
    let client = streams[0].client_id().parse().expect("a client id");
    assert_eq!((publisher.disconnect_client(client), publisher.disconnect_client(client)), (1, 0));
    assert_eq!(streams[0].rest(), []);
    assert_eq!((publisher.user_connections("ada"), publisher.connections_count()), (1, 3));
    assert_eq!((publisher.disconnect_user("ada"), publisher.disconnect_user("ada")), (1, 0));
    assert_eq!(streams[1].rest(), []);
    assert!(!publisher.is_user_connected("ada"));
    drop(streams);
    eventually("all have gone", || publisher.connections_count() == 0);
    let stats = server.stats();
    assert_eq!((stats.total_connections, stats.engine.connections_opened), (0, 4));
    assert_eq!(stats.engine.connections_closed, 4);
}

#[test]
fn many_threads_publish_at_once_and_everybody_sees_one_order() {
    const THREADS: usize = 8;
    const EACH: usize = 250;
    let server = Server::start();
    let mut streams: Vec<Subscriber> =
        (0..6).map(|n| server.subscribe(&format!("?userId=u{}", n % 2))).collect();
    let ids: Vec<Vec<u64>> = thread::scope(|scope| {
        let publish = |thread: usize| {
            let publisher = server.publisher.clone();
            let send = move |n: usize| {
                let target =
                    if n.is_multiple_of(3) { Target::user("u0").or_user("u1") } else { Target::all() };
                publisher.send_custom_event("n", &(thread, n), target).expect("room").seq
            };
            (0..EACH).map(send).collect::<Vec<u64>>()
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || publish(thread))).collect();
        threads.into_iter().map(|thread| thread.join().expect("published")).collect()
    });
    let mut all: Vec<u64> = ids.concat();
    assert!(ids.iter().all(|ids| ids.is_sorted()), "each thread's ids grow");
    all.sort_unstable();
    assert_eq!(all, (1..=(THREADS * EACH) as u64).collect::<Vec<_>>(), "no hole, no repeat");
    for subscriber in &mut streams {
        for (at, message) in subscriber.take(THREADS * EACH).into_iter().enumerate() {
            let seq = parts(message.id.as_deref().expect("an id")).1;
            assert_eq!(seq, at as u64 + 1);
            let (thread, n): (usize, usize) = serde_json::from_str(&message.data).expect("a pair");
            assert_eq!(ids[thread][n], seq, "an id belongs to its event");
        }
    }
}

#[test]
fn a_publisher_is_told_that_its_engine_has_ended() {
    let engine = Engine::builder().listen("127.0.0.1:0".parse().unwrap()).start().unwrap();
    let publisher = engine.publisher();
    publisher.send_update(&1, Target::all()).expect("it runs");
    engine.shutdown(std::time::Duration::ZERO);
    assert!(matches!(publisher.send_update(&2, Target::all()), Err(PublishError::Ended)));
    assert!(publisher.stats().is_none_or(|stats| stats.total_connections == 0));
}
