//! The control thread: every request that is not a stream.
//!
//! It gets connections from the event loops with the bytes read so far, and hands back those that turn out to be
//! streams. In one turn it reads all, appends all and answers all. A journal may acknowledge later what was appended:
//! responses keep their order, and later publishes do not wait.

mod accepting;
mod body_total;
mod history;
mod http_connection;
mod media_type;
mod online;
mod outcome;
mod problems;
mod rejected;
mod service;
mod turns;

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::acceptor::Acceptor;
use super::inbox::Receiver;
use super::listener::Listener;
use super::meters::Awaited;
use super::shared::Shared;
use super::worker::{self, WAKER};
use crate::access::RateLimit;
use crate::api::ListenerKind;
use crate::event::{HttpDate, Now};
use crate::http::client_network;
use crate::net::message::{Asker, ControlMessage, Handoff, LoopMessage};
use crate::shard::{Arrival, YOUNG_MS};
pub(super) use body_total::BodyTotal;
use http_connection::{HttpConnection, Next, Timeouts, Turn};
use service::Service;
use turns::Turns;

/// The token of the first listener.
const ACCEPTOR: usize = usize::MAX - worker::MAX_LISTENERS;
/// Maximum number of events taken from the kernel at once.
const EVENTS: usize = 1024;
/// Size of the input buffer.
const INPUT: usize = 64 * 1024;
/// Maximum reads from one connection in a turn, so that one that sends without end does not keep others waiting.
const READS_EACH: usize = 16;
/// Maximum reads from all connections in a turn, but at least one from each: where hundreds send large bodies, a turn
/// with [`READS_EACH`] reads from each would make new requests wait for a tenth of a second.
const READS: usize = 64;
/// Maximum bytes of heads processed in a turn, but at least one head from each connection. A head can be made to cost a
/// hundred times what a plain one does, and a connection may send hundreds of them at once.
const HEADS: usize = 64 * 1024;
/// Maximum number of requests in a turn: the smallest heads may ask for the largest responses.
const REQUESTS: usize = 256;
/// How long connections have turns before those that have become active meanwhile are considered.
const TURN: Duration = Duration::from_millis(2);
/// Number of connections driven between two looks at the clock.
const CLOCK_EVERY: usize = 4;
/// How often deadlines are checked while connections are open.
const TICK: Duration = Duration::from_millis(100);

pub(super) struct Control {
    poll: Poll,
    acceptors: Vec<Acceptor>,
    connections: Slab<HttpConnection>,
    messages: Receiver<ControlMessage>,
    service: Service,
    turns: Turns,
    /// The connections driven in this turn.
    driven: Vec<usize>,
    serial: u32,
    next_loop: usize,
    next_tick_ms: u64,
    stop_by_ms: Option<u64>,
    input: Box<[u8]>,
    date: HttpDate,
}

impl Control {
    pub(super) fn new(
        poll: Poll,
        messages: Receiver<ControlMessage>,
        listeners: Vec<Listener>,
        rates: RateLimit,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let acceptor = |(n, listener)| Acceptor::new(listener, Token(ACCEPTOR + n), &poll);
        let acceptors = listeners.into_iter().enumerate().map(acceptor).collect::<io::Result<_>>()?;
        Ok(Self {
            poll,
            acceptors,
            connections: Slab::new(),
            messages,
            service: Service::new(shared, rates),
            turns: Turns::default(),
            driven: Vec::new(),
            serial: 0,
            next_loop: 0,
            next_tick_ms: 0,
            stop_by_ms: None,
            input: vec![0; INPUT].into_boxed_slice(),
            date: HttpDate::default(),
        })
    }

    fn shared(&self) -> &Arc<Shared> {
        self.service.shared()
    }

