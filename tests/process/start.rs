//! Starting: what is said, and where the server is found.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::file::File;
use crate::server::{PROGRAM, Server, address_in, command, run};
use crate::support::client::Connection;
use crate::support::clock::{PATIENCE, eventually, unix_ms};
use crate::support::port::Port;
use crate::support::subscriber::Subscriber;

/// A process that is killed with its test, and the lines that it prints.
struct Printing(Child, Receiver<String>);

impl Printing {
    /// Runs a line of shell that is one command.
    fn start(line: &str) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec {line}")]).stdin(Stdio::null()).stderr(Stdio::null());
        let mut child = shell.stdout(Stdio::piped()).spawn().expect("a shell");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        // It ends with the process.
        thread::spawn(move || stdout.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
        Self(child, lines)
    }

    fn wait_for(&self, what: &str) -> String {
        loop {
            let line = self.1.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {what:?}"));
            if line.contains(what) {
                return line;
            }
        }
    }
}

impl Drop for Printing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_first_line_says_where_it_is_and_two_more_what_to_try() {
    let server = Server::start(&[]);
    let url = format!("http://localhost:{}/api/sse", server.address.port());
    assert_eq!(server.greeting[0], format!("fanfare listens on {url}"));
    let [stream, test] = [&server.greeting[2], &server.greeting[3]];
    assert!(stream.ends_with(&format!("curl -N -H \"Accept: text/event-stream\" {url}")), "{stream}");
    assert!(test.contains(&format!("curl -X POST {url}/test ")), "{test}");
    assert_eq!(server.subscribe("").greeting()["status"], "connected");
}

#[test]
fn the_two_commands_that_it_prints_work() {
    if Command::new("curl").arg("--version").output().is_err() {
        return println!("skipped: there is no curl");
    }
    let server = Server::start(&[]);
    let [stream, test] = [2, 3].map(|n| {
        let at = server.greeting[n].find("curl ").expect("a command");
        server.greeting[n][at..].to_owned()
    });
    let stream = Printing::start(&stream);
    stream.wait_for("event: connection");
    let answer = Printing::start(&test).wait_for("id");
    let id = serde_json::from_str::<serde_json::Value>(&answer).expect("JSON")["id"].clone();
    assert_eq!(stream.wait_for("id: "), format!("id: {}", id.as_str().expect("an id")));
    assert_eq!(stream.wait_for("event: "), "event: notification");
    assert!(stream.wait_for("data: ").contains("\"message\":\"Test message\""));
}

#[test]
fn localhost_is_found_by_both_of_its_addresses() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return println!("skipped: there is no ::1");
    }
    // As by default, but for the port.
    let reserved = Port::reserve_on(&[Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    let port = reserved.number();
    let (v4, v6) = (format!("127.0.0.1:{port}"), format!("[::1]:{port}"));
    let server = Server::launch(command(&["--listen", &v4, "--listen", &v6]));
    assert_eq!(server.greeting[0], format!("fanfare listens on http://localhost:{port}/api/sse"));
    let mut streams = [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), (Ipv6Addr::LOCALHOST, port).into()]
        .map(|address| Subscriber::open(address, "/api/sse", ""));
    server.connect().post("/api/sse/events", "{\"data\":1}");
    let ids = streams.each_mut().map(|stream| stream.next().id);
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn an_address_that_localhost_is_not_is_told_as_it_is() {
    let server = Server::launch(command(&["--listen", "127.0.0.2:0"]));
    let url = format!("http://127.0.0.2:{}/api/sse", server.address.port());
    assert_eq!(server.greeting[0], format!("fanfare listens on {url}"));
    assert!(server.greeting[2].ends_with(&url));
    assert_eq!(server.subscribe("").greeting()["status"], "connected");
}

#[test]
fn an_address_in_use_is_said_in_one_line() {
    let server = Server::start(&[]);
    let address = server.address.to_string();
    let output = run(command(&["--listen", &address]));
    let (error, printed) = (String::from_utf8_lossy(&output.stderr), output.stdout);
    assert_eq!((output.status.code(), printed), (Some(1), vec![]), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(
        error.starts_with("fanfare: ") && error.contains(&address) && error.contains("in use"),
        "{error}"
    );
}

#[test]
fn open_mode_stays_on_loopback_unless_told_that_it_is_insecure() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let output = run(command(&["--listen", address]));
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{error}");
        assert!(error.contains("insecure-open"), "it says what would do: {error}");
    }
    let server = Server::launch(command(&["--listen", "0.0.0.0:0", "--insecure-open"]));
    let mut connection = Connection::open(server.address);
    let response = connection.request("GET", "/api/sse/stats", "Host: example.com\r\n", "");
    assert_eq!(response.status(), 200);
    let mut server = Server::start(&[]);
    let response = server.connect().request("GET", "/api/sse/stats", "Host: example.com\r\n", "");
    response.problem(403);
    assert!(server.is_running());
}

#[test]
fn help_and_version_are_told() {
    for args in [&["--help"][..], &["-h"], &["serve", "--help"], &["--version"], &["-V"]] {
        let output = run(command(args));
        let printed = String::from_utf8_lossy(&output.stdout);
        assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]), "{args:?}");
        match args[0] {
            "--version" | "-V" => assert_eq!(printed, format!("fanfare {}\n", env!("CARGO_PKG_VERSION"))),
            _ => assert!(printed.contains("Usage: fanfare"), "{printed}"),
        }
    }
}

