//! Code of the application that panics, again and again, in an engine that is busy (in this process: the server
//! has no code of others).

use fanfare::{Engine, Identity, Target};

use crate::crowd::Crowd;
use crate::support::client::Connection;
use crate::support::clock::PATIENCE;
use crate::support::subscriber::Subscriber;

const ROUNDS: u64 = 50;

#[test]
fn panics_of_hooks_and_filters_cost_what_they_concern_and_nothing_else() {
    let engine = Engine::builder()
        .listen("127.0.0.1:0".parse().expect("an address"))
        .workers(2)
        .authenticate(|head| match head.path() {
            "/api/sse/stats" => panic!("a hook that panics, as the test wants"),
            _ => Ok(Identity::new().user(head.query("userId").unwrap_or_default())),
        })
        .on_connect(|client| assert_ne!(client.user_id(), Some("mallory"), "as the test wants"))
        .on_disconnect(|client, _| assert_ne!(client.user_id(), Some("mallory"), "as the test wants"))
        .start()
        .expect("it starts");
    let (address, publisher) = (engine.local_addrs()[0], engine.publisher());
    let mut crowd = Crowd::open(address, 50);
    let mut other = Connection::open(address);
    for n in 0..ROUNDS {
        let mut connection = Connection::open(address);
        assert_eq!(connection.get("/healthz").status(), 200);
        connection.get("/api/sse/stats").problem(500);
        assert_eq!(connection.get("/healthz").status(), 200);
        drop(Subscriber::open(address, "/api/sse?userId=mallory", ""));
        let nobody = Target::filter(|_| panic!("a filter that panics, as the test wants"));
        publisher.send_update("nobody gets it", nobody).expect("room");
        // Its id is one further, too.
        crowd.members.iter_mut().for_each(|member| member.seq += 1);
        publisher.send_update(&serde_json::json!({"n": n, "pad": 1}), Target::all()).expect("room");
        crowd.read_until(PATIENCE, "everybody has it", |crowd| crowd.have(n + 1));
        assert_eq!(other.get("/healthz").status(), 200);
    }
    assert_eq!(publisher.stats().expect("every loop is there").total_connections, 50);
}
