//! Shutting down: everybody is told, spread over the time, and nothing is cut.

use std::thread;
use std::time::Duration;

use fanfare::{Event, Publication, PublishError, Target};
use serde_json::json;

use crate::server::Server;
use crate::support::clock::{eventually, now};
use crate::support::subscriber::Subscriber;

#[test]
fn every_stream_is_told_and_ends_in_good_order() {
    let server = Server::with(|builder| builder.retry(Duration::from_secs(7)));
    let mut streams: Vec<Subscriber> = (0..10).map(|n| server.subscribe(&format!("?userId=u{n}"))).collect();
    let id = server.publisher.send_update(&1, Target::all()).expect("room").to_string();
    let over = Duration::from_millis(1000);
    let began = now();
    let drain = thread::spawn(move || server.engine.shutdown(over));
    let mut retries = Vec::new();
    for subscriber in &mut streams {
        let rest = subscriber.rest();
        assert_eq!(rest.len(), 2, "what was published before, and the farewell: {rest:?}");
        assert_eq!(rest[0].id.as_ref(), Some(&id));
        let last = &rest[1];
        assert_eq!((&*last.event, &last.id, &last.last_event_id), ("connection", &None, &id));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&last.data).expect("JSON"),
            json!({"status": "draining"})
        );
        retries.push(last.retry.expect("a retry field"));
    }
    drain.join().expect("it ends");
    assert!(began.elapsed() < over + Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(retries.iter().all(|retry| (1..=1000).contains(retry)), "{retries:?}");
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() > 3, "they do not all come back at once: {retries:?}");
}

#[test]
fn streams_end_one_after_another() {
    let server = Server::with(|builder| builder.workers(1));
    let streams: Vec<Subscriber> = (0..8).map(|_| server.subscribe("")).collect();
    let over = Duration::from_millis(1000);
    let began = now();
    let drain = thread::spawn(move || server.engine.shutdown(over));
    let ends: Vec<_> = streams
        .into_iter()
        .map(|mut subscriber| {
            thread::spawn(move || {
                subscriber.rest();
                began.elapsed()
            })
        })
        .collect();
    let mut ends: Vec<Duration> = ends.into_iter().map(|end| end.join().expect("a clean end")).collect();
    drain.join().expect("it ends");
    ends.sort_unstable();
    assert!(ends[7] - ends[0] > over / 2, "spread over the time: {ends:?}");
    assert!(ends[7] < over + Duration::from_secs(1), "{ends:?}");
}

#[test]
fn it_ends_as_soon_as_the_last_stream_is_gone() {
    let began = now();
    Server::start().engine.shutdown(Duration::from_secs(8));
    let server = Server::start();
    drop(server.subscribe(""));
    eventually("it has gone", || server.publisher.connections_count() == 0);
    server.engine.shutdown(Duration::from_secs(8));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[test]
fn without_time_streams_still_end_in_good_order() {
    let server = Server::start();
    let mut streams = [server.subscribe(""), server.subscribe("?userId=ada")];
    drop(server);
    for subscriber in &mut streams {
        let rest = subscriber.rest();
        assert_eq!(rest.len(), 1);
        assert!(rest[0].data.contains("draining"));
    }
}

#[test]
fn while_it_drains_it_is_alive_but_not_ready_and_takes_no_stream() {
    let server = Server::start();
    let mut connection = server.connect();
    assert_eq!(connection.get("/readyz").status(), 200);
    let mut streaming = server.connect();
    assert_eq!(streaming.get("/healthz").status(), 200);
    let (address, publisher) = (server.address, server.publisher.clone());
    let streams: Vec<Subscriber> = (0..4).map(|_| server.subscribe("")).collect();
    let drain = thread::spawn(move || server.engine.shutdown(Duration::from_secs(3)));
    eventually("it is not ready", || connection.get("/readyz").status() == 503);
    let response = connection.get("/readyz");
    response.problem(503);
    let after = response.field("retry-after").expect("Retry-After");
    assert!(after.parse::<u64>().is_ok_and(|seconds| seconds > 0), "{after}");
    assert_eq!(connection.get("/healthz").status(), 200);
    let mut refused = Subscriber::after_request(streaming, "/api/sse");
    assert_eq!(refused.greeting(), json!({"status": "refused", "reason": "draining"}));
    assert_eq!((refused.connection().id.clone(), refused.rest()), (None, vec![]));
    eventually("nobody is listened to any more", || std::net::TcpStream::connect(address).is_err());
    drop(streams);
    drain.join().expect("it ends");
    assert_eq!(publisher.connections_count(), 0);
}

#[test]
fn a_request_without_its_end_is_not_waited_for() {
    let server = Server::start();
    let mut head = server.connect();
    head.send("GET /api/sse HT");
    let mut body = server.connect();
    body.send("POST /api/sse/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n");
    let mut idle = server.connect();
    idle.get("/healthz");
    let began = now();
    server.engine.shutdown(Duration::from_millis(200));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    idle.expect_end();
}

#[test]
fn a_client_that_does_not_read_is_not_waited_for_longer_than_the_deadline() {
    let server = Server::start();
    let _stuck = server.subscribe("");
    let data = "x".repeat(50_000);
    for _ in 0..40 {
        server.publisher.send_update(&data, Target::all()).expect("room");
    }
    let began = now();
    server.engine.shutdown(Duration::from_millis(500));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[test]
fn a_publisher_outlives_its_engine() {
    let server = Server::start();
    let publisher = server.publisher.clone();
    let _ = publisher.send_update(&1, Target::all());
    server.engine.shutdown(Duration::ZERO);
    // Whatever it says, it says so soon, and does not panic.
    let _ = publisher.send_update(&2, Target::all());
    assert_eq!((publisher.connections_count(), publisher.is_user_connected("ada")), (0, false));
}

#[test]
fn publishing_goes_on_for_as_long_as_a_stream_is_there() {
    let server = Server::with(|builder| builder.workers(8));
    let _stuck = server.subscribe("");
    let data = "x".repeat(50_000);
    for _ in 0..40 {
        server.publisher.send_update(&data, Target::all()).expect("room");
    }
    let publisher = server.publisher.clone();
    // One loop has a stream that does not read, and so lives as long as it may; seven have none, and end.
    let drain = thread::spawn(move || server.engine.shutdown(Duration::from_secs(5)));
    // More than may wait for one event loop; those that have ended take none of it.
    let batch =
        || (0..1_000).map(|n| Publication::new(Event::json("x", &n).unwrap(), Target::user("nobody")));
    let mut published = 0;
    while published < 80_000 {
        match publisher.publish_all(batch().collect()) {
            Ok(_) => published += 1_000,
            Err(PublishError::Append(_)) => {
                // A loop that is there is only behind, and says so for a moment.
                assert!(!drain.is_finished(), "nobody is left to be behind");
                thread::yield_now();
            }
            Err(PublishError::Ended) => break,
            Err(error) => panic!("{error}"),
        }
    }
    drain.join().expect("a shutdown");
    assert!(published >= 80_000, "only {published} events were taken");
}

#[test]
fn a_deadline_beyond_all_measure_is_one() {
    Server::start().engine.shutdown(Duration::MAX);
}
