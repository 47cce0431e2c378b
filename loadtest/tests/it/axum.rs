//! The example `axum`: the built program over real sockets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Ends a wait for what does not come.
const DEADLINE: Duration = Duration::from_secs(60);

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start() -> Self {
        let program = program();
        let mut command = Command::new(&program);
        command.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{}: {error}; `cargo build -p loadtest --examples` makes it", program.display())
        });
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self { child, address: String::new() };
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let _ = output.read_line(&mut line).map(|_| tell.send(line));
        });
        let line = told.recv_timeout(DEADLINE).expect("a line from the program");
        server.address = line.trim().strip_prefix("axum listening on ").expect("its first line").to_owned();
        server
    }

    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.set_write_timeout(Some(DEADLINE)).unwrap();
        socket
    }

    /// An open stream, after its greeting.
    fn stream(&self, query: &str) -> EventStream {
        let mut socket = self.connect();
        write!(socket, "GET /stream{query} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).unwrap();
        let mut reader = BufReader::new(socket);
        let head = lines_to_empty(&mut reader);
        assert_eq!(head[0], "HTTP/1.1 200 OK");
        assert!(head.contains(&"content-type: text/event-stream".to_owned()), "{head:?}");
        assert!(head.contains(&"transfer-encoding: chunked".to_owned()), "{head:?}");
        let mut stream = EventStream { reader };
        assert_eq!(stream.next(), [": connected"]);
        stream
    }

    /// The status and the body of the answer.
    fn publish(&self, body: &str) -> (u16, String) {
        let mut socket = self.connect();
        write!(
            socket,
            "POST /publish HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        let mut reader = BufReader::new(socket);
        let head = lines_to_empty(&mut reader);
        let status = head[0].split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let mut body = String::new();
        reader.read_to_string(&mut body).unwrap();
        (status, body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct EventStream {
    reader: BufReader<TcpStream>,
}

impl EventStream {
    /// The fields of the next event, sorted. Heartbeats are passed over: they come where the machine is slow.
    fn next(&mut self) -> Vec<String> {
        loop {
            match self.chunk() {
                fields if fields == [":"] => {}
                fields => return fields,
            }
        }
    }

    /// The fields of the next chunk, sorted: the server makes one of each event.
    fn chunk(&mut self) -> Vec<String> {
        let size = line(&mut self.reader);
        let size =
            usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("not a chunk's size: {size:?}"));
        let mut chunk = vec![0; size + 2];
        self.reader.read_exact(&mut chunk).unwrap();
        let chunk = String::from_utf8(chunk).unwrap();
        let event = chunk.strip_suffix("\n\n\r\n").expect("a whole event");
        let mut fields: Vec<String> = event.lines().map(str::to_owned).collect();
        fields.sort_unstable();
        fields
    }
}

/// Cargo puts the examples of a package beside its tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps");
    profile.join("examples").join(format!("axum{}", std::env::consts::EXE_SUFFIX))
}

fn line(reader: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line in time");
    line.strip_suffix("\r\n").unwrap_or_else(|| panic!("not a whole line: {line:?}")).to_owned()
}

fn lines_to_empty(reader: &mut BufReader<TcpStream>) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        match line(reader) {
            line if line.is_empty() => return lines,
            line => lines.push(line),
        }
    }
}

#[test]
fn each_stream_has_what_is_for_it() {
    let server = Server::start();
    let (mut anyone, mut ann) = (server.stream(""), server.stream("?user=ann&topic=news"));
    let mut other = server.stream("?user=bob&topic=sport");
    let publish =
        |body: &str, id: u64| assert_eq!(server.publish(body), (202, format!("{{\"id\":\"{id}\"}}\n")));
    // One at a time: a stream's order holds among those for all, and among those for a user, not between them.
    publish(r#"{"event":"load","data":{"b":1,"a":[ 2 ]}}"#, 1);
    for stream in [&mut anyone, &mut ann, &mut other] {
        assert_eq!(stream.next(), [r#"data: {"b":1,"a":[ 2 ]}"#, "event: load", "id: 1"]);
    }
    publish(r#"{"event":"load","data":"x","to":{"user":"ann"}}"#, 2);
    assert_eq!(ann.next(), [r#"data: "x""#, "event: load", "id: 2"]);
    publish(r#"{"data":3,"to":{"topic":"news"}}"#, 3);
    assert_eq!(ann.next(), ["data: 3", "id: 3"]);
    publish(r#"{"data":4,"to":{"user":"nobody"}}"#, 4);
    publish(r#"{"data":5}"#, 5);
    // The next that the others see is this one: nothing that was for ann came before it.
    for stream in [&mut anyone, &mut ann, &mut other] {
        assert_eq!(stream.next(), ["data: 5", "id: 5"]);
    }
}

#[test]
fn what_is_no_event_is_refused() {
    let server = Server::start();
    let mut stream = server.stream("");
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("{}", 422),
        (r#"{"event":"a\nb","data":1}"#, 422),
        (r#"{"event":"a\rb","data":1}"#, 422),
        (r#"{"data":1,"to":{"room":"a"}}"#, 422),
    ] {
        assert_eq!(server.publish(body).0, status, "{body}");
    }
    // None of them was sent, and none took an id.
    assert_eq!(server.publish("{\"data\":[1,\n2]}").0, 202);
    assert_eq!(stream.next(), ["data: 2]", "data: [1,", "id: 1"]);
}

#[test]
fn a_user_may_leave_and_come_back() {
    let server = Server::start();
    let mut first = server.stream("?user=ann");
    let second = server.stream("?user=ann");
    drop(second);
    for n in 1..=3 {
        assert_eq!(server.publish(&format!(r#"{{"data":{n},"to":{{"user":"ann"}}}}"#)).0, 202);
        assert_eq!(first.next(), [format!("data: {n}"), format!("id: {n}")]);
    }
    drop(first);
    let mut back = server.stream("?user=ann");
    assert_eq!(server.publish(r#"{"data":4,"to":{"user":"ann"}}"#).0, 202);
    assert_eq!(back.next(), ["data: 4", "id: 4"]);
}
