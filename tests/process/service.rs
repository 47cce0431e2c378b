//! The server under a service manager: sockets that are handed over, and being told how it goes.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::Signal;

use crate::file::File;
use crate::server::{PROGRAM, Server, command};
use crate::support::client::{Connection, request};
use crate::support::clock::PATIENCE;
use crate::support::subscriber::Subscriber;

fn told(socket: &UnixDatagram) -> String {
    let mut message = [0; 256];
    let count = socket.recv(&mut message).expect("a word in time");
    String::from_utf8_lossy(&message[..count]).into_owned()
}

#[test]
fn the_service_manager_is_told_when_it_is_ready_and_when_it_stops() {
    let place = File::absent("notify");
    let socket = UnixDatagram::bind(&place).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut command = command(&["--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", place.path());
    let mut server = Server::launch(command);
    assert_eq!(told(&socket).trim_end(), "READY=1");
    server.signal(Signal::TERM);
    assert_eq!(told(&socket).trim_end(), "STOPPING=1");
    assert!(server.exit_within(PATIENCE).success());
}

/// A server that is handed listeners, with their names.
fn hand_over<const N: usize>(listeners: [TcpListener; N], names: &str) -> Server {
    // The process that is started must be the one that is named.
    let mut command = Command::new("sh");
    command.args(["-c", "LISTEN_PID=$$ exec \"$0\"", PROGRAM]);
    command.env("LISTEN_FDS", N.to_string()).env("LISTEN_FDNAMES", names);
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mapping = |(n, listener)| FdMapping { parent_fd: OwnedFd::from(listener), child_fd: 3 + n };
    let mappings = (0..).zip(listeners).map(mapping).collect();
    command.fd_mappings(mappings).expect("distinct descriptors");
    Server::launch(command)
}

/// A restart as a service manager does it, which holds the socket: the next process is started once the old one has
/// ended, and whoever connects in between waits for it.
#[test]
fn a_restart_behind_a_shared_socket_refuses_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let clone = || [listener.try_clone().expect("a descriptor")];
    let mut first = hand_over(clone(), "streams");
    let mut streams: Vec<_> = (0..20).map(|_| first.subscribe("")).collect();
    first.signal(Signal::TERM);
    assert!(first.exit_within(PATIENCE).success());
    for stream in &mut streams {
        assert!(stream.rest().last().is_some_and(|last| last.data.contains("draining")));
    }
    let come_back = |_| {
        let mut connection = Connection::open(address);
        connection.send(request("GET", "/api/sse", "", ""));
        connection
    };
    let waiting: Vec<Connection> = (0..20).map(come_back).collect();
    let _second = hand_over(clone(), "streams");
    for connection in waiting {
        assert_eq!(Subscriber::after(connection).greeting()["status"], "connected");
    }
}

#[test]
fn listeners_are_taken_over_and_the_one_named_control_is_for_operators() {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let addresses = listeners.each_ref().map(|listener| listener.local_addr().expect("an address"));
    let server = hand_over(listeners, "streams:control");
    assert_eq!(server.address, addresses[0]);
    let [front, control] = addresses;
    assert_eq!(Connection::open(front).get("/api/sse/stats").status(), 404);
    assert_eq!(Connection::open(control).get("/api/sse/stats").status(), 200);
    assert_eq!(Connection::open(front).get("/readyz").status(), 200);
    let greeting = server.subscribe("").greeting();
    assert_eq!(greeting["status"], "connected");
}