/// A server on all addresses, and its port, which nobody else has in either family; `None` where there is no IPv6.
fn everywhere(args: fn(u16) -> Vec<String>) -> Option<(Server, u16)> {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).ok()?;
    // On all addresses: there are more of loopback, and others may have the port there.
    let port = Port::reserve_on(&[Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]);
    let args = args(port.number());
    let mut command = command(&args.iter().map(String::as_str).collect::<Vec<_>>());
    command.arg("--insecure-open").env("RUST_LOG", "debug");
    Some((Server::launch(command), port.number()))
}

#[test]
fn the_unspecified_ipv6_address_is_all_addresses() {
    let Some((server, port)) = everywhere(|port| vec!["--listen".to_owned(), format!("[::]:{port}")]) else {
        return println!("skipped: there is no ::1");
    };
    for address in [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), (Ipv6Addr::LOCALHOST, port).into()] {
        let stream = Subscriber::open(address, "/api/sse", "");
        assert_eq!(stream.greeting()["status"], "connected", "{address}");
        assert_eq!(Connection::open(address).get("/nothing").status(), 404);
    }
    // Peers are told as what they are.
    eventually("both are in the log", || {
        server.log().contains("peer=127.0.0.1 ") && server.log().contains("peer=::1 ")
    });
    assert!(!server.log().contains("::ffff:"), "{}", server.log());
}

#[test]
fn an_ipv4_address_beside_the_unspecified_ipv6_address_has_ipv4() {
    for ipv4 in ["0.0.0.0", "127.0.0.1"] {
        let args: fn(u16) -> Vec<String> = match ipv4 {
            "0.0.0.0" => {
                |port| ["--listen", &format!("0.0.0.0:{port},[::]:{port}")].map(str::to_owned).into()
            }
            _ => |port| {
                let (control, listen) = (format!("127.0.0.1:{port}"), format!("[::]:{port}"));
                ["--control-listen", &control, "--listen", &listen].map(str::to_owned).into()
            },
        };
        let Some((_server, port)) = everywhere(args) else { return println!("skipped: there is no ::1") };
        let status = |address: SocketAddr| Connection::open(address).get("/api/sse/stats").status();
        let found = [status((Ipv4Addr::LOCALHOST, port).into()), status((Ipv6Addr::LOCALHOST, port).into())];
        // What is on the control listener is not on the other.
        assert_eq!(found, if ipv4 == "0.0.0.0" { [200, 200] } else { [200, 404] }, "{ipv4}");
    }
}

#[test]
fn a_specific_ipv6_address_is_no_other() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return println!("skipped: there is no ::1");
    }
    // Nobody else listens there on the other address. It is called localhost.
    let reserved = Port::reserve_on(&[Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    let port = reserved.number();
    let _server = Server::launch(command(&["--listen", &format!("[::1]:{port}")]));
    assert_eq!(Connection::open((Ipv6Addr::LOCALHOST, port).into()).get("/healthz").status(), 200);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    let server = Server::launch(command(&["--listen", "[::ffff:127.0.0.1]:0"]));
    assert_eq!(Connection::open(server.address).get("/healthz").status(), 200);
}

/// An id of one history must not count in another, whenever they began.
#[test]
fn servers_that_start_together_have_histories_of_their_own() {
    const SERVERS: usize = 12;
    const KEY: &str = "k_live_0123456789abcdef";
    // Each waits for the end of its file of keys, and takes its epoch when that comes.
    let start = |_| {
        let path = File::absent("keys");
        assert!(Command::new("mkfifo").arg(path.path()).status().expect("mkfifo").success());
        // To read and to write, so that nobody waits for the other end.
        let mut keys = fs::File::options().read(true).write(true).open(path.path()).expect("a pipe");
        keys.write_all(format!("{KEY} admin\n").as_bytes()).expect("room");
        let line = format!("{PROGRAM} --listen 127.0.0.1:0 --api-key-file {}", path.path());
        (Printing::start(&line), path, keys)
    };
    let waiting: Vec<_> = (0..SERVERS).map(start).collect();
    let reads = |(server, path, _): &(Printing, File, fs::File)| {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", server.0.id())).expect("a process of ours");
        let target = |descriptor: fs::DirEntry| fs::read_link(descriptor.path()).ok();
        descriptors.flatten().filter_map(target).any(|target| target == path.as_ref())
    };
    eventually("all wait", || waiting.iter().all(reads));
    let servers: Vec<Printing> = waiting.into_iter().map(|(server, _, _)| server).collect();
    let epochs: BTreeSet<u64> = servers
        .iter()
        .map(|server| {
            let address = address_in(&server.wait_for("fanfare listens on"));
            let fields = format!("Authorization: Bearer {KEY}\r\n");
            let stats = Connection::open(address).request("GET", "/api/sse/stats", &fields, "").json();
            stats["engine"]["history"]["epoch"].as_u64().expect("a number")
        })
        .collect();
    assert_eq!(epochs.len(), SERVERS, "{epochs:?}");
    let now = unix_ms();
    assert!(epochs.iter().all(|epoch| *epoch <= now && now - *epoch < 30 * 60 * 1000), "{epochs:?} at {now}");
}

#[test]
fn what_may_surprise_an_operator_is_told_at_start() {
    let server = Server::launch(command(&["--listen", "0.0.0.0:0", "--insecure-open"]));
    eventually("it warns", || server.log().contains("WARN") && server.log().contains("insecure-open"));
    let server = Server::start(&["--insecure-open"]);
    drop(server.subscribe(""));
    assert!(!server.log().contains("insecure-open"), "on loopback it is as open without: {}", server.log());
    let server = Server::limited(256, &[]);
    eventually("it warns", || server.log().contains("WARN") && server.log().contains("descriptor"));
    let server = Server::limited(2000, &["--max-connections", "5000"]);
    eventually("it warns", || server.log().contains("WARN") && server.log().contains("descriptor"));
}
