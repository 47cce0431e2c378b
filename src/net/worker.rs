//! An event loop: a [`Shard`] with a poll. One turn of it is visible in [`Worker::turn`].

use std::io;
use std::net::{IpAddr, Shutdown};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::control;
use super::descriptors;
use super::hooks::Notice;
use super::inbox::{Gauge, Letters};
use super::listener::{self, Listener};
use super::shared::Shared;
use crate::metrics::Histogram;
use crate::shard::{Arrival, Command, Effect, HandOver, Reply, Report, Shard};
use crate::wire::{Door, Now, Refusal};

/// What reaches an event loop from other threads.
pub(super) enum Letter {
    /// For its shard.
    Command(Command),
    /// A stream that was judged and admitted by the control thread, and how many bytes came behind its request.
    Adopt(OwnedFd, Arrival, usize),
    /// Tell how it stands.
    Report(Reply<LoopReport>),
    /// Close everything that is left and end.
    Stop,
}

/// How an event loop stands.
pub(super) struct LoopReport {
    pub(super) number: usize,
    pub(super) shard: Report,
    /// Its turns since the start, without their waiting.
    pub(super) turns: Histogram,
}

pub(super) const WAKER: Token = Token(usize::MAX);
/// Most listeners of an engine.
pub(super) const MAX_LISTENERS: usize = 64;
/// Listeners have the tokens from here on.
const LISTENER: usize = usize::MAX - MAX_LISTENERS;
/// Edges taken from the kernel at once.
const EVENTS: usize = 1024;
/// Connections accepted from one listener in a turn.
const ACCEPTS: usize = 256;
/// Letters taken in a turn before streams are written to.
const LETTERS: usize = 4096;
/// Streams written to in a turn before the loop looks at what else has happened. Few enough that an event which
/// comes in the middle of a pass is joined by nearly all that wait for it.
const WRITES: usize = 128;
/// How long a loop without descriptors waits before it tries again to accept.
const RETRY_ACCEPT: Duration = Duration::from_millis(100);

pub(super) struct Worker {
    number: usize,
    poll: Poll,
    shard: Shard<TcpStream>,
    listeners: Vec<Listening>,
    letters: Letters<Letter>,
    gauge: Arc<Gauge>,
    shared: Arc<Shared>,
    /// Where connects and disconnects are told, if anybody asked.
    notices: Option<Sender<Notice>>,
    /// A command that the shard had no appetite for.
    waiting: bool,
    turns: Histogram,
    /// When the last turn ended: the waiting begins, and nobody need look at the clock again.
    turned_at: Duration,
    /// Publications are put in its inbox; not while it has no stream.
    open: bool,
    draining: bool,
    stopping: bool,
}

struct Listening {
    listener: TcpListener,
    is_handed_in: bool,
    /// Edge-triggered: true until accepting has found nothing more.
    ready: bool,
    /// Out of descriptors: not before this time, in ms since the start.
    paused_until_ms: Option<u64>,
    /// That descriptors ran out was said, and since then connections have always been waiting.
    warned: bool,
}

impl Worker {
    pub(super) fn new(
        number: usize,
        poll: Poll,
        shard: Shard<TcpStream>,
        listeners: Vec<Listener>,
        (letters, gauge): (Letters<Letter>, Arc<Gauge>),
        shared: Arc<Shared>,
        notices: Option<Sender<Notice>>,
    ) -> io::Result<Self> {
        let mut listening = Vec::new();
        for (n, Listener { socket, is_handed_in }) in listeners.into_iter().enumerate() {
            let mut listener = TcpListener::from_std(socket);
            poll.registry().register(&mut listener, Token(LISTENER + n), Interest::READABLE)?;
            let (ready, paused_until_ms, warned) = (true, None, false);
            listening.push(Listening { listener, is_handed_in, ready, paused_until_ms, warned });
        }
        Ok(Self {
            number,
            poll,
            shard,
            listeners: listening,
            letters,
            gauge,
            shared,
            notices,
            waiting: false,
            turns: Histogram::default(),
            turned_at: Duration::ZERO,
            open: true,
            draining: false,
            stopping: false,
        })
    }

