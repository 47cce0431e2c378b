//! A listening socket of one thread.

use std::io;
use std::net::IpAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Poll, Token};

use super::descriptors;
use super::listener::{self, Listener};
use crate::event::Now;

/// A listening socket that is registered with the poll of a thread.
pub(super) struct Acceptor {
    listener: TcpListener,
    /// Whether other processes may hold it too.
    pub(super) is_handed_in: bool,
    /// Edge-triggered: true until accepting has found nothing more.
    ready: bool,
    /// Accepting failed: do not try before this time, in ms since the start.
    paused_until_ms: Option<u64>,
    /// Whether the failure was logged, and connections have been waiting ever since.
    warned: bool,
}

/// The result of an attempt to accept.
pub(super) enum Accepted {
    /// A connection, and the address that it is from.
    Connection(TcpStream, IpAddr),
    /// No connection is waiting.
    Nobody,
    /// The peer was gone before it was accepted, which is no fault of the listener.
    Gone,
    /// No file descriptor is free.
    Exhausted,
    Failed(io::Error),
}

impl Acceptor {
    /// Registers a listener.
    pub(super) fn new(listener: Listener, token: Token, poll: &Poll) -> io::Result<Self> {
        let Listener { socket, is_handed_in } = listener;
        let mut listener = TcpListener::from_std(socket);
        poll.registry().register(&mut listener, token, Interest::READABLE)?;
        Ok(Self { listener, is_handed_in, ready: true, paused_until_ms: None, warned: false })
    }

    pub(super) fn set_ready(&mut self) {
        self.ready = true;
    }

    /// Whether connections may be waiting, now or after a pause.
    pub(super) fn is_waiting(&self) -> bool {
        self.ready
    }

    /// Whether it is worth trying to accept now.
    pub(super) fn is_ready(&self, now: Now) -> bool {
        self.ready && self.paused_until_ms.is_none_or(|at| at <= now.elapsed_ms)
    }

    /// When a pause ends, in ms since the start.
    pub(super) fn paused_until_ms(&self) -> Option<u64> {
        self.paused_until_ms
    }

    /// Ends a pause that is over; returns whether there was one.
    pub(super) fn resume(&mut self, now: Now) -> bool {
        self.paused_until_ms.take_if(|at| *at <= now.elapsed_ms).is_some()
    }

    /// Pauses accepting for this many ms, or longer if that was decided before.
    pub(super) fn pause(&mut self, now: Now, ms: u64) {
        let until_ms = self.paused_until_ms.unwrap_or(0).max(now.elapsed_ms + ms);
        self.paused_until_ms = Some(until_ms);
    }

    /// Whether to log that connections wait: once, until none does.
    pub(super) fn warn(&mut self) -> bool {
        !std::mem::replace(&mut self.warned, true)
    }

    pub(super) fn accept(&mut self) -> Accepted {
        match self.listener.accept() {
            Ok((socket, peer)) => Accepted::Connection(socket, peer.ip().to_canonical()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                (self.ready, self.warned) = (false, false);
                Accepted::Nobody
            }
            Err(error) if descriptors::are_exhausted(&error) => Accepted::Exhausted,
            Err(error) if is_of_one_connection(&error) => Accepted::Gone,
            Err(error) => Accepted::Failed(error),
        }
    }

    /// Stops listening. True if this process must accept the connections that wait before dropping the listener, which
    /// would reset them. False if other processes hold the listener.
    pub(super) fn close(&mut self, poll: &Poll) -> bool {
        // Otherwise the poll would keep reporting a listener that others hold.
        let _ = poll.registry().deregister(&mut self.listener);
        if !self.is_handed_in {
            listener::lock(&self.listener);
            self.ready = true;
        }
        !self.is_handed_in
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
