//! Accepting on the listeners for publishers and operators, which stay reachable however busy the event loops are.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::api::ListenerKind;
use crate::event::Now;
use crate::net::acceptor::{Accepted, Acceptor};
use crate::net::shared::Shared;
use crate::net::sockets::Room;

/// Maximum number of connections accepted from one listener in a turn.
const ACCEPTS: usize = 64;
/// How long to wait before accepting is tried again, in ms.
const RETRY_MS: u64 = 100;
/// The same, if other connections are about to be closed to make room.
pub(super) const ROOM: Duration = Duration::from_millis(2);

/// Accepts from a listener of the control thread, up to the limit of a turn.
pub(super) fn accept(acceptor: &mut Acceptor, shared: &Shared, now: Now) -> Vec<(OwnedFd, IpAddr)> {
    let (mut accepted, mut lent) = (Vec::new(), false);
    while acceptor.is_ready(now) && accepted.len() < ACCEPTS {
        let is_room = match shared.sockets.room(ListenerKind::Control) {
            Room::Plenty => true,
            Room::Little => {
                shared.make_room(now);
                true
            }
            Room::None => false,
        };
        if !is_room && shared.make_room(now) {
            acceptor.pause(now, ROOM.as_millis() as u64);
            break;
        }
        match acceptor.accept() {
            Accepted::Connection(socket, peer) => {
                shared.sockets.opened(ListenerKind::Control);
                accepted.push((OwnedFd::from(socket), peer));
            }
            Accepted::Nobody | Accepted::Gone => {}
            Accepted::Exhausted if !lent && shared.reserve.lend() => {
                lent = true;
                shared.make_room(now);
            }
            Accepted::Exhausted => acceptor.pause(now, RETRY_MS),
            Accepted::Failed(error) => {
                if acceptor.warn() {
                    tracing::warn!(%error, "cannot accept on the control listener: new connections wait");
                }
                acceptor.pause(now, RETRY_MS);
            }
        }
    }
    if lent {
        shared.reserve.refill();
    }
    accepted
}
