//! A server out of descriptors: nobody who is here is disturbed, and those who leave make room.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::crowd::{Crowd, publish};
use crate::server::{Server, alone};
use crate::support::clock::{PATIENCE, eventually, now};
use crate::usage::processor;

const LIMIT: usize = 64;
const TIME: Duration = PATIENCE;

/// Panics if it is busy while there is nothing that it can do.
fn assert_does_not_spin(server: &Server) {
    let (before, began) = (processor(server.pid()), now());
    // Not for something to come about: this is how long it is watched, at least.
    thread::sleep(Duration::from_secs(1));
    let used = processor(server.pid()) - before;
    let time = began.elapsed();
    assert!(used < time / 4, "it used {used:?} of {time:?} while it waited for descriptors");
}

#[test]
fn streams_beyond_the_descriptors_are_refused_and_nobody_is_disturbed() {
    let _turn = alone();
    let mut server = Server::limited(LIMIT, &["--max-connections", "1000", "--workers", "2"]);
    // One after the other: of those that come together, some may make room before their requests are read.
    let mut crowd = Crowd::connect(server.address, 0);
    for _ in 0..3 * LIMIT {
        crowd.join(server.address, "/api/sse");
        crowd.read_until(TIME, "it is answered", |crowd| {
            crowd.members.iter().all(|member| member.greeting.is_some())
        });
    }
    let (connected, refused) = (crowd.count("connected"), crowd.count("refused"));
    assert_eq!(connected + refused, 3 * LIMIT);
    assert!((10..LIMIT).contains(&connected), "{connected} streams with {LIMIT} descriptors");
    crowd.read_until(TIME, "the refused have ended", |crowd| {
        crowd.members.iter().filter(|member| member.closed).count() == refused
    });
    for member in &crowd.members {
        let greeting = member.greeting.as_ref().expect("all are greeted");
        match greeting["status"].as_str() {
            Some("connected") => assert!(!member.closed),
            _ => assert_eq!(greeting["reason"], "descriptors"),
        }
    }
    let mut connection = server.connect();
    publish(&mut connection, 0..10, 100);
    crowd.read_until(TIME, "the others have got what was published", |crowd| {
        crowd.members.iter().all(|member| member.closed || member.received == 10)
    });
    assert_eq!(server.stats()["totalConnections"], connected);
    crowd.members.retain(|member| member.closed);
    eventually("there is room", || server.subscribe("").greeting()["status"] == "connected");
    assert!(server.is_running());
}

#[test]
fn while_streams_use_all_descriptors_it_does_not_spin() {
    let _turn = alone();
    let mut server = Server::limited(LIMIT, &["--max-connections", "1000", "--workers", "2"]);
    let mut crowd = Crowd::connect(server.address, 0);
    for _ in 0..LIMIT {
        crowd.join(server.address, "/api/sse");
        crowd.read_until(TIME, "it is answered", |crowd| {
            crowd.members.iter().all(|member| member.greeting.is_some())
        });
    }
    let silent: Vec<TcpStream> =
        (0..2 * LIMIT).map(|_| TcpStream::connect(server.address).expect("room in the queue")).collect();
    assert_eq!(server.connect().get("/healthz").status(), 200);
    assert_does_not_spin(&server);
    assert!(server.log().lines().count() < 10, "what lasts is said once: {}", server.log());
    assert_eq!(server.connect().get("/healthz").status(), 200);
    let mut connection = server.connect();
    publish(&mut connection, 0..1, 10);
    let connected = crowd.count("connected");
    crowd.read_until(TIME, "the streams are what they were", |crowd| {
        crowd.members.iter().filter(|member| member.received == 1).count() == connected
    });
    drop(silent);
    assert!(server.is_running());
}

#[test]
fn streams_have_a_limit_out_of_the_descriptors_that_there_are() {
    let server = Server::limited(256, &[]);
    let mut crowd = Crowd::connect(server.address, 256);
    crowd.read_until(TIME, "all are answered", |crowd| {
        crowd.members.iter().all(|member| member.greeting.is_some())
    });
    let most = server.stats()["engine"]["maxConnections"].as_u64().expect("a number");
    assert_eq!((crowd.count("connected") as u64, most), (192, 192));
}
