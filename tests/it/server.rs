//! An engine on a free port, for one test.

use std::net::SocketAddr;

use fanfare::{Engine, EngineBuilder, Publisher, Statistics};
use serde_json::Value;

use crate::support::client::{Connection, Response};
use crate::support::clock::{LONG, eventually};
use crate::support::subscriber::Subscriber;

/// A running engine, in open mode, with two event loops and with no timeout that a test lives to see, unless told
/// otherwise.
pub(crate) struct Server {
    pub(crate) engine: Engine,
    pub(crate) address: SocketAddr,
    pub(crate) publisher: Publisher,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(configure: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Self {
        let builder = Engine::builder().listen("127.0.0.1:0".parse().expect("an address")).workers(2);
        let builder = builder.heartbeat_interval(LONG).connection_timeout(LONG);
        let builder = builder.head_timeout(LONG).idle_timeout(LONG);
        let engine = configure(builder).start().expect("the engine starts");
        let (address, publisher) = (engine.local_addrs()[0], engine.publisher());
        Self { engine, address, publisher }
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Opens a stream; `query` with its `?`, if any.
    pub(crate) fn subscribe(&self, query: &str) -> Subscriber {
        Subscriber::open(self.address, &format!("/api/sse{query}"), "")
    }

    /// Opens a stream after an event.
    pub(crate) fn resume(&self, query: &str, last_event_id: &str) -> Subscriber {
        let field = format!("Last-Event-ID: {last_event_id}\r\n");
        Subscriber::open(self.address, &format!("/api/sse{query}"), &field)
    }

    /// Posts an event over a connection of its own.
    pub(crate) fn post(&self, json: impl AsRef<[u8]>) -> Response {
        self.connect().post("/api/sse/events", json)
    }

    /// Posts an event that is taken, and returns its id.
    pub(crate) fn publish(&self, publication: &Value) -> String {
        id_of(&self.post(publication.to_string()))
    }

    /// How everything stands. The engine waits for its event loops a few seconds; this waits on.
    pub(crate) fn stats(&self) -> Statistics {
        let mut stats = None;
        eventually("all loops answer", || {
            stats = self.publisher.stats();
            stats.is_some()
        });
        stats.expect("what was waited for")
    }

    /// Waits until every event loop has applied what was published.
    pub(crate) fn settle(&self) {
        self.stats();
    }

    /// The newest event's id, once every loop has applied it, as a stream that starts live is told.
    pub(crate) fn newest(&self) -> String {
        self.settle();
        self.subscribe("").last_event_id().to_owned()
    }
}

/// The id in the answer to a publication.
pub(crate) fn id_of(response: &Response) -> String {
    assert_eq!(response.status(), 202, "{}", response.text());
    response.json()["id"].as_str().expect("an id").to_owned()
}

/// The two parts of an id.
pub(crate) fn parts(id: &str) -> (u64, u64) {
    let (epoch, seq) = id.split_once('-').expect("an id");
    (epoch.parse().expect("an epoch"), seq.parse().expect("a count"))
}
