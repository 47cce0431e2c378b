//! Runs of the built binary.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

/// The binary with these arguments, separated by spaces.
pub(crate) fn loadtest(args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(args.split_ascii_whitespace());
    command
}

/// A path that no other test uses. The file is there from the last run of the tests, if at all.
pub(crate) fn scratch(name: &str) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{number}-{name}"));
    let _ = fs::remove_file(&path);
    path
}

/// `run` with these arguments: its output, and a value for each line of results.
pub(crate) fn run(args: &str) -> (Output, Vec<Value>) {
    let path = scratch("results.jsonl");
    let mut command = loadtest(&format!("run --deadline 60s {args} --out"));
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

/// A floor on a free port, ended with the test.
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
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