    /// Runs until told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut more = false;
        self.turned_at = self.shared.clock.elapsed();
        while !self.is_done() {
            if let Err(error) = self.wait(&mut events, more)
                && error.kind() != io::ErrorKind::Interrupted
            {
                // Without its poll the loop is deaf; the caller ends the process by name.
                panic!("cannot wait for events: {error}");
            }
            more = self.turn(&events);
        }
        self.leave_letters();
    }

    /// Every stream is told before the loop ends, however little time there is.
    fn is_done(&self) -> bool {
        match self.stopping {
            true => !self.shard.has_streams_to_dismiss(),
            false => self.draining && !self.shard.has_streams(),
        }
    }

    /// What came too late: what waits here no longer counts against others, and streams on their way are told like
    /// all others.
    fn leave_letters(&mut self) {
        let now = self.shared.clock.now();
        while let Some(letter) = self.letters.next() {
            match letter {
                Letter::Command(command) => self.gauge.leave(&command),
                Letter::Adopt(socket, arrival, behind) => self.adopt(socket, arrival, behind, now),
                // Who asks takes no answer for nothing.
                Letter::Report(_) | Letter::Stop => {}
            }
        }
        while self.shard.flush(WRITES, now) {}
        self.perform_effects(now);
        // What is published from now on concerns nobody here; what came just before goes with the channel.
        self.shared.loops[self.number].close();
    }

    /// One turn: accept and read, apply, sweep, write, and pass on what concerns others.
    fn turn(&mut self, events: &Events) -> bool {
        let began = self.shared.clock.elapsed();
        let now = self.shared.clock.now_at(began);
        if !std::mem::replace(&mut self.open, true) {
            // Before anything becomes a stream, which goes on behind what was published so far.
            self.shard.pass_over(self.shared.loops[self.number].open());
        }
        for event in events {
            match event.token() {
                WAKER => {}
                Token(token) if token >= LISTENER => self.listeners_ready(token - LISTENER),
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
        if !self.shard.has_streams() && !more {
            self.open = !self.shared.loops[self.number].close();
        }
        self.turned_at = self.shared.clock.elapsed();
        self.turns.observe(self.turned_at.saturating_sub(began));
        more
    }

    fn wait(&mut self, events: &mut Events, more: bool) -> io::Result<()> {
        let accepting = |listening: &Listening| listening.ready && listening.paused_until_ms.is_none();
        if more || self.waiting || self.listeners.iter().any(accepting) {
            return self.poll.poll(events, Some(Duration::ZERO));
        }
        let paused = self.listeners.iter().filter_map(|listening| listening.paused_until_ms).min();
        let deadline = [self.shard.next_deadline(), paused].into_iter().flatten().min();
        let now_ms = self.turned_at.as_millis() as u64;
        self.poll.poll(events, deadline.map(|at| Duration::from_millis(at.saturating_sub(now_ms))))
    }

    /// Takes letters in order, for as long as the shard wants more.
    fn apply(&mut self, now: Now) {
        self.letters.rearm();
        for _ in 0..LETTERS {
            if !self.shard.has_appetite() {
                break;
            }
            match self.letters.next() {
                None => break,
                Some(Letter::Stop) => {
                    self.stopping = true;
                    self.shard.cut_replays(now);
                }
                Some(Letter::Adopt(socket, arrival, behind)) => {
                    self.adopt(socket, arrival, behind, now);
                }
                Some(Letter::Report(reply)) => {
                    let (shard, turns) = (self.shard.report(now), self.turns.clone());
                    reply(LoopReport { number: self.number, shard, turns });
                }
                Some(Letter::Command(command)) => {
                    if matches!(command, Command::Drain(_)) {
                        self.close_listeners(now);
                        self.draining = true;
                    }
                    self.gauge.leave(&command);
                    self.shard.apply(command, now);
                }
            }
        }
        self.waiting = !self.letters.is_empty();
    }

    fn adopt(&mut self, socket: OwnedFd, arrival: Arrival, behind: usize, now: Now) {
        let socket = TcpStream::from_std(socket.into());
        let slot = self.shard.adopt(socket, arrival, now);
        self.shard.discard(slot, behind);
        self.register(slot);
    }

    /// Once, for both edges: nothing more is to be said to the poll in the life of a connection.
    fn register(&mut self, slot: u32) {
        let Some(socket) = self.shard.socket_mut(slot) else { return };
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(socket, Token(slot as usize), interest) {
            tracing::warn!(%error, "cannot register a connection with epoll; it is closed");
            self.shard.abandon(slot);
        }
    }

    fn listeners_ready(&mut self, n: usize) {
        if let Some(listening) = self.listeners.get_mut(n) {
            listening.ready = true;
        }
    }

    fn accept(&mut self, now: Now) {
        let mut listeners = std::mem::take(&mut self.listeners);
        for listening in &mut listeners {
            let resumed = listening.paused_until_ms.take_if(|at| *at <= now.elapsed_ms).is_some();
            if resumed {
                listening.ready |= self.shared.reserve.refill();
            }
            // Whoever comes to a listener that others hold, now that streams are being ended, is theirs.
            let is_theirs = listening.is_handed_in && self.shared.admission.is_draining();
            if listening.ready && listening.paused_until_ms.is_none() && !is_theirs {
                self.accept_from(listening, now);
            }
        }
        self.listeners = listeners;
    }

    /// Those who wait in the queue of a listener of our own are accepted first: closing would reset them.
    fn close_listeners(&mut self, now: Now) {
        for mut listening in std::mem::take(&mut self.listeners) {
            // The poll would go on telling of a listener that others hold.
            let _ = self.poll.registry().deregister(&mut listening.listener);
            if listening.is_handed_in {
                continue;
            }
            listener::lock(&listening.listener);
            listening.ready = true;
            while listening.ready && listening.paused_until_ms.is_none() {
                self.accept_from(&mut listening, now);
            }
        }
    }

    fn accept_from(&mut self, listening: &mut Listening, now: Now) {
        let mut lent = false;
        for _ in 0..ACCEPTS {
            match listening.listener.accept() {
                Ok((socket, peer)) => {
                    let slot = self.shard.accept(socket, canonical(peer.ip()), now);
                    if lent {
                        self.shard.refuse_when_known(slot, Refusal::Descriptors, now);
                    }
                    lent = false;
                    self.register(slot);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    (listening.ready, listening.warned) = (false, false);
                    break;
                }
                Err(error) if descriptors::are_exhausted(&error) => {
                    if lent || !self.shared.reserve.lend() {
                        if !std::mem::replace(&mut listening.warned, true) {
                            tracing::warn!("out of file descriptors: new connections wait");
                        }
                        listening.paused_until_ms = Some(now.elapsed_ms + RETRY_ACCEPT.as_millis() as u64);
                        break;
                    }
                    lent = true;
                }
                // The peer was gone before it was accepted: not the listener's trouble.
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if !std::mem::replace(&mut listening.warned, true) {
                        tracing::warn!(%error, "cannot accept: new connections wait");
                    }
                    listening.paused_until_ms = Some(now.elapsed_ms + RETRY_ACCEPT.as_millis() as u64);
                    break;
                }
            }
        }
        if lent {
            self.shared.reserve.refill();
        }
    }

    fn perform_effects(&mut self, now: Now) {
        for effect in self.shard.effects() {
            match effect {
                Effect::HandOver(hand_over) => self.hand_over(hand_over),
                Effect::Resume(resume) => self.shared.journal.resume(&resume, now),
                Effect::Refused(reason) => self.shared.meters.count_refused(reason),
                Effect::Finish(slot) => self.finish(slot),
                Effect::Connected(client) => self.tell(Notice::Connected(client)),
                Effect::Disconnected(client, reason) => self.tell(Notice::Disconnected(client, reason)),
            }
        }
    }

    fn finish(&mut self, slot: u32) {
        let Some(socket) = self.shard.socket_mut(slot) else { return };
        // It fails where the peer has reset the connection.
        if socket.shutdown(Shutdown::Write).is_err() {
            self.shard.abandon(slot);
        }
    }

    fn tell(&self, notice: Notice) {
        if let Some(notices) = &self.notices {
            // The hooks thread outlives the loops.
            let _ = notices.send(notice);
        }
    }

    fn hand_over(&mut self, hand_over: HandOver<TcpStream>) {
        let HandOver { mut socket, peer, bytes, first_byte_ms, refusal } = hand_over;
        // A socket that cannot be taken off the poll is of no use elsewhere either.
        if self.poll.registry().deregister(&mut socket).is_ok() {
            let (socket, door) = (OwnedFd::from(socket), Door::Front);
            let visitor = control::Visitor { socket, peer, bytes, first_byte_ms, refusal, door };
            self.shared.control.send(control::Letter::Visitor(visitor));
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// An IPv4 address that came in through an IPv6 socket, as what it is.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
