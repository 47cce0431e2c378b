//! A server under test, as its clients see it: an address, and the requests that most tests send there.

use std::net::SocketAddr;

use serde_json::Value;

use super::client::{Connection, Response};
use super::subscriber::Subscriber;

/// Where a server listens. The servers of the test binaries dereference to it.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// Its address.
    pub address: SocketAddr,
}

impl Endpoint {
    /// Opens a connection.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Opens a stream; `query` with its `?`, if any.
    pub fn subscribe(&self, query: &str) -> Subscriber {
        Subscriber::open(self.address, &format!("/api/sse{query}"), "")
    }

    /// Opens a stream after an event.
    pub fn resume(&self, query: &str, last_event_id: &str) -> Subscriber {
        let field = format!("Last-Event-ID: {last_event_id}\r\n");
        Subscriber::open(self.address, &format!("/api/sse{query}"), &field)
    }

    /// Posts an event over a connection of its own.
    pub fn post(&self, json: impl AsRef<[u8]>) -> Response {
        self.connect().post("/api/sse/events", json)
    }

    /// Publishes an event over a connection of its own, and returns its id.
    pub fn publish(&self, publication: &Value) -> String {
        publish(&mut self.connect(), publication)
    }
}

/// Publishes an event over an open connection, and returns its id.
pub fn publish(connection: &mut Connection, publication: &Value) -> String {
    id_of(&connection.post("/api/sse/events", publication.to_string()))
}

/// Reads the statistics over an open connection.
pub fn stats(connection: &mut Connection) -> Value {
    let response = connection.get("/api/sse/stats");
    assert_eq!(response.status(), 200, "{}", response.text());
    response.json()
}

/// The id in the answer to a publication. Panics if the server refused it.
pub fn id_of(response: &Response) -> String {
    assert_eq!(response.status(), 202, "{}", response.text());
    response.json()["id"].as_str().expect("an id").to_owned()
}

/// The epoch and the sequence number of an id.
pub fn parts(id: &str) -> (u64, u64) {
    let (epoch, seq) = id.split_once('-').expect("an id");
    (epoch.parse().expect("an epoch"), seq.parse().expect("a count"))
}
