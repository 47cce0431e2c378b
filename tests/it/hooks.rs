//! The connect and disconnect hooks: what they are told, in which order, and why.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use fanfare::{Client, CloseReason, EngineBuilder, Identity};

use crate::server::Server;
use crate::support::clock::{PATIENCE, unix_ms};

/// What a hook was told: who, and why it left if it did.
type Told = (String, Option<String>, Option<CloseReason>);

fn watched(configure: impl FnOnce(EngineBuilder) -> EngineBuilder) -> (Server, Receiver<Told>) {
    let (sender, told) = channel();
    let (connects, disconnects) = (sender.clone(), sender);
    let tell =
        |client: &Client, reason| (client.id().to_string(), client.user_id().map(ToOwned::to_owned), reason);
    let server = Server::with(|builder| {
        let builder = builder.on_connect(move |client| drop(connects.send(tell(client, None))));
        let builder = builder.on_disconnect(move |client, reason| {
            drop(disconnects.send(tell(client, Some(reason))));
        });
        configure(builder)
    });
    (server, told)
}

fn next(told: &Receiver<Told>) -> Told {
    told.recv_timeout(PATIENCE).expect("a hook is called")
}

#[test]
fn a_stream_that_opens_and_ends_is_told_in_this_order() {
    let (server, told) = watched(|builder| builder);
    let subscriber = server.subscribe("?userId=ada");
    let (id, ada) = (subscriber.client_id(), Some("ada".to_owned()));
    assert_eq!(next(&told), (id.clone(), ada.clone(), None));
    drop(subscriber);
    assert_eq!(next(&told), (id, ada, Some(CloseReason::PeerClosed)));
}

#[test]
fn the_reason_is_told() {
    let (server, told) = watched(|builder| builder);
    let subscriber = server.subscribe("");
    let id = next(&told).0;
    server.publisher.disconnect_client(subscriber.client_id().parse().expect("a client id"));
    assert_eq!(next(&told), (id, None, Some(CloseReason::Disconnected)));
    let mut subscriber = server.subscribe("");
    let id = next(&told).0;
    subscriber.send(&[b'x'; 5000]);
    assert_eq!(next(&told), (id, None, Some(CloseReason::Flooded)));
}

#[test]
fn a_shutdown_tells_of_every_stream_before_it_returns() {
    let (server, told) = watched(|builder| builder);
    let streams: Vec<_> = (0..20).map(|_| server.subscribe("")).collect();
    server.engine.shutdown(Duration::from_secs(2));
    let told: Vec<Told> = told.try_iter().collect();
    let (opened, ended): (Vec<_>, Vec<_>) = told.iter().partition(|(.., reason)| reason.is_none());
    assert_eq!((opened.len(), ended.len()), (20, 20));
    assert!(ended.iter().all(|(.., reason)| *reason == Some(CloseReason::Draining)));
    let ids: Vec<String> = streams.iter().map(|stream| stream.client_id()).collect();
    assert!(ids.iter().all(|id| ended.iter().any(|(told_id, ..)| told_id == id)));
}

#[test]
fn a_permission_that_ends_is_told_as_such() {
    let (server, told) = watched(|builder| {
        builder.authenticate(|_| Ok(Identity::new().user("ada").expires_at(unix_ms() + 100)))
    });
    server.subscribe("").rest();
    assert_eq!((next(&told).2, next(&told).2), (None, Some(CloseReason::Expired)));
}

#[test]
fn what_never_was_a_stream_is_not_told() {
    let (server, told) = watched(|builder| builder.max_connections(1));
    let first = server.subscribe("");
    assert_eq!(next(&told).2, None);
    server.connect().get("/healthz");
    server.connect().get("/api/sse?topic=");
    server.connect().get("/api/sse");
    drop(first);
    assert_eq!(next(&told).2, Some(CloseReason::PeerClosed));
    server.engine.shutdown(Duration::ZERO);
    assert!(told.try_iter().next().is_none());
}

#[test]
fn a_hook_that_panics_misses_that_one() {
    let (sender, told) = channel();
    let server = Server::with(|builder| {
        builder.on_connect(move |client| {
            assert_ne!(client.user_id(), Some("mallory"), "a hook that panics, as the test wants");
            drop(sender.send(client.user_id().map(ToOwned::to_owned)));
        })
    });
    let mut streams = ["?userId=mallory", "?userId=ada"].map(|query| server.subscribe(query));
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Some("ada".to_owned())));
    let id = server.publish(&serde_json::json!({"data": 1}));
    assert!(streams.iter_mut().all(|stream| stream.next().id.as_ref() == Some(&id)));
}
