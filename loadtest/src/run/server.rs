//! A server under load: a child process, killed at the end, or a server that already runs.

use std::env;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Protocol, Socket, Type};

use crate::clock;
use crate::peer::Peer;
use crate::stop::Stop;
use crate::tether;
use crate::usage;

/// Most time until a server accepts connections.
const START_AT_MOST: Duration = Duration::from_secs(10);
const ASK_AGAIN: Duration = Duration::from_millis(10);
/// Most time for an answer, before the next attempt.
const ANSWERS_WITHIN: Duration = Duration::from_millis(200);
const PROBE_SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 251);
/// Most bytes that are quoted of a failed server's standard error.
const COMPLAINT_AT_MOST: u64 = 1000;
/// Most time between a server's exit and the end of its output.
const ENDS_WITHIN: Duration = Duration::from_secs(1);
/// Most time between a signal and the end of all processes: longer than any server drains.
const EXITS_WITHIN: Duration = Duration::from_secs(60);
const ASK_FOR_EXIT: Duration = Duration::from_millis(1);
/// Accept backlog of a listener that is passed on to servers; the kernel caps it at `net.core.somaxconn`.
const LISTEN_BACKLOG: i32 = 4096;

pub(super) struct Server {
    pub(super) address: SocketAddr,
    child: Option<Child>,
    pid: Option<u32>,
    /// Kept open here, and passed on to each process.
    listener: Option<TcpListener>,
    descriptors: Option<u64>,
}

impl Server {
    /// `more` follows the arguments in the peer's file. `hands_over`: passes a listening socket on to the process, and to those
    /// that follow it. `descriptors` is its descriptor limit.
    pub(super) fn start(
        peer: &Peer,
        more: &[String],
        hands_over: bool,
        descriptors: Option<u64>,
        stop: &Stop,
    ) -> Result<Self> {
        if peer.start.is_empty() {
            let address = peer.address.as_deref().unwrap_or_default();
            let address =
                address.to_socket_addrs().with_context(|| format!("no address: {address:?}"))?.next();
            let address = address.context("the peer's address is none")?;
            return Ok(Self { address, child: None, pid: peer.pid, listener: None, descriptors });
        }
        let listener = listen()?;
        let address = listener.local_addr()?;
        // The port was free a moment ago; if it no longer is, the server fails to start.
        let listener = Some(listener).filter(|_| hands_over);
        let mut server = Self { address, child: None, pid: None, listener, descriptors };
        server.launch(peer, more, stop)?;
        Ok(server)
    }

    /// Starts a process on the address, and waits until it accepts.
    fn launch(&mut self, peer: &Peer, more: &[String], stop: &Stop) -> Result<()> {
        let start = if self.listener.is_some() { &peer.activated } else { &peer.start };
        let (program, arguments) =
            start.split_first().context("the peer's file does not say how it starts")?;
        let address = self.address;
        let fill = |text: &String| {
            text.replace("{address}", &address.to_string()).replace("{port}", &address.port().to_string())
        };
        let arguments: Vec<String> = arguments.iter().chain(more).map(fill).collect();
        let listener = self.listener.as_ref().map(TcpListener::try_clone).transpose()?;
        let mut command = tether::command(&find(program), listener.map(OwnedFd::from), self.descriptors)?;
        command.args(&arguments).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let complaint = child.stderr.take().map(beginning);
        (self.pid, self.child) = (Some(child.id()), Some(child));
        self.wait_accepting(stop, complaint)
            .with_context(|| format!("started as {program} {}", arguments.join(" ")))
    }

    /// Ends the server with a signal, and starts the next process as soon as all its processes have ended.
    pub(super) fn restart(
        &mut self,
        signal: Signal,
        peer: &Peer,
        more: &[String],
        stop: &Stop,
    ) -> Result<()> {
        let mut child = self.child.take().context("a server that runs already is not restarted")?;
        let family = self.pids();
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("no process")?;
        let begin = clock::now();
        kill_process(pid, signal)?;
        while child.try_wait()?.is_none() || family.iter().any(|&pid| usage::is_alive(pid)) {
            if clock::since(begin) > EXITS_WITHIN || stop.is_interrupted() {
                self.child = Some(child);
                bail!("the server has not ended {:?} after {signal:?}", clock::since(begin));
            }
            thread::sleep(ASK_FOR_EXIT);
        }
        self.launch(peer, more, stop)
    }

    /// Closes the listening socket, so that the next process has to open its own.
    pub(super) fn keep_listener_no_longer(&mut self) {
        self.listener = None;
    }

    /// The server's processes; empty if unknown.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.pid.map(usage::family).unwrap_or_default()
    }

    fn wait_accepting(&mut self, stop: &Stop, complaint: Option<Receiver<String>>) -> Result<()> {
        let begin = clock::now();
        // A listener that was passed on accepts from the start: only an answer shows that it is served.
        let is_there = if self.listener.is_some() { is_answering } else { is_accepting };
        while !is_there(self.address) {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                // A child of the server may hold the pipe open.
                let said = complaint.and_then(|said| said.recv_timeout(ENDS_WITHIN).ok()).unwrap_or_default();
                bail!("the server ended before it listened: {status}: {}", said.trim());
            }
            if stop.is_interrupted() {
                bail!("interrupted");
            }
            if clock::since(begin) > START_AT_MOST {
                bail!("the server does not accept connections on {} after {START_AT_MOST:?}", self.address);
            }
            thread::sleep(ASK_AGAIN);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Listens on a free port, with a backlog for many streams at once.
fn listen() -> Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(socket.into())
}

fn is_accepting(address: SocketAddr) -> bool {
    probe(address).is_ok()
}

/// Whether the server answers a request, with any status.
fn is_answering(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<usize> {
        let mut socket = probe(address)?;
        socket.set_read_timeout(Some(ANSWERS_WITHIN))?;
        socket.write_all(
            format!("HEAD / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
        )?;
        socket.read(&mut [0])
    };
    ask().is_ok_and(|length| length > 0)
}

/// Connects to the server. On loopback it uses a source address that no server has: a connection from the same address to
/// a free port can connect to itself.
fn probe(address: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == Ipv4Addr::LOCALHOST {
        socket.bind(&SocketAddr::from((PROBE_SOURCE, 0)).into())?;
    }
    socket.connect(&address.into())?;
    Ok(socket)
}

/// Sends the beginning of a server's standard error once it has ended. Reads the rest as well: a server that writes much
/// would block otherwise.
fn beginning(mut stderr: ChildStderr) -> Receiver<String> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        let _ = stderr.by_ref().take(COMPLAINT_AT_MOST).read_to_end(&mut text);
        let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        // The receiver may have ended.
        let _ = tell.send(String::from_utf8_lossy(&text).into_owned());
    });
    told
}

/// The first line of the output of the peer's version command; empty without one.
pub(super) fn version(peer: &Peer) -> String {
    let Some((program, arguments)) = peer.version.split_first() else { return String::new() };
    let Ok(output) = Command::new(find(program)).args(arguments).stdin(Stdio::null()).output() else {
        return String::new();
    };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
}

/// Searches a program beside this executable, in its `examples`, and on the path.
fn find(program: &str) -> PathBuf {
    if !program.contains('/')
        && let Ok(own) = env::current_exe()
        && let Some(directory) = own.parent()
    {
        for candidate in [directory.join(program), directory.join("examples").join(program)] {
            if candidate.is_file() {
                return candidate;
            }
        }
    }
    Path::new(program).to_owned()
}
