//! A second listener for publishers and operators: the same permissions, behind another door.

use std::net::SocketAddr;

use serde_json::json;

use super::key::SECRET;
use super::keyed::{Folder, post, publish, signed};
use super::scope::REQUESTS;
use super::token::Token;
use super::verdict::unauthorized;
use crate::server::{Server, command, run};
use crate::support::client::Connection;
use crate::support::port::Port;
use crate::support::subscriber::Subscriber;

/// A server with these arguments, and the address of its second listener.
fn start(args: &[&str]) -> (Server, SocketAddr) {
    // It is not told, so it has to be known. Once the server listens there, nobody else gets it.
    let port = Port::reserve();
    let listen = ["--listen", "127.0.0.1:0", "--control-listen", &port.address().to_string()];
    (Server::launch(command(&[&listen, args].concat())), port.address())
}

#[test]
fn each_door_has_its_own_rooms() {
    let folder = Folder::new();
    let secret = folder.write("secret", SECRET);
    let (server, control) = start(&["--jwt-secret-file", &secret, "--dev-endpoints", "on"]);
    let all = signed(&Token::of_all_scopes());
    let (mut outside, mut inside) = (server.connect(), Connection::open(control));
    for (method, target, _) in REQUESTS.into_iter().filter(|(method, ..)| *method != "HEAD") {
        for fields in ["", &*all] {
            let response = super::scope::ask(&mut outside, method, target, fields);
            response.problem(404);
        }
        unauthorized(&super::scope::ask(&mut inside, method, target, ""));
        super::scope::ask(&mut inside, method, target, &signed(&Token::new())).problem(403);
    }
    let mut stream = Subscriber::open(server.address, "/api/sse", &all);
    let id = publish(&mut inside, &all, &json!({"data": 1}));
    assert_eq!(stream.next().id, Some(id));
    assert_eq!(inside.request("GET", "/api/sse/stats", &all, "").json()["totalConnections"], 1);
    for connection in [&mut outside, &mut inside] {
        assert_eq!(connection.get("/healthz").status(), 200);
    }
}

#[test]
fn in_open_mode_both_doors_want_a_host_that_is_loopback() {
    let (server, control) = start(&[]);
    for address in [server.address, control] {
        for (target, method) in [("/api/sse", "HEAD"), ("/api/sse/stats", "GET"), ("/api/sse/events", "POST")]
        {
            let fields = "Host: evil.com\r\nContent-Type: application/json\r\n";
            let response = Connection::open(address).request(method, target, fields, "");
            assert!(matches!(response.status(), 403 | 404), "{address} {target}: {}", response.status());
        }
    }
    assert_eq!(post(&mut Connection::open(control), "/api/sse/events", "", r#"{"data":1}"#).status(), 202);
    assert_eq!(Subscriber::open(server.address, "/api/sse", "").greeting()["status"], "connected");
}

#[test]
fn in_open_mode_neither_door_leads_beyond_loopback() {
    for args in [
        ["--listen", "127.0.0.1:0", "--control-listen", "0.0.0.0:0"],
        ["--listen", "0.0.0.0:0", "--control-listen", "127.0.0.1:0"],
    ] {
        let output = run(command(&args));
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{args:?}: {error}");
        assert!(error.contains("insecure-open"), "{error}");
    }
}
