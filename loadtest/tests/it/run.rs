//! Runs of the built binary.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The binary with these arguments, separated by spaces.
pub(crate) fn loadtest(args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(args.split_ascii_whitespace());
    command
}

/// A load with `--json`: whether it exits with 0, and its report. It ends by its own deadline.
pub(crate) fn load(url: &str, args: &str) -> (bool, Value) {
    report(&loadtest(&format!("load --json --deadline 30s --url {url} {args}")).output().unwrap())
}

pub(crate) fn report(output: &Output) -> (bool, Value) {
    let text = String::from_utf8_lossy(&output.stdout);
    let value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error} in {text:?}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.success(), value)
}

/// A floor on a free port, ended with the test.
pub(crate) struct Floor {
    child: Child,
    pub(crate) url: String,
}

impl Floor {
    pub(crate) fn start(threads: usize) -> Self {
        let mut command = loadtest(&format!("floor --listen 127.0.0.1:0 --threads {threads}"));
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
