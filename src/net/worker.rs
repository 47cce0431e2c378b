//! An event loop: a [`Shard`] with a poll. [`Worker::turn`] is one turn of it.

use std::io;
use std::net::{IpAddr, Shutdown};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::acceptor::{Accepted, Acceptor};
use super::authentication::{Job, Waiting};
use super::hooks::ConnectionEvent;
use super::inbox::{InboxLoad, Receiver};
use super::listener::Listener;
use super::message::{ControlMessage, Handoff, LoopMessage, LoopReport};
use super::meters::Awaited;
use super::shared::Shared;
use super::sockets::Room;
use crate::api::ListenerKind;
use crate::event::{Now, Refusal};
use crate::metrics::Histogram;
use crate::shard::{Arrival, Command, Decision, Effect, Entry, HandOver, Inquiry, Shard, StreamToken};

pub(super) const WAKER: Token = Token(usize::MAX);
/// Maximum number of listeners of an engine.
pub(super) const MAX_LISTENERS: usize = 64;
/// The token of the first listener.
const LISTENER: usize = usize::MAX - MAX_LISTENERS;
/// Maximum number of events taken from the kernel at once.
const EVENTS: usize = 1024;
/// Maximum number of connections accepted from one listener in a turn.
const ACCEPTS: usize = 256;
/// Maximum number of messages taken in a turn before streams are written to.
const MESSAGES: usize = 4096;
/// Maximum number of streams written to in a turn before the loop checks for other work. Small enough that an event
/// which arrives during a pass is sent together with it to nearly all streams that still wait.
const WRITES: usize = 128;
/// How long a loop without free descriptors waits before it tries to accept again, in ms.
const RETRY_ACCEPT_MS: u64 = 100;
/// The same, if other connections are about to be closed to make room.
const ROOM_MS: u64 = 1;

pub(super) struct Worker {
    number: usize,
    poll: Poll,
    shard: Shard<TcpStream>,
    acceptors: Vec<Acceptor>,
    messages: Receiver<LoopMessage>,
    load: Arc<InboxLoad>,
    shared: Arc<Shared>,
    /// Where to send connects and disconnects, if the application has hooks for them.
    connection_events: Option<Sender<ConnectionEvent>>,
    /// Whether messages remain in the inbox that the shard does not accept yet.
    waiting: bool,
    /// Number of its connections, as counted in the shared total.
    held: usize,
    turns: Histogram,
    /// When the last turn ended. Waiting starts then, without another look at the clock.
    turned_at: Duration,
    /// Whether publications are sent to its inbox; not while it has no stream.
    open: bool,
    draining: bool,
    stopping: bool,
}

impl Worker {
    pub(super) fn new(
        number: usize,
        poll: Poll,
        shard: Shard<TcpStream>,
        listeners: Vec<Listener>,
        (messages, load): (Receiver<LoopMessage>, Arc<InboxLoad>),
        shared: Arc<Shared>,
        connection_events: Option<Sender<ConnectionEvent>>,
    ) -> io::Result<Self> {
        let acceptor = |(n, listener)| Acceptor::new(listener, Token(LISTENER + n), &poll);
        let acceptors = listeners.into_iter().enumerate().map(acceptor).collect::<io::Result<_>>()?;
        Ok(Self {
            number,
            poll,
            shard,
            acceptors,
            messages,
            load,
            shared,
            connection_events,
            waiting: false,
            held: 0,
            turns: Histogram::default(),
            turned_at: Duration::ZERO,
            open: true,
            draining: false,
            stopping: false,
        })
    }

