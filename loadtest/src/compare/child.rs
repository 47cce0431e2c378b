//! A server under test: a process of its own, killed when it is done with.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::clock;
use crate::stop::Stop;

/// Until a server accepts connections.
const START_AT_MOST: Duration = Duration::from_secs(10);
const ASK_AGAIN: Duration = Duration::from_millis(10);

pub(super) struct Child(process::Child);

impl Child {
    pub(super) fn floor(threads: usize, stop: &Stop) -> Result<(Self, SocketAddr)> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["floor", "--listen", "127.0.0.1:0", "--threads", &threads.to_string()]);
        let mut child = Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
        let mut line = String::new();
        let stdout = child.0.stdout.take().context("the floor has no standard output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().rsplit(' ').next().and_then(|address| address.parse().ok());
        let address = address.with_context(|| format!("the floor said {line:?}"))?;
        child.wait_accepting(address, stop)?;
        Ok((child, address))
    }

    /// Runs `program serve --listen 127.0.0.1:PORT ARGS` on a free port.
    pub(super) fn server(program: &Path, args: &str, stop: &Stop) -> Result<(Self, SocketAddr)> {
        // Free a moment ago: the server itself fails in the rare case that it no longer is.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = Command::new(program);
        command.args(["serve", "--listen", &address.to_string()]).args(args.split_ascii_whitespace());
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let mut child = Self(spawned.with_context(|| format!("cannot run {}", program.display()))?);
        child.wait_accepting(address, stop)?;
        Ok((child, address))
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    fn wait_accepting(&mut self, address: SocketAddr, stop: &Stop) -> Result<()> {
        let begin = clock::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.0.try_wait()? {
                bail!("the server ended before it listened: {status}");
            }
            if stop.is_interrupted() {
                bail!("interrupted");
            }
            if clock::since(begin) > START_AT_MOST {
                bail!("the server does not accept connections on {address} after {START_AT_MOST:?}");
            }
            thread::sleep(ASK_AGAIN);
        }
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody left to tell.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
