//! A listener of its own for publishers and operators.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Interest, Poll, Token};

use crate::api::ListenerKind;
use crate::event::Now;
use crate::net::descriptors;
use crate::net::listener::{self, Listener};
use crate::net::shared::Shared;
use crate::net::sockets::Room;

/// A listener that the control thread accepts from itself: however busy the event loops are, operators get in.
pub(super) struct Entrance {
    listener: TcpListener,
    is_handed_in: bool,
    /// Edge-triggered: true until accepting has found nothing more.
    ready: bool,
    /// Accepting failed: not before this time, in ms since the start.
    paused_until_ms: Option<u64>,
}

/// Connections accepted from one listener in a turn.
const ACCEPTS: usize = 64;
/// How long is waited before it is tried again to accept.
const RETRY: Duration = Duration::from_millis(100);
/// The same, where others are about to make room.
pub(super) const ROOM: Duration = Duration::from_millis(2);

impl Entrance {
    pub(super) fn new(listener: Listener, token: Token, poll: &Poll) -> io::Result<Self> {
        let Listener { socket, is_handed_in } = listener;
        let mut listener = TcpListener::from_std(socket);
        poll.registry().register(&mut listener, token, Interest::READABLE)?;
        Ok(Self { listener, is_handed_in, ready: true, paused_until_ms: None })
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

    /// Listens no longer; those who wait are let in, unless they are another's.
    pub(super) fn close(mut self, poll: &Poll, shared: &Shared, now: Now) -> Vec<(OwnedFd, IpAddr)> {
        // The poll would go on telling of a listener that others hold.
        let _ = poll.registry().deregister(&mut self.listener);
        if self.is_handed_in {
            return Vec::new();
        }
        listener::lock(&self.listener);
        self.set_ready();
        let mut accepted = Vec::new();
        while self.is_ready(now) {
            accepted.extend(self.accept(shared, now));
        }
        accepted
    }

    /// Those who have come.
    pub(super) fn accept(&mut self, shared: &Shared, now: Now) -> Vec<(OwnedFd, IpAddr)> {
        let (mut accepted, mut lent) = (Vec::new(), false);
        while self.is_ready(now) && accepted.len() < ACCEPTS {
            let is_room = match shared.sockets.room(ListenerKind::Control) {
                Room::Plenty => true,
                Room::Little => {
                    shared.make_room(now);
                    true
                }
                Room::None => false,
            };
            if !is_room && shared.make_room(now) {
                self.pause(ROOM, now);
                break;
            }
            match self.listener.accept() {
                Ok((socket, peer)) => {
                    shared.sockets.opened(ListenerKind::Control);
                    accepted.push((OwnedFd::from(socket), peer.ip().to_canonical()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.ready = false,
                Err(error) if descriptors::are_exhausted(&error) && !lent && shared.reserve.lend() => {
                    lent = true;
                    shared.make_room(now);
                }
                Err(error) => {
                    // Of one connection that was gone already, or out of descriptors; both pass.
                    tracing::debug!(%error, "cannot accept on the control listener for now");
                    self.pause(RETRY, now);
                }
            }
        }
        if lent {
            shared.reserve.refill();
        }
        accepted
    }

    fn pause(&mut self, time: Duration, now: Now) {
        self.paused_until_ms = Some(now.elapsed_ms + time.as_millis() as u64);
    }
}
