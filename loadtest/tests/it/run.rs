//! Runs the binary.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// A command that runs the binary with these arguments, separated by spaces.
pub(crate) fn loadtest(args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(args.split_ascii_whitespace());
    command
}

/// A path that no other test uses. The file may exist from an earlier run of the tests.
pub(crate) fn scratch(name: &str) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{number}-{name}"));
    let _ = fs::remove_file(&path);
    path
}

/// Waits until a condition holds. The limit of a minute ends a test that hangs.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{what}");
}

/// Runs `loadtest run` with these arguments, and returns its output and a value for each line of results. Unless the
/// arguments say otherwise, `--patience` is long, so that a busy machine causes no losses.
pub(crate) fn run(args: &str) -> (Output, Vec<Value>) {
    let path = scratch("results.jsonl");
    let patience = if args.contains("--patience") { "" } else { "--patience 60s" };
    let mut command = loadtest(&format!("run --deadline 600s {patience} {args} --out"));
    let output = command.arg(&path).output().unwrap();
    let text = fs::read_to_string(&path).unwrap_or_default();
    (output, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// The one line of JSON that a command with `--json` prints.
pub(crate) fn summary(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error} in {text:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// A floor on a free port. It is killed when this is dropped.
pub(crate) struct Floor {
    child: Child,
    pub(crate) url: String,
}

impl Floor {
    pub(crate) fn start(threads: usize) -> Self {
        Self::listen("127.0.0.1:0", threads)
    }

    pub(crate) fn listen(address: &str, threads: usize) -> Self {
        let mut command = loadtest(&format!("floor --listen {address} --threads {threads}"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("floor listening on ").expect("its first line");
        Self { url: format!("http://{address}/api/sse"), child }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until everything that the floor has been asked to send has been read.
    pub(crate) fn settle(&self) {
        // When it answers the next request, it has sent everything before.
        let address = self.url.trim_start_matches("http://").trim_end_matches("/api/sse");
        let mut socket = TcpStream::connect(address).unwrap();
        write!(socket, "GET /api/sse HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let mut greeting = BufReader::new(socket);
        while {
            let mut line = String::new();
            greeting.read_line(&mut line).unwrap();
            !line.starts_with("data: ")
        } {}
        let (_, port) = address.rsplit_once(':').unwrap();
        let port = format!(":{:04X}", port.parse::<u16>().unwrap());
        // For both ends of each connection: unacknowledged bytes and unread bytes.
        let is_read = |line: &str| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            !fields[1..3].iter().any(|address| address.ends_with(&port)) || fields[4] == "00000000:00000000"
        };
        // The rest of the greeting is not read.
        greeting.into_inner().shutdown(Shutdown::Both).unwrap();
        wait_until("everything is read", || {
            let table = fs::read_to_string("/proc/net/tcp").unwrap();
            table.lines().skip(1).all(is_read)
        });
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
