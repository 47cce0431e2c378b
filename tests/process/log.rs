//! The log of a server, where nobody reads it, and where somebody does again.

use std::io::{PipeReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::process::Signal;

use crate::server::{Server, command};
use crate::support::client::Connection;
use crate::support::clock::{PATIENCE, eventually};
use crate::support::port::Port;

/// More than a pipe and the server hold, of lines of over 4 KB.
const REQUESTS: usize = 600;

/// A server that says all that it can to a pipe that nobody reads; also what it prints goes there, where asked for.
fn start(format: &str) -> (Server, PipeReader) {
    let (read, write) = std::io::pipe().expect("a pipe");
    let mut command = command(&["--listen", "127.0.0.1:0", "--log-format", format]);
    command.env("RUST_LOG", "debug").stderr(write);
    (Server::launch(command), read)
}

/// Asks for more than anybody would have read.
fn ask(server: &Server) {
    let mut connection = server.connect();
    for n in 0..REQUESTS {
        let answer = connection.get(&format!("/{n}{}", "x".repeat(4000)));
        assert_eq!(answer.status(), 404, "request {n}");
    }
}

fn dropped(connection: &mut Connection) -> u64 {
    let metrics = connection.get("/metrics");
    let line = metrics.text().lines().find_map(|line| line.strip_prefix("fanfare_log_lines_dropped_total "));
    line.expect("a sample").parse().expect("a number")
}

#[test]
fn a_log_that_nobody_reads_holds_nothing_up() {
    let (mut server, _log) = start("text");
    ask(&server);
    assert!(dropped(&mut server.connect()) > 0);
    let stream = server.subscribe("");
    assert_eq!(stream.greeting()["status"], "connected");
    drop(stream);
    server.signal(Signal::HUP);
    server.signal(Signal::TERM);
    assert!(server.exit_within(PATIENCE).success());
}

#[test]
fn what_was_dropped_is_told_when_the_log_flows_again() {
    let (server, mut log) = start("json");
    ask(&server);
    assert!(dropped(&mut server.connect()) > 0);
    let read = Arc::new(Mutex::new(Vec::new()));
    let text = read.clone();
    let reader = thread::spawn(move || {
        let mut input = [0; 65_536];
        while let Ok(count @ 1..) = log.read(&mut input) {
            text.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&input[..count]);
        }
    });
    // Each line is whole, and JSON.
    let told = || {
        let text = read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lines = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let line = |line| serde_json::from_slice::<serde_json::Value>(line).expect("JSON");
        lines.map(line).filter_map(|line| line["fields"]["lines"].as_u64()).sum::<u64>()
    };
    let mut connection = server.connect();
    eventually("as many are told as were dropped", || told() == dropped(&mut connection));
    assert!(told() > 0);
    let before = dropped(&mut connection);
    assert_eq!(server.connect().get("/nothing").status(), 404);
    eventually("it goes on", || {
        String::from_utf8_lossy(&read.lock().unwrap_or_else(PoisonError::into_inner)).contains("/nothing")
    });
    assert_eq!(dropped(&mut connection), before);
    drop(server);
    reader.join().expect("it ends with the server");
}

/// Also where all that it prints goes to one pipe that is full before it starts.
#[test]
fn a_server_whose_output_nobody_reads_serves_and_ends() {
    let (_read, mut write) = std::io::pipe().expect("a pipe");
    let port = Port::reserve();
    let address = port.address();
    let mut command = command(&["--listen", &address.to_string()]);
    command.stdout(write.try_clone().expect("a descriptor"));
    command.stderr(write.try_clone().expect("a descriptor"));
    // As much as it holds by default.
    std::io::Write::write_all(&mut write, &[b'x'; 65_536]).expect("a pipe of 64 KiB");
    let mut child = command.spawn().expect("the program is there");
    eventually("it serves", || std::net::TcpStream::connect(address).is_ok());
    assert_eq!(Connection::open(address).get("/healthz").status(), 200);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).expect("it has not been waited for");
    eventually("it ends", || child.try_wait().expect("a child").is_some());
    assert!(child.wait().expect("a child").success());
}

#[test]
fn a_json_log_says_where_the_server_listens() {
    let server = Server::start(&["--log-format", "json"]);
    eventually("it says so", || server.log().contains("\n"));
    let log = server.log();
    let line: serde_json::Value = serde_json::from_str(log.lines().next().expect("a line")).expect("JSON");
    assert_eq!(line["fields"]["message"], "listening");
    assert!(line.to_string().contains(&server.address.to_string()), "{line}");
}
