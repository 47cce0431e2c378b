//! Requests of which it takes long to say who they are from: what waits for that, and what does not.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use fanfare::{Denial, EngineBuilder, Identity, RequestHead};
use socket2::{Domain, Socket, Type};

use crate::server::{Server, id_of};
use crate::support::client::{Connection, Response, request};
use crate::support::clock::{LONG, eventually};

/// What a hook waits at, as it would for a database.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    /// Calls of the hook that have come to it.
    came: AtomicUsize,
}

impl Gate {
    fn wait(&self) {
        self.came.fetch_add(1, Ordering::SeqCst);
        let open = self.open.lock().expect("a lock");
        drop(self.opened.wait_while(open, |open| !*open).expect("a lock"));
    }

    fn open(&self) {
        *self.open.lock().expect("a lock") = true;
        self.opened.notify_all();
    }

    fn came(&self) -> usize {
        self.came.load(Ordering::SeqCst)
    }
}

/// Whoever is slow waits at the gate first.
fn judge(gate: &Gate, head: &RequestHead<'_>) -> Result<Identity, Denial> {
    let token = head.bearer().unwrap_or_default();
    if token.starts_with("slow") {
        gate.wait();
    }
    match token {
        "slow ada" => Ok(Identity::new().user("ada").allow_admin().allow_publish()),
        "publisher" => Ok(Identity::new().allow_publish()),
        _ => Err(Denial::Unauthorized("who are you?".into())),
    }
}

fn gated(configure: impl FnOnce(EngineBuilder) -> EngineBuilder) -> (Server, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let hook = gate.clone();
    let server = Server::with(|builder| configure(builder.authenticate(move |head| judge(&hook, head))));
    (server, gate)
}

fn from(address: [u8; 4], server: &Server) -> Connection {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((address, 0)).into()).expect("an address of this machine");
    socket.connect(&server.address.into()).expect("a connection");
    Connection::over(TcpStream::from(socket))
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n")
}

fn stream(token: &str) -> Vec<u8> {
    request("GET", "/api/sse", &bearer(token), "")
}