    /// Runs until it is told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        while !self.is_done() {
            let now = self.shared().clock.now();
            let is_ready = self.acceptors.iter().any(|acceptor| acceptor.is_ready(now));
            let timeout = match self.turns.is_empty() && !is_ready {
                false => Some(Duration::ZERO),
                true if self.acceptors.iter().any(Acceptor::is_waiting) => Some(accepting::ROOM),
                true => self.is_watching().then_some(TICK),
            };
            debug_assert!(
                timeout == Some(Duration::ZERO)
                    || !self.connections.iter().any(|(_, connection)| connection.is_able()),
                "it waits, though there is something to be done"
            );
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                panic!("cannot wait for events: {error}");
            }
            self.turn(&events);
        }
    }

    /// Whether anything depends on the passing of time.
    fn is_watching(&self) -> bool {
        !self.connections.is_empty() || self.stop_by_ms.is_some()
    }

    fn is_done(&self) -> bool {
        let Some(stop_by_ms) = self.stop_by_ms else { return false };
        let now = self.service.shared().clock.now();
        now.elapsed_ms >= stop_by_ms || self.connections.iter().all(|(_, connection)| connection.is_done(now))
    }

    fn turn(&mut self, events: &Events) {
        let now = self.shared().clock.now();
        for event in events {
            let Token(slot) = event.token();
            if let Some(acceptor) = slot.checked_sub(ACCEPTOR).and_then(|n| self.acceptors.get_mut(n)) {
                acceptor.set_ready();
            } else if let Some(connection) = self.connections.get_mut(slot) {
                if event.is_readable() || event.is_error() {
                    connection.set_readable(event.is_read_closed() || event.is_error());
                }
                if event.is_error() {
                    connection.abandon_decision();
                }
                self.turns.add(slot, connection.is_control());
            }
        }
        self.accept(now);
        self.take_messages(now);
        if now.elapsed_ms >= self.next_tick_ms {
            self.next_tick_ms = now.elapsed_ms + TICK.as_millis() as u64;
            self.check_time(now);
        }
        self.drive_all(now);
        // Those that are not done continue in the next turn, after others have had theirs.
        let mut driven = std::mem::take(&mut self.driven);
        for slot in driven.drain(..) {
            if self.flush(slot, now)
                && let Some(connection) = self.connections.get(slot)
            {
                self.turns.put_back(slot, connection.is_control());
            }
        }
        self.driven = driven;
        // After the responses: a publisher can send the next event while the loops deliver this one.
        self.service.wake_loops();
        self.shared().meters.control_connections.store(self.connections.len() as u64, Ordering::Relaxed);
    }

    /// Drives the connections whose turn it is, until the time is up.
    fn drive_all(&mut self, now: Now) {
        let each = self.turns.len().max(1);
        let turn = Turn {
            most_reads: (READS / each).clamp(1, READS_EACH),
            most_heads: (HEADS / each).max(1),
            most_requests: (REQUESTS / each).max(1),
        };
        let until = Duration::from_millis(now.elapsed_ms) + TURN;
        self.turns.begin();
        for n in 1_usize.. {
            let connections = &self.connections;
            let network =
                |slot: usize| connections.get(slot).map(|connection| client_network(connection.peer));
            let Some(slot) = self.turns.next(network) else { return };
            self.drive(slot, turn, now);
            // With only one connection, there is no need to look at the clock.
            if n.is_multiple_of(CLOCK_EVERY) && self.shared().clock.elapsed() >= until {
                if let Some(slot) = self.turns.next_busy() {
                    self.drive(slot, turn, now);
                }
                return;
            }
        }
    }

    fn accept(&mut self, now: Now) {
        let mut acceptors = std::mem::take(&mut self.acceptors);
        for acceptor in &mut acceptors {
            let accepted = accepting::accept(acceptor, self.shared(), now);
            self.register_all(accepted, now);
        }
        self.acceptors = acceptors;
    }

    /// Stops listening. Accepts waiting connections first, unless another process holds the listener.
    fn close_acceptors(&mut self, now: Now) {
        for mut acceptor in std::mem::take(&mut self.acceptors) {
            let is_own = acceptor.close(&self.poll);
            while is_own && acceptor.is_ready(now) {
                let accepted = accepting::accept(&mut acceptor, self.shared(), now);
                self.register_all(accepted, now);
            }
        }
    }

    fn register_all(&mut self, accepted: Vec<(OwnedFd, IpAddr)>, now: Now) {
        for (socket, peer) in accepted {
            let (bytes, first_byte_ms) = (Vec::new(), now.elapsed_ms);
            let handoff = Handoff {
                socket,
                peer,
                bytes,
                first_byte_ms,
                refusal: None,
                decision: None,
                listener_kind: ListenerKind::Control,
            };
            self.register(handoff, now);
        }
    }

    fn take_messages(&mut self, now: Now) {
        self.messages.rearm();
        while let Some(message) = self.messages.next() {
            match message {
                ControlMessage::Handoff(handoff) => self.register(handoff, now),
                ControlMessage::Answer(asker, response) => {
                    self.attend(asker, now, |connection, service, date| {
                        connection.answer_late(asker.request, &response, service, date, now);
                    })
                }
                ControlMessage::Identified(asker, verdict) => {
                    self.attend(asker, now, |connection, service, date| {
                        if connection.is_deciding(asker.request) {
                            connection.identified(*verdict, service, date, now);
                        }
                    })
                }
                ControlMessage::Drain => self.close_acceptors(now),
                ControlMessage::Reclaim(most) => self.reclaim(most, now),
                ControlMessage::Stop(within) => {
                    self.stop_by_ms = Some(now.elapsed_ms + within.as_millis() as u64)
                }
            }
        }
    }

    fn register(&mut self, handoff: Handoff, now: Now) {
        self.serial = self.serial.wrapping_add(1);
        self.shared().sockets.may_idle(self.shared().loops.len(), handoff.first_byte_ms);
        let slot = self.connections.insert(HttpConnection::new(
            handoff,
            self.serial,
            self.service.body_share(),
            now,
        ));
        let is_control = self.connections[slot].is_control();
        let socket = &mut self.connections[slot].socket;
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self.poll.registry().register(socket, Token(slot), interest) {
            Ok(()) => self.turns.add(slot, is_control),
            Err(error) => {
                tracing::warn!(%error, "cannot register a connection with epoll; it is closed");
                self.close(slot);
            }
        }
    }

    /// Checks deadlines, and updates the count of connections that can be closed to make room.
    fn check_time(&mut self, now: Now) {
        let shared = self.service.shared();
        let timeouts = Timeouts {
            head_ms: shared.settings.head_timeout.as_millis() as u64,
            silence_ms: shared.body_timeout.as_millis() as u64,
            decision_ms: shared.settings.decision_timeout.as_millis() as u64,
            idle_ms: shared.idle_timeout.as_millis() as u64,
            stall_ms: shared.settings.connection_timeout.as_millis() as u64,
        };
        let date = self.date.at(now);
        let mut idle_since_ms = None;
        // All of them, ten times a second: it took 1 ms for 10,000 idle ones when they were gone through twice and each was
        // driven as well, in a release build on a core of 2.5 GHz. Now only those are driven that something is done with.
        for (slot, connection) in &mut self.connections {
            if connection.check_time(&timeouts, &self.service, date, now) {
                self.turns.add(slot, connection.is_control());
            }
            if let Some((since_ms, _)) = connection.idle_since(now) {
                idle_since_ms = Some(idle_since_ms.map_or(since_ms, |least: u64| least.min(since_ms)));
            }
        }
        shared.sockets.set_idle(shared.loops.len(), idle_since_ms);
    }

    /// Closes the connections that have been idle for longest, to make room.
    fn reclaim(&mut self, most: usize, now: Now) {
        let idle = self.connections.iter().filter_map(|(slot, connection)| {
            let (since_ms, awaited) = connection.idle_since(now)?;
            Some((since_ms, slot, awaited))
        });
        let mut idle: Vec<(u64, usize, Awaited)> = idle.collect();
        idle.sort_unstable();
        let mut left = most;
        for (since_ms, slot, awaited) in idle {
            if left == 0 || since_ms + YOUNG_MS > now.elapsed_ms {
                break;
            }
            // A connection whose request has just arrived is not idle.
            if self.connections.get(slot).is_some_and(|connection| !connection.is_heard()) {
                self.close(slot);
                self.shared().meters.reclaimed.count(awaited);
                left -= 1;
            }
        }
        let idle = self.connections.iter().filter_map(|(_, connection)| connection.idle_since(now));
        let since_ms = idle.map(|(since_ms, _)| since_ms).min();
        self.shared().sockets.set_idle(self.shared().loops.len(), since_ms);
        self.shared().sockets.answered();
    }

    /// Drops a connection, which closes it.
    fn close(&mut self, slot: usize) {
        let Some(connection) = self.connections.try_remove(slot) else { return };
        self.turns.forget(slot);
        self.shared().sockets.closed(connection.listener_kind, 1);
        if connection.listener_kind == ListenerKind::Public {
            self.shared().admission.others().leave(connection.peer);
        }
    }

    /// Passes an answer to the connection that waits for it, if it still exists.
    fn attend(&mut self, asker: Asker, now: Now, act: impl FnOnce(&mut HttpConnection, &Service, &str)) {
        let Some(connection) = self.connections.get_mut(asker.slot) else { return };
        if connection.serial != asker.serial {
            return;
        }
        self.turns.add(asker.slot, connection.is_control());
        let date = self.date.at(now);
        if !is_sound(|| act(connection, &self.service, date)) {
            self.close(asker.slot);
        }
    }

    /// Reads from one connection and processes the input.
    fn drive(&mut self, slot: usize, turn: Turn, now: Now) {
        let Some(connection) = self.connections.get_mut(slot) else { return };
        let asker = Asker { slot, serial: connection.serial, request: 0 };
        let is_driven = is_sound(|| {
            connection.drive(&self.service, &mut self.input, &mut self.date, asker, turn, now);
            connection.bound_body(&self.service, self.date.at(now), now);
        });
        match is_driven {
            true => self.driven.push(slot),
            false => self.close(slot),
        }
    }

    /// Writes the responses of one connection. True if it can continue at once.
    fn flush(&mut self, slot: usize, now: Now) -> bool {
        let Some(connection) = self.connections.get_mut(slot) else { return false };
        match connection.flush(now) {
            Next::Stay => connection.can_go_on(),
            Next::Close => {
                self.close(slot);
                false
            }
            Next::Leave(arrival) => self.release(slot, *arrival, now),
        }
    }

    /// Hands a stream to an event loop, if it is admitted.
    fn release(&mut self, slot: usize, arrival: Arrival, now: Now) -> bool {
        let Some(connection) = self.connections.get_mut(slot) else { return false };
        let shared = self.service.shared().clone();
        if let Err(reason) = shared.admission.admit(arrival.peer, arrival.profile.user.as_ref()) {
            connection.refuse(&self.service, arrival.framing, reason, self.date.at(now), now);
            return true;
        }
        if self.poll.registry().deregister(&mut connection.socket).is_err() {
            shared.admission.release(arrival.peer, arrival.profile.user.as_ref());
            self.close(slot);
            return false;
        }
        let connection = self.connections.remove(slot);
        self.turns.forget(slot);
        match connection.listener_kind {
            // It remains counted, whichever thread has it.
            ListenerKind::Public => shared.admission.others().leave(connection.peer),
            ListenerKind::Control => {
                shared.sockets.closed(ListenerKind::Control, 1);
                shared.sockets.opened(ListenerKind::Public);
            }
        }
        let loops = &shared.loops;
        self.next_loop = (self.next_loop + 1) % loops.len();
        let behind = connection.unread();
        let message = LoopMessage::Adopt(OwnedFd::from(connection.socket), arrival, behind);
        loops[self.next_loop].send(message);
        false
    }
}

/// Processes a request; false if that panics, which closes its connection and affects no other.
fn is_sound(act: impl FnOnce()) -> bool {
    let acted = catch_unwind(AssertUnwindSafe(act));
    if acted.is_err() {
        tracing::error!("a request panicked; its connection is closed");
    }
    acted.is_ok()
}

/// Registers the waker of the control thread.
pub(super) fn waker(poll: &Poll) -> io::Result<mio::Waker> {
    mio::Waker::new(poll.registry(), WAKER)
}
