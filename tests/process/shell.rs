//! `fanfare publish` and `fanfare tail` as a shell runs them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::server::command;
use crate::support::clock::{PATIENCE, eventually};

/// Where the stream of a server is.
pub(crate) fn url(address: SocketAddr) -> String {
    format!("http://{address}/api/sse")
}

/// A subcommand that runs beside a test. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Option<Receiver<String>>,
    said: Arc<Mutex<String>>,
    /// Who reads what it says; ends with it.
    listener: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts it, with what it needs of the environment.
    pub(crate) fn start(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = command(args);
        command.stdin(Stdio::piped()).envs(variables.iter().copied());
        let mut child = command.spawn().expect("the program is there");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut stderr = child.stderr.take().expect("a pipe");
        let (sender, lines) = channel();
        // Ends, and closes its end of the pipe, when nobody wants the lines any more.
        thread::spawn(move || stdout.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
        let said = Arc::new(Mutex::new(String::new()));
        let told = said.clone();
        let listener = thread::spawn(move || {
            let mut input = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut input) {
                let text = String::from_utf8_lossy(&input[..count]);
                told.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            }
        });
        let stdin = child.stdin.take();
        Self { child, stdin, lines: Some(lines), said, listener: Some(listener) }
    }

    /// Gives it input.
    pub(crate) fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("an input that is not closed");
        stdin.write_all(text.as_bytes()).expect("it reads");
    }

    pub(crate) fn close_input(&mut self) {
        self.stdin = None;
    }

    /// The next line that it prints.
    pub(crate) fn line(&self) -> String {
        let lines = self.lines.as_ref().expect("an output that is read");
        lines.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no line ({error}): {}", self.said()))
    }

    /// The next line, if it is there.
    pub(crate) fn try_line(&self) -> Option<String> {
        self.lines.as_ref().expect("an output that is read").try_recv().ok()
    }

    /// The next line, which is JSON.
    pub(crate) fn json(&self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// All lines from here to its end.
    pub(crate) fn rest(&self) -> Vec<String> {
        let mut rest = Vec::new();
        while let Ok(line) = self.lines.as_ref().expect("an output that is read").recv_timeout(PATIENCE) {
            rest.push(line);
        }
        rest
    }

    /// Stops reading what it prints.
    pub(crate) fn stop_reading(&mut self) {
        self.lines = None;
    }

    /// What it has said on standard error so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has said something on standard error.
    pub(crate) fn wait_until_said(&self, what: &str) {
        eventually(&format!("it says {what}"), || self.said().contains(what));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it has not been waited for");
    }

    /// Its exit status, once it has ended. All that it has said has been read then.
    pub(crate) fn status(&mut self) -> Option<i32> {
        self.end().code()
    }

    fn end(&mut self) -> ExitStatus {
        eventually("it ends", || self.child.try_wait().expect("a child").is_some());
        self.listener.take().into_iter().for_each(|listener| listener.join().expect("a reader"));
        self.child.wait().expect("a child")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("it said:\n{}", self.said());
        }
    }
}

/// Runs what reads that input and ends by itself.
pub(crate) fn run(args: &[&str], variables: &[(&str, &str)], input: &str) -> Output {
    let mut running = Running::start(args, variables);
    // It may not want it.
    let _ = running.stdin.take().expect("an input").write_all(input.as_bytes());
    let stdout: String = running.rest().iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    let status = running.end();
    Output { status, stdout: stdout.into_bytes(), stderr: running.said().into_bytes() }
}

/// The one line that it said when it ended with this status.
pub(crate) fn refusal(args: &[&str], variables: &[(&str, &str)], input: &str, status: i32) -> String {
    let output = run(args, variables, input);
    let error = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(status), "{args:?}: {error}");
    assert_eq!((error.lines().count(), output.stdout.len()), (1, 0), "{args:?}: {error}");
    error.strip_prefix("fanfare: ").expect("its name before it").trim_end().to_owned()
}