fn publish(connection: &mut Connection, token: &str) -> Response {
    connection.request("POST", "/api/sse/events", &bearer(token), r#"{"data":1}"#)
}

const OTHER: [u8; 4] = [127, 0, 0, 2];

fn is_refused(response: &Response, reason: &str) -> bool {
    let refused = format!(r#"{{"status":"refused","reason":"{reason}"}}"#);
    response.status() == 200 && response.text().contains(&refused)
}

#[test]
fn streams_that_a_hook_thinks_about_wait_together_and_others_go_on() {
    let (server, gate) = gated(|builder| builder);
    let mut streams: Vec<Connection> = (0..40).map(|_| server.connect()).collect();
    streams.iter_mut().for_each(|connection| connection.send(stream("slow ada")));
    // Of 16 threads, three quarters are for one address.
    eventually("some are thought about", || gate.came() == 12);
    let mut publisher = from(OTHER, &server);
    for _ in 0..3 {
        id_of(&publish(&mut publisher, "publisher"));
        publisher.request("GET", "/api/sse", &bearer("stranger"), "").problem(401);
    }
    assert_eq!(server.connect().get("/healthz").status(), 200);
    assert!(streams.iter_mut().all(Connection::is_open), "nobody is told anything yet");
    assert_eq!(gate.came(), 12);
    gate.open();
    streams.iter_mut().for_each(Connection::expect_stream);
    assert_eq!(server.publisher.stats().expect("an answer").user_connections, 40);
}

#[test]
fn answers_keep_the_order_of_requests() {
    let (server, gate) = gated(|builder| builder);
    let mut connection = server.connect();
    let requests = [
        request("GET", "/healthz", "", ""),
        request("POST", "/api/sse/events", &bearer("slow ada"), r#"{"data":1}"#),
        request("GET", "/nowhere", "", ""),
        request("GET", "/api/sse/users/ada", &bearer("slow ada"), ""),
        request("POST", "/api/sse/events", &bearer("publisher"), r#"{"data":1}"#),
        request("GET", "/api/sse", &bearer("slow stranger"), ""),
        request("GET", "/readyz", "", ""),
        stream("slow ada"),
    ];
    connection.send(requests.concat());
    assert_eq!(connection.response().status(), 200);
    eventually("it is thought about", || gate.came() == 1);
    assert!(connection.is_open(), "the others wait");
    gate.open();
    for status in [202, 404, 200, 202, 401, 200] {
        assert_eq!(connection.response().status(), status);
    }
    connection.expect_stream();
}

#[test]
fn what_comes_behind_a_stream_is_the_next_request_if_it_is_refused() {
    for (token, more) in [("slow stranger", 1), ("slow stranger", 40), ("slow ada", 1)] {
        let (server, gate) = gated(|builder| builder);
        let mut connection = server.connect();
        connection.send(stream(token));
        eventually("it is thought about", || gate.came() == 1);
        // The more is over what is kept.
        for _ in 0..more {
            connection.send(request("GET", "/healthz", &format!("X: {}\r\n", "x".repeat(200)), ""));
        }
        gate.open();
        if token == "slow ada" {
            connection.expect_stream();
            continue;
        }
        connection.response().problem(401);
        for _ in 0..more {
            assert_eq!(connection.response().status(), 200);
        }
    }
}

#[test]
fn one_address_may_have_so_many_waiting_and_others_are_served() {
    let (server, gate) = gated(|builder| builder.authenticate_threads(1).authenticate_waiting(3));
    let mut streams: Vec<Connection> = (0..7).map(|_| server.connect()).collect();
    streams[0].send(stream("slow ada"));
    eventually("it is thought about", || gate.came() == 1);
    streams[1..].iter_mut().for_each(|connection| connection.send(stream("slow ada")));
    let mut refused = Vec::new();
    eventually("one is under way, three wait, and three are refused", || {
        while let Some(at) = streams.iter_mut().position(|connection| !connection.is_open()) {
            refused.push(streams.swap_remove(at));
        }
        refused.len() == 3
    });
    for connection in &mut refused {
        assert!(is_refused(&connection.response(), "auth"), "a browser comes back from this");
    }
    let mut late = server.connect();
    let response = publish(&mut late, "publisher");
    assert!(response.field("retry-after").is_some());
    response.problem(503);
    assert_eq!(late.get("/healthz").status(), 200, "the connection is kept");
    // Those of others wait for the one thread, and are taken.
    let mut other = from(OTHER, &server);
    other.send(request("POST", "/api/sse/events", &bearer("publisher"), r#"{"data":1}"#));
    assert!(other.is_open());
    gate.open();
    assert_eq!(other.response().status(), 202);
    streams.iter_mut().for_each(Connection::expect_stream);
    eventually("there is room again", || publish(&mut late, "publisher").status() == 202);
}

#[test]
fn a_drain_does_not_wait_for_decisions() {
    let (server, gate) = gated(|builder| builder);
    let mut streams: Vec<Connection> = (0..5).map(|_| server.connect()).collect();
    streams.iter_mut().for_each(|connection| connection.send(stream("slow ada")));
    let mut publisher = server.connect();
    publisher.send(request("POST", "/api/sse/events", &bearer("slow ada"), r#"{"data":1}"#));
    eventually("all are thought about", || gate.came() == 6);
    let Server { engine, .. } = server;
    let shutdown = thread::spawn(move || engine.shutdown(LONG));
    for connection in &mut streams {
        assert!(is_refused(&connection.response(), "draining"), "the next server will know who it is");
        connection.expect_end();
    }
    // It does not wait for a hook that does not return, nor for whoever waits for that.
    shutdown.join().expect("the engine ends");
    assert!(publisher.try_response().is_none());
    gate.open();
}

#[test]
fn a_request_that_is_decided_while_the_server_ends_is_answered() {
    let (server, gate) = gated(|builder| builder);
    let mut publisher = server.connect();
    publisher.send(request("POST", "/api/sse/events", &bearer("slow ada"), r#"{"data":1}"#));
    eventually("it is thought about", || gate.came() == 1);
    server.engine.begin_shutdown();
    gate.open();
    assert_eq!(publisher.response().status(), 202);
    server.engine.shutdown(Duration::ZERO);
}

#[test]
fn limits_hold_for_streams_that_were_waited_for() {
    let (server, gate) = gated(|builder| builder.max_connections_per_user(2));
    let mut streams: Vec<Connection> = (0..5).map(|_| server.connect()).collect();
    streams.iter_mut().for_each(|connection| connection.send(stream("slow ada")));
    eventually("all are thought about", || gate.came() == 5);
    gate.open();
    streams.iter_mut().for_each(Connection::expect_stream);
    assert_eq!(server.publisher.user_connections("ada"), 2, "the others were refused for now");
}

#[test]
fn a_body_waits_outside_until_it_is_known_who_sends_it() {
    let (server, gate) = gated(|builder| builder);
    let body = format!(r#"{{"data":"{}"}}"#, "x".repeat(900_000));
    let mut connection = server.connect();
    let whole = request("POST", "/api/sse/events", &bearer("slow ada"), &body);
    let sender = thread::spawn(move || {
        connection.send(whole);
        connection.response().status()
    });
    eventually("it is thought about", || gate.came() == 1);
    gate.open();
    assert_eq!(sender.join().expect("an answer"), 202);
}

/// A hook that takes longer than is waited for answers when the next request of the connection may wait, and that one
/// can be from somebody else, as behind a proxy.
#[test]
fn a_decision_that_comes_too_late_is_not_the_next_requests() {
    let gates = Arc::new([Gate::default(), Gate::default()]);
    let hook = gates.clone();
    let server = Server::with(|builder| {
        builder.authenticate_threads(8).authenticate(move |head| match head.bearer() {
            Some("admin") => {
                hook[0].wait();
                Ok(Identity::new().allow_admin())
            }
            _ => {
                hook[1].wait();
                Err(Denial::Unauthorized("who are you?".into()))
            }
        })
    });
    let mut connection = server.connect();
    let get = |token| request("GET", "/api/sse/stats", &bearer(token), "");
    connection.send([get("admin"), get("stranger")].concat());
    // After the time that a decision may take.
    connection.response().problem(503);
    eventually("the next one waits for its own", || gates[1].came() == 1);
    gates[0].open();
    // Time for the first thread to tell what it found.
    let mut other = server.connect();
    (0..20).for_each(|_| drop(other.get("/healthz")));
    gates[1].open();
    // Denied, or too late as well where the machine is slow; but not permitted as the administrator.
    let status = connection.response().status();
    assert!(matches!(status, 401 | 503), "{status}");
}

/// A browser's `EventSource` comes back after a refusal, and gives up for good after a 408.
#[test]
fn a_stream_that_is_decided_too_late_is_refused_for_now_however_short_the_head_timeout() {
    let (server, gate) = gated(|builder| builder.head_timeout(Duration::from_secs(2)));
    let mut connection = server.connect();
    connection.send(stream("slow ada"));
    // It comes whole, and the decision takes longer than it may, and longer than a head may.
    let response = connection.response();
    gate.open();
    assert!(is_refused(&response, "auth"), "{}: {}", response.status(), response.text());
}
