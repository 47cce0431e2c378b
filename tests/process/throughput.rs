//! Many streams and a publisher at full speed.

use std::thread;

use crate::crowd::{Crowd, publish};
use crate::server::{Server, alone};
use crate::support::clock::PATIENCE;

const STREAMS: usize = 2_000;
const EVENTS: u64 = 1_000;
const BATCH: usize = 50;

#[test]
fn two_thousand_streams_get_everything_in_order() {
    let _turn = alone();
    let server = Server::start(&["--workers", "2"]);
    let mut crowd = Crowd::open(server.address, STREAMS);
    let mut connection = server.connect();
    let publisher = thread::spawn(move || {
        for first in (0..EVENTS).step_by(BATCH) {
            publish(&mut connection, first..first + BATCH as u64, 64);
        }
        connection
    });
    crowd.read_until(PATIENCE, "everybody has everything", |crowd| crowd.have(EVENTS));
    publisher.join().expect("everything is taken");
    let statistics = server.stats();
    assert_eq!(statistics["totalConnections"], STREAMS);
    let engine = &statistics["engine"];
    assert_eq!(
        (engine["eventsPublished"].as_u64(), engine["connectionsClosed"].as_u64()),
        (Some(EVENTS), Some(0))
    );
    assert_eq!(engine["slowClientsClosed"], 0);
    // Those that lagged were caught up, and were handed no event twice or never.
    assert_eq!(engine["backlogBytes"], 0);
    assert!(crowd.members.iter().all(|member| member.received == EVENTS && !member.closed));
}