    /// Runs until it is told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut more = false;
        self.turned_at = self.shared.clock.elapsed();
        while !self.is_done() {
            if let Err(error) = self.wait(&mut events, more)
                && error.kind() != io::ErrorKind::Interrupted
            {
                // Without its poll the loop cannot continue; the caller ends the process and names the thread.
                panic!("cannot wait for events: {error}");
            }
            more = self.turn(&events);
        }
        self.leave_messages();
    }

    /// Tells every stream before the loop ends, however little time is left.
    fn is_done(&self) -> bool {
        match self.stopping {
            true => !self.shard.has_streams_to_dismiss(),
            false => self.draining && !self.shard.has_streams(),
        }
    }

    /// Handles what arrived too late: waiting messages no longer count against others, and streams that are being
    /// handed over are told of the shutdown like all others.
    fn leave_messages(&mut self) {
        let now = self.shared.clock.now();
        while let Some(message) = self.messages.next() {
            match message {
                LoopMessage::Command(command) => self.load.leave(&command),
                LoopMessage::Adopt(socket, arrival, behind) => self.adopt(socket, arrival, behind, now),
                LoopMessage::Reclaim(_) => self.shared.sockets.answered(),
                // Dropping the reply counts as an empty answer.
                LoopMessage::Report(_) | LoopMessage::Stop => {}
            }
        }
        while self.shard.flush(WRITES, now) {}
        self.perform_effects(now);
        // Publications from now on are not for this loop; those just before are dropped with the channel.
        self.shared.loops[self.number].close();
        self.shared.sockets.set_idle(self.number, None);
    }

    /// One turn: accept and read, apply, sweep, write, and carry out the effects.
    fn turn(&mut self, events: &Events) -> bool {
        let began = self.shared.clock.elapsed();
        let now = self.shared.clock.now_at(began);
        if !std::mem::replace(&mut self.open, true) {
            // Before anything becomes a stream, which continues after what was published so far.
            if let Some(newest) = self.shared.loops[self.number].open() {
                self.shard.pass_over(newest);
            }
        }
        for event in events {
            match event.token() {
                WAKER => {}
                Token(token) if token >= LISTENER => self.acceptor_ready(token - LISTENER),
                Token(slot) => {
                    if event.is_readable() || event.is_error() {
                        self.shard.readable(slot as u32, event.is_read_closed() || event.is_error(), now);
                    }
                    if event.is_writable() {
                        self.shard.writable(slot as u32);
                    }
                }
            }
        }
        self.accept(now);
        self.apply(now);
        self.shard.sweep(now);
        let more = self.shard.flush(WRITES, now);
        self.perform_effects(now);
        self.tell_connections();
        if !self.shard.has_streams() && !more {
            self.open = !self.shared.loops[self.number].close();
        }
        self.turned_at = self.shared.clock.elapsed();
        self.turns.observe(self.turned_at.saturating_sub(began));
        more
    }

    /// Updates the counts of connections, and of those that can be closed to make room, for all threads.
    fn tell_connections(&mut self) {
        let held = self.shard.len();
        self.shared.sockets.closed(ListenerKind::Public, self.held.saturating_sub(held));
        self.held = held;
        self.shared.sockets.set_idle(self.number, self.shard.unopened_since_ms());
    }

    fn wait(&mut self, events: &mut Events, more: bool) -> io::Result<()> {
        let accepting = |acceptor: &Acceptor| acceptor.is_waiting() && acceptor.paused_until_ms().is_none();
        if more || self.waiting || self.acceptors.iter().any(accepting) {
            return self.poll.poll(events, Some(Duration::ZERO));
        }
        let paused = self.acceptors.iter().filter_map(Acceptor::paused_until_ms).min();
        let deadline = [self.shard.next_deadline(), paused].into_iter().flatten().min();
        let now_ms = self.turned_at.as_millis() as u64;
        self.poll.poll(events, deadline.map(|at| Duration::from_millis(at.saturating_sub(now_ms))))
    }

    /// Takes messages in order, as long as the shard accepts more.
    fn apply(&mut self, now: Now) {
        self.messages.rearm();
        for _ in 0..MESSAGES {
            if !self.shard.accepts_commands() {
                break;
            }
            match self.messages.next() {
                None => break,
                Some(LoopMessage::Stop) => {
                    self.stopping = true;
                    self.shard.cut_replays(now);
                }
                Some(LoopMessage::Adopt(socket, arrival, behind)) => {
                    self.adopt(socket, arrival, behind, now);
                }
                Some(LoopMessage::Reclaim(most)) => {
                    let reclaimed = self.shard.reclaim(most, now);
                    self.shared.meters.reclaimed.add(Awaited::Request, reclaimed.silent);
                    self.shared.meters.reclaimed.add(Awaited::Head, reclaimed.head);
                    self.shared.meters.reclaimed.add(Awaited::Decision, reclaimed.deciding);
                    self.shared.sockets.set_idle(self.number, self.shard.unopened_since_ms());
                    self.shared.sockets.answered();
                }
                Some(LoopMessage::Report(reply)) => {
                    let (shard, turns) = (self.shard.report(now), self.turns.clone());
                    reply(LoopReport { number: self.number, shard, turns });
                }
                Some(LoopMessage::Command(command)) => {
                    if matches!(command, Command::Drain(_)) {
                        self.close_acceptors(now);
                        self.draining = true;
                    }
                    self.load.leave(&command);
                    self.shard.apply(command, now);
                }
            }
        }
        self.waiting = !self.messages.is_empty();
    }

    fn adopt(&mut self, socket: OwnedFd, arrival: Arrival, behind: usize, now: Now) {
        let socket = TcpStream::from_std(socket.into());
        let slot = self.shard.adopt(socket, arrival, now);
        self.held += 1;
        self.shard.discard(slot, behind);
        self.register(slot);
    }

    /// Registers a connection once, for both directions, for its lifetime.
    fn register(&mut self, slot: u32) {
        let Some(socket) = self.shard.socket_mut(slot) else { return };
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(socket, Token(slot as usize), interest) {
            tracing::warn!(%error, "cannot register a connection with epoll; it is closed");
            self.shard.abandon(slot);
        }
    }

    fn acceptor_ready(&mut self, n: usize) {
        if let Some(acceptor) = self.acceptors.get_mut(n) {
            acceptor.set_ready();
        }
    }

    fn accept(&mut self, now: Now) {
        let mut acceptors = std::mem::take(&mut self.acceptors);
        for acceptor in &mut acceptors {
            if acceptor.resume(now) && self.shared.reserve.refill() {
                acceptor.set_ready();
            }
            // During a shutdown, new connections to a listener that another process holds are left to that process.
            let is_theirs = acceptor.is_handed_in && self.shared.admission.is_draining();
            if acceptor.is_ready(now) && !is_theirs {
                self.accept_from(acceptor, now);
            }
        }
        self.acceptors = acceptors;
    }

    /// Accepts the connections in the queues of our own listeners first, since closing would reset them.
    fn close_acceptors(&mut self, now: Now) {
        for mut acceptor in std::mem::take(&mut self.acceptors) {
            let is_own = acceptor.close(&self.poll);
            while is_own && acceptor.is_ready(now) {
                self.accept_from(&mut acceptor, now);
            }
        }
    }

    fn accept_from(&mut self, acceptor: &mut Acceptor, now: Now) {
        let mut lent = false;
        for _ in 0..ACCEPTS {
            match self.shared.sockets.room(ListenerKind::Public) {
                Room::Plenty => {}
                // Before it is needed.
                Room::Little => drop(self.shared.make_room(now)),
                Room::None if lent => {}
                Room::None => match self.find_room(acceptor, now) {
                    true => lent = true,
                    false => break,
                },
            }
            match acceptor.accept() {
                Accepted::Connection(socket, peer) => {
                    let refusal = match self.enter(peer, now) {
                        Entry::Closed => continue,
                        Entry::Refused => Some(Refusal::Address),
                        Entry::Served => lent.then_some(Refusal::Descriptors),
                    };
                    let slot = self.shard.accept(socket, peer, now);
                    if let Some(reason) = refusal {
                        self.shard.refuse_when_known(slot, reason, now);
                    }
                    lent = false;
                    self.held += 1;
                    self.shared.sockets.opened(ListenerKind::Public);
                    self.register(slot);
                }
                Accepted::Nobody => break,
                Accepted::Gone => {}
                Accepted::Exhausted => {
                    if lent || !self.find_room(acceptor, now) {
                        acceptor.pause(now, RETRY_ACCEPT_MS);
                        break;
                    }
                    lent = true;
                }
                Accepted::Failed(error) => {
                    if acceptor.warn() {
                        tracing::warn!(%error, "cannot accept: new connections wait");
                    }
                    acceptor.pause(now, RETRY_ACCEPT_MS);
                    break;
                }
            }
        }
        if lent {
            self.shared.reserve.refill();
        }
    }

    /// Handles running out of descriptors. True if a reserved one can be used to refuse connections; otherwise
    /// accepting pauses, for no longer than it takes others to make room, if any can.
    fn find_room(&self, acceptor: &mut Acceptor, now: Now) -> bool {
        if self.shared.make_room(now) {
            acceptor.pause(now, ROOM_MS);
            return false;
        }
        if self.shared.reserve.lend() {
            return true;
        }
        if acceptor.warn() {
            tracing::warn!("out of file descriptors: new connections wait");
        }
        acceptor.pause(now, RETRY_ACCEPT_MS);
        false
    }

    /// Counts a new connection by its address.
    fn enter(&self, peer: IpAddr, now: Now) -> Entry {
        let entry = self.shared.admission.others().enter(peer);
        if entry != Entry::Served {
            self.shared.meters.count_over_limit();
            self.shared.sockets.tell_crowding(peer, now);
        }
        entry
    }

    fn perform_effects(&mut self, now: Now) {
        let mut refused = self.perform(now);
        // Not by messages: there may be as many as a loop takes in a turn.
        while !refused.is_empty() {
            for token in refused {
                let decision = Decision::Refused(Refusal::Auth);
                self.shard.apply(Command::Decided(token, decision), now);
            }
            refused = self.perform(now);
        }
    }

    /// Returns the streams for which no decision can be asked for now.
    fn perform(&mut self, now: Now) -> Vec<StreamToken> {
        let mut refused = Vec::new();
        for effect in self.shard.effects() {
            match effect {
                Effect::Inquire(inquiry) => refused.extend(self.inquire(inquiry)),
                Effect::HandOver(hand_over) => self.hand_over(hand_over),
                Effect::Resume(resume) => self.shared.journal.resume(&resume, now),
                Effect::Refused(reason) => self.shared.meters.refused.count(reason),
                Effect::Finish(slot) => self.finish(slot),
                Effect::Connected(client) => self.tell(ConnectionEvent::Connected(client)),
                Effect::Disconnected(client, reason) => {
                    self.tell(ConnectionEvent::Disconnected(client, reason))
                }
            }
        }
        refused
    }

    fn inquire(&self, inquiry: Inquiry) -> Option<StreamToken> {
        let Inquiry { token, request, peer } = inquiry;
        let job = Job { request, peer, asker: Waiting::Stream(token) };
        (!self.shared.authentication.put(job, self.shared.clock.elapsed())).then_some(token)
    }

    fn finish(&mut self, slot: u32) {
        let Some(socket) = self.shard.socket_mut(slot) else { return };
        // It fails if the peer has reset the connection.
        if socket.shutdown(Shutdown::Write).is_err() {
            self.shard.abandon(slot);
        }
    }

    fn tell(&self, event: ConnectionEvent) {
        if let Some(connection_events) = &self.connection_events {
            // The hooks thread outlives the loops.
            let _ = connection_events.send(event);
        }
    }

    fn hand_over(&mut self, hand_over: HandOver<TcpStream>) {
        let HandOver { mut socket, peer, bytes, first_byte_ms, refusal, decision } = hand_over;
        // It remains counted, whichever thread has it.
        self.held -= 1;
        // A socket that cannot be removed from the poll is of no use to another thread either.
        if self.poll.registry().deregister(&mut socket).is_err() {
            self.shared.sockets.closed(ListenerKind::Public, 1);
            self.shared.admission.others().leave(peer);
        } else {
            let (socket, listener_kind) = (OwnedFd::from(socket), ListenerKind::Public);
            let handoff = Handoff { socket, peer, bytes, first_byte_ms, refusal, decision, listener_kind };
            self.shared.control.send(ControlMessage::Handoff(handoff));
        }
    }
}
