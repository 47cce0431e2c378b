//! The server, started as a process for one test.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::ops::Deref;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::clock::{Deadline, LONG, PATIENCE, within};
use crate::support::endpoint::Endpoint;
pub(crate) use crate::support::endpoint::{publish, stats};

/// The path of the program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_fanfare");
/// Number of lines that the server prints when it starts.
const GREETING: usize = 4;

/// A running server process. It is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    endpoint: Endpoint,
    /// The lines that it has printed.
    pub(crate) greeting: Vec<String>,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// A command that runs the program with these arguments and without options in its environment.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    prepare(&mut command, args);
    command
}

/// Sets timeouts that no test reaches, except those that its arguments set.
pub(crate) fn patient(command: &mut Command) {
    for name in ["HEARTBEAT_INTERVAL", "CONNECTION_TIMEOUT", "HEAD_TIMEOUT", "IDLE_TIMEOUT"] {
        command.env(format!("FANFARE_{name}"), format!("{}s", LONG.as_secs()));
    }
}

/// The same command, run by a shell that limits its number of descriptors.
fn limited(descriptors: usize, args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"")).arg(PROGRAM);
    prepare(&mut command, args);
    command
}

fn prepare(command: &mut Command, args: &[&str]) {
    command.args(args).env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
}

/// Runs a command that should end by itself. If it does not, kills it and fails the test.
pub(crate) fn run(mut command: Command) -> Output {
    let mut child = command.spawn().expect("the program is there");
    let deadline = Deadline::new();
    while child.try_wait().expect("a child").is_none() {
        if deadline.left().is_none() {
            let _ = child.kill();
            panic!("it runs on: {:?}", child.wait_with_output());
        }
        thread::sleep(Duration::from_millis(2));
    }
    child.wait_with_output().expect("its output")
}

impl Server {
    /// Starts a server on a free port of 127.0.0.1 with these further arguments, and with timeouts that no test reaches.
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut command = command(&[&["--listen", "127.0.0.1:0"], args].concat());
        patient(&mut command);
        Self::launch(command)
    }

    /// As [`Server::start`], with a limit of descriptors.
    pub(crate) fn limited(descriptors: usize, args: &[&str]) -> Self {
        let mut command = limited(descriptors, &[&["--listen", "127.0.0.1:0"], args].concat());
        patient(&mut command);
        Self::launch(command)
    }

    /// Starts the server, and waits until it listens.
    pub(crate) fn launch(command: Command) -> Self {
        Self::try_launch(command).unwrap_or_else(|log| panic!("it does not start: {log}"))
    }

    /// As [`Server::launch`], with the reading end of its standard error closed.
    pub(crate) fn launch_unheard(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program is there");
        drop(child.stderr.take());
        Self::await_greeting(child).expect("it starts")
    }

    /// As [`Server::launch`]. If the process ends instead, returns what it wrote to standard error.
    pub(crate) fn try_launch(mut command: Command) -> Result<Self, String> {
        Self::await_greeting(command.spawn().expect("the program is there"))
    }

    fn await_greeting(mut child: Child) -> Result<Self, String> {
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let stderr = child.stderr.take();
        let (sender, lines) = channel();
        let log = Arc::new(Mutex::new(String::new()));
        let told = log.clone();
        let readers = vec![
            thread::spawn(move || {
                stdout.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
            }),
            thread::spawn(move || {
                let Some(mut stderr) = stderr else { return };
                let mut input = [0; 4096];
                while let Ok(count @ 1..) = stderr.read(&mut input) {
                    lock(&told).push_str(&String::from_utf8_lossy(&input[..count]));
                }
            }),
        ];
        let endpoint = Endpoint { address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let mut server = Self { child, endpoint, greeting: Vec::new(), log, readers };
        while server.greeting.len() < GREETING {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) => server.greeting.push(line),
                Err(_) => {
                    server.kill();
                    return Err(server.log());
                }
            }
        }
        server.endpoint.address = address_in(&server.greeting[0]);
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard error so far.
    pub(crate) fn log(&self) -> String {
        lock(&self.log).clone()
    }

    /// Kills the process if it still runs, and returns all that it wrote to standard error.
    pub(crate) fn whole_log(&mut self) -> String {
        self.kill();
        self.log()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it has not been waited for");
    }

    /// The same, of signals that have no name in POSIX.
    #[cfg(target_os = "linux")]
    pub(crate) fn signal_by_number(&self, signal: i32) {
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success(), "{kill}");
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Waits for its exit status, and until all its output has been read. Panics if it does not end in `time`.
    pub(crate) fn exit_within(&mut self, time: Duration) -> ExitStatus {
        within(time, "it ends", || self.child.try_wait().expect("a child").is_some());
        self.readers.drain(..).for_each(|reader| drop(reader.join()));
        self.child.wait().expect("a child")
    }

    fn kill(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.readers.drain(..).for_each(|reader| drop(reader.join()));
    }

    /// Reads the statistics over a connection of its own.
    pub(crate) fn stats(&self) -> Value {
        stats(&mut self.connect())
    }
}

impl Deref for Server {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("the server wrote:\n{}", self.log());
        }
    }
}

/// Held by tests that load the whole machine, so that they run one after the other.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    lock(&TURN)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The address in the first line that the server prints.
pub(crate) fn address_in(line: &str) -> SocketAddr {
    let url = line.split("http://").nth(1).unwrap_or_else(|| panic!("an address in {line:?}"));
    let authority = url.split('/').next().expect("the beginning");
    let authority = authority.replace("localhost", "127.0.0.1").replace("0.0.0.0", "127.0.0.1");
    authority.parse().unwrap_or_else(|_| panic!("an address in {line:?}"))
}
