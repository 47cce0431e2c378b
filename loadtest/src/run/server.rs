//! A server under load: a process of its own, killed when it is done with, or one that runs already.

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::clock;
use crate::peer::Peer;
use crate::stop::Stop;
use crate::usage;

/// Until a server accepts connections.
const START_AT_MOST: Duration = Duration::from_secs(10);
const ASK_AGAIN: Duration = Duration::from_millis(10);

pub(super) struct Server {
    pub(super) address: SocketAddr,
    child: Option<Child>,
    pid: Option<u32>,
}

impl Server {
    /// `more` goes after the arguments that the peer's file gives.
    pub(super) fn start(peer: &Peer, more: &[String], stop: &Stop) -> Result<Self> {
        let Some((program, arguments)) = peer.start.split_first() else {
            let address = peer.address.as_deref().unwrap_or_default();
            let address =
                address.to_socket_addrs().with_context(|| format!("no address: {address:?}"))?.next();
            let address = address.context("the peer's address is none")?;
            return Ok(Self { address, child: None, pid: peer.pid });
        };
        // Free a moment ago: the server itself fails in the rare case that it no longer is.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let fill = |text: &String| {
            text.replace("{address}", &address.to_string()).replace("{port}", &address.port().to_string())
        };
        let arguments: Vec<String> = arguments.iter().chain(more).map(fill).collect();
        let mut command = Command::new(find(program));
        command.args(&arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let line = format!("{program} {}", arguments.join(" "));
        let child = command.spawn().with_context(|| format!("cannot run {line}"))?;
        let mut server = Self { address, pid: Some(child.id()), child: Some(child) };
        server.wait_accepting(stop).with_context(|| format!("started as {line}"))?;
        Ok(server)
    }

    /// Its processes; empty if they are not known.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.pid.map(usage::family).unwrap_or_default()
    }

    fn wait_accepting(&mut self, stop: &Stop) -> Result<()> {
        let begin = clock::now();
        while TcpStream::connect(self.address).is_err() {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                bail!("the server ended before it listened: {status}");
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
            // It may have ended by itself; there is nobody left to tell.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The first line that the peer's version command prints; empty if there is none.
pub(super) fn version(peer: &Peer) -> String {
    let Some((program, arguments)) = peer.version.split_first() else { return String::new() };
    let Ok(output) = Command::new(find(program)).args(arguments).stdin(Stdio::null()).output() else {
        return String::new();
    };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
}

/// Beside this program, among its examples, or on the path.
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
