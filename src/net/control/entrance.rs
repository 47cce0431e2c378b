//! A listener of its own for publishers and operators.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Interest, Poll, Token};

use crate::wire::Now;

/// A listener that the control thread accepts from itself: however busy the event loops are, operators get in.
pub(super) struct Entrance {
    listener: TcpListener,
    /// Edge-triggered: true until accepting has found nothing more.
    ready: bool,
    /// Accepting failed: not before this time, in ms since the start.
    paused_until_ms: Option<u64>,
}

/// Connections accepted from one listener in a turn.
const ACCEPTS: usize = 64;
/// How long is waited before it is tried again to accept.
const RETRY: Duration = Duration::from_millis(100);

impl Entrance {
    pub(super) fn new(listener: std::net::TcpListener, token: Token, poll: &Poll) -> io::Result<Self> {
        let mut listener = TcpListener::from_std(listener);
        poll.registry().register(&mut listener, token, Interest::READABLE)?;
        Ok(Self { listener, ready: true, paused_until_ms: None })
    }

    pub(super) fn set_ready(&mut self) {
        self.ready = true;
    }

    /// Whether there may be somebody to let in now.
    pub(super) fn is_ready(&self, now: Now) -> bool {
        self.ready && self.paused_until_ms.is_none_or(|at| at <= now.elapsed_ms)
    }

    /// Whether somebody may be waiting, now or after a pause.
    pub(super) fn is_waiting(&self) -> bool {
        self.ready
    }

    /// Those who have come.
    pub(super) fn accept(&mut self, now: Now) -> Vec<(OwnedFd, IpAddr)> {
        let mut accepted = Vec::new();
        while self.is_ready(now) && accepted.len() < ACCEPTS {
            match self.listener.accept() {
                Ok((socket, peer)) => accepted.push((OwnedFd::from(socket), peer.ip().to_canonical())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.ready = false,
                Err(error) => {
                    // Of one connection that was gone already, or out of descriptors; both pass.
                    tracing::debug!(%error, "cannot accept on the control listener for now");
                    self.paused_until_ms = Some(now.elapsed_ms + RETRY.as_millis() as u64);
                }
            }
        }
        accepted
    }
}
