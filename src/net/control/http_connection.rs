//! One connection that is not a stream: requests in, responses out, in order.

mod answers;
mod deciding;
mod late;
mod output;
mod timeout;
mod turn;

use std::io::{self, Read};
use std::net::IpAddr;
use std::sync::Arc;

use mio::net::TcpStream;

use super::body_total::BodyShare;
use super::outcome::Outcome;
use super::rejected::Rejected;
use super::service::{Known, NO_ROUTE, Plan, Service, Task};
use crate::net::message::{Asker, Handoff};
use answers::{Answers, Awaited};
use late::Held;
pub(super) use output::Next;
pub(super) use timeout::Timeouts;
use turn::Seen;
pub(super) use turn::Turn;

use crate::api::{CrossOrigin, ListenerKind, Problem, Response, ResponseOptions, write_head};
use crate::event::{Framing, HttpDate, Now, Refusal};
use crate::http::{BodyFraming, Head, KeptHead, Rejection, RequestReader, Step};
use crate::shard::{Arrival, Decision};

/// Bytes of responses that may wait to be written, and number of responses that may be pending, before the next request
/// of the connection is read.
const MAX_WAITING: usize = 16 * 1024;
/// Maximum number of bytes that are read at once, but for a body: what is read and not processed is held while the client
/// does not read its answers.
const READ_AHEAD: usize = 16 * 1024;
const MAX_AWAITED: usize = 256;
/// Bytes that are read and discarded after the last response: a body well over the limit, but not so much that one
/// client keeps the thread from others.
const LINGER_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of chunk framing that an unwanted body may have: as many as a body of the largest default size has in chunks
/// of 128 bytes. Beyond that, keeping the connection is not worth it.
const MAX_UNWANTED_FRAMING: u64 = 128 * 1024;
/// How long a shutdown waits for the first byte of a connection that has just been accepted, in ms.
const ARRIVAL_MS: u64 = 250;

pub(super) struct HttpConnection {
    pub(super) socket: TcpStream,
    pub(super) serial: u32,
    pub(super) peer: IpAddr,
    reader: RequestReader,
    /// The share of the memory for bodies that the current body uses.
    share: BodyShare,
    /// The plan of the request whose body is being read.
    plan: Option<Plan>,
    answers: Answers,
    /// The number of the last request that was read.
    request: u32,
    phase: Phase,
    /// When its phase or its request began, in ms since the start.
    since_ms: u64,
    /// When it became idle before the current request, in ms since the start.
    idle_since_ms: u64,
    /// When the peer last read something or nothing was waiting for it, in ms since the start.
    progress_ms: u64,
    refusal: Option<Refusal>,
    /// The decision about the first request, if there is one.
    decision: Option<Decision>,
    pub(super) listener_kind: ListenerKind,
    /// What responses to the last request tell the page that asked.
    cross_origin: CrossOrigin,
    /// The route of that request.
    route: &'static str,
    /// Whether there was a response on this connection.
    answered: bool,
    /// Whether the socket may be readable.
    readable: bool,
    /// Whether the peer will send no more, or the socket has failed: read to the end.
    ends: bool,
    /// Whether requests wait until earlier responses are written, or ready.
    held_back: bool,
    /// Whether something was read but not processed.
    unseen: bool,
    lingered: usize,
    /// When the peer last sent something, in ms since the start.
    heard_ms: u64,
}

enum Phase {
    /// Nothing has arrived since the last response, or at all.
    Idle { answered: bool },
    /// A head is arriving.
    Head,
    /// A head is refused, and the page that asked is not known yet.
    Rejected(Box<Rejected>),
    /// It is not decided yet who the request is from. Nothing is read meanwhile. Nothing else holds the head, so that
    /// whoever decides can tell when nobody waits any more.
    Deciding(Arc<KeptHead>),
    /// A body is arriving.
    Body,
    /// A request with its plan waits until no earlier response is pending. Nothing is read meanwhile.
    Held(Box<Held>),
    /// A response is pending, and later requests must wait for it. Nothing is read meanwhile.
    Waiting { keep_alive: bool },
    /// A stream: once all earlier responses are written, an event loop takes the connection over.
    Leaving(Box<Arrival>),
    /// The last response is being written; nothing after it counts.
    Closing { shut: bool },
    /// Over.
    Closed,
}

impl HttpConnection {
    pub(super) fn new(handoff: Handoff, serial: u32, share: BodyShare, now: Now) -> Self {
        let Handoff { socket, peer, bytes, first_byte_ms, refusal, decision, listener_kind } = handoff;
        let (phase, since_ms) = match &*bytes {
            b"" => (Phase::Idle { answered: false }, now.elapsed_ms),
            // An empty line is not yet a request.
            b"\r\n" => (Phase::Idle { answered: false }, first_byte_ms),
            _ => (Phase::Head, first_byte_ms),
        };
        Self {
            socket: TcpStream::from_std(socket.into()),
            serial,
            peer,
            reader: RequestReader::with_bytes(bytes),
            share,
            plan: None,
            answers: Answers::default(),
            request: 0,
            phase,
            since_ms,
            idle_since_ms: since_ms,
            progress_ms: now.elapsed_ms,
            refusal,
            decision,
            listener_kind,
            cross_origin: CrossOrigin::Silent,
            route: NO_ROUTE,
            answered: false,
            readable: true,
            ends: false,
            held_back: false,
            unseen: true,
            lingered: 0,
            heard_ms: now.elapsed_ms,
        }
    }

    /// The socket is readable; `ends` if nothing will follow.
    pub(super) fn set_readable(&mut self, ends: bool) {
        self.readable = true;
        self.ends |= ends;
    }

    /// Number of bytes that followed the last request.
    pub(super) fn unread(&self) -> usize {
        self.reader.buffered()
    }

    /// Reads what there is, at most `most_reads` times, and processes it: at least one request, and more until it is
    /// the turn of others. `input` is a buffer to read into; answers that need event loops or the journal are sent to
    /// `asker`.
    pub(super) fn drive(
        &mut self,
        service: &Service,
        input: &mut [u8],
        date: &mut HttpDate,
        asker: Asker,
        turn: Turn,
        now: Now,
    ) {
        if self.held_back && !self.is_full() {
            // It was the server that did not read on.
            (self.since_ms, self.heard_ms) = (now.elapsed_ms, now.elapsed_ms);
        }
        let mut seen = Seen::default();
        for reads in 0.. {
            while self.is_taking() {
                let is_head = !matches!(self.phase, Phase::Body);
                let (before, framing) = (self.reader.buffered(), self.reader.framing());
                // The rest is processed after others have had their turns.
                if turn.is_over(seen, is_head) {
                    (self.unseen, self.held_back) = (true, false);
                    return;
                }
                let goes_on = self.step(service, date, asker, now);
                if is_head {
                    seen.heads += before.saturating_sub(self.reader.buffered());
                    seen.requests += 1;
                }
                seen.framing += self.reader.framing().wrapping_sub(framing) as usize;
                if !goes_on {
                    break;
                }
            }
            self.held_back = self.is_full();
            // Process the last read too: if it was the last one, nothing else would cause that.
            self.unseen = false;
            if !self.readable || self.is_held_back() || reads == turn.most_reads {
                return;
            }
            let most = match self.phase {
                Phase::Body | Phase::Closing { .. } => input.len(),
                _ => input.len().min(READ_AHEAD),
            };
            match self.socket.read(&mut input[..most]) {
                Ok(0) => {
                    self.readable = false;
                    // Half-closed: earlier requests still get their responses.
                    match self.phase {
                        Phase::Closing { .. } => {}
                        Phase::Rejected(_) => self.tell_rejected(service, date.at(now), now),
                        _ => self.phase = Phase::Closing { shut: false },
                    }
                }
                Ok(count) => {
                    // A short read: the socket is empty, and the next byte, or the end, causes a new edge.
                    self.readable = count == most || self.ends;
                    self.take(&input[..count], now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.phase = Phase::Closed,
            }
        }
    }

    /// Whether it came through a listener for operators.
    pub(super) fn is_control(&self) -> bool {
        self.listener_kind == ListenerKind::Control
    }

    /// Whether the next request may be read.
    fn is_taking(&self) -> bool {
        matches!(self.phase, Phase::Idle { .. } | Phase::Head | Phase::Rejected(_) | Phase::Body)
            && !self.is_full()
    }

    /// Whether input from the client must wait.
    fn is_held_back(&self) -> bool {
        match self.phase {
            Phase::Deciding(_)
            | Phase::Held(_)
            | Phase::Waiting { .. }
            | Phase::Leaving(_)
            | Phase::Closed => true,
            // Input is only discarded now, and this much of it closes the connection.
            Phase::Closing { .. } => self.answers.is_awaiting(),
            _ => self.is_full(),
        }
    }

    /// Whether so many responses are waiting or pending that no further request is read.
    fn is_full(&self) -> bool {
        self.answers.bytes() > MAX_WAITING || self.answers.awaited() >= MAX_AWAITED
    }

    fn take(&mut self, bytes: &[u8], now: Now) {
        self.heard_ms = now.elapsed_ms;
        match &mut self.phase {
            Phase::Closing { .. } => {
                self.lingered += bytes.len();
                if self.lingered > LINGER_BYTES {
                    self.phase = Phase::Closed;
                }
                return;
            }
            Phase::Rejected(rejected) => return rejected.push(bytes),
            // An empty line came first: the time for a first request continues.
            Phase::Idle { answered: false } if self.reader.buffered() > 0 => self.phase = Phase::Head,
            Phase::Idle { answered } => {
                self.idle_since_ms = if *answered { self.since_ms } else { now.elapsed_ms };
                self.enter(Phase::Head, now);
            }
            _ => {}
        }
        self.reader.push(bytes);
        self.unseen = true;
    }

    fn enter(&mut self, phase: Phase, now: Now) {
        self.phase = phase;
        self.since_ms = now.elapsed_ms;
    }

    /// One step of a request; false if it needs more bytes.
    fn step(&mut self, service: &Service, date: &mut HttpDate, asker: Asker, now: Now) -> bool {
        if let Phase::Rejected(rejected) = &self.phase {
            let is_known = !rejected.is_in_doubt(&service.shared().settings.cors);
            if is_known {
                self.tell_rejected(service, date.at(now), now);
            }
            return is_known;
        }
        match self.reader.next(&service.shared().settings.requests) {
            Step::Incomplete => {
                // An empty line after a body is not yet a request, nor is the connection busy for it.
                if matches!(self.phase, Phase::Head) && self.reader.is_idle() {
                    self.phase = Phase::Idle { answered: self.answered };
                    self.since_ms = self.idle_since_ms;
                }
                return false;
            }
            Step::Paused => self.bound_framing(service, date.at(now), now),
            Step::Rejected(rejection) if matches!(self.phase, Phase::Body) => {
                self.tell(rejection, service, date.at(now), now);
            }
            Step::Rejected(rejection) => {
                self.enter(Phase::Rejected(Box::new(Rejected::new(rejection, self.reader.unread()))), now);
            }
            Step::Head(head) => {
                self.request = self.request.wrapping_add(1);
                let known = self.decision.take().map_or(Known::Nothing, Known::Decision);
                let plan = service.plan(&head, self.peer, self.listener_kind, known, now);
                let expects = expects(&head);
                match plan.task {
                    Ok(Task::Identify(peer, scope)) => {
                        self.identify(self.numbered(asker), peer, scope, service, date.at(now), now)
                    }
                    _ => self.begin(plan, expects, service, date.at(now), now),
                }
            }
            Step::Body(body) => {
                if let Some(plan) = self.plan.take() {
                    self.finish(plan, &body, service, date.at(now), asker, now);
                }
            }
        }
        true
    }

    /// Answers a head that is refused, now that it is known which page to tell, or too late to wait for that.
    fn tell_rejected(&mut self, service: &Service, date: &str, now: Now) {
        if let Phase::Rejected(rejected) = &self.phase {
            self.cross_origin = rejected.cross_origin(&service.shared().settings.cors);
            self.tell(rejected.rejection, service, date, now);
        }
    }

    fn tell(&mut self, rejection: Rejection, service: &Service, date: &str, now: Now) {
        (self.plan, self.route) = (None, NO_ROUTE);
        let problem = Problem::new(rejection.status, rejection.to_string());
        self.answer(&problem.into(), service, false, false, date, now);
    }

    /// Begins a request whose head is complete. If the client `expects` a response before it sends the body, it may
    /// wait for one.
    fn begin(&mut self, mut plan: Plan, expects: bool, service: &Service, date: &str, now: Now) {
        if self.refusal == Some(Refusal::Address) {
            plan.refuse_other();
        }
        if self.answers.is_awaiting() && !plan.may_run_ahead(expects) {
            return self.enter(Phase::Held(Box::new(Held { plan, expects })), now);
        }
        (self.cross_origin, self.route) = (plan.cross_origin, plan.route);
        self.enter(Phase::Body, now);
        self.heard_ms = now.elapsed_ms;
        if !plan.task.as_ref().is_ok_and(Task::takes_body) {
            // A request that is refused, or needs no body, must not make the server keep one.
            self.reader.discard_body();
        }
        match plan.task {
            // The client gets the final response at once, and since it may send the body or not, the connection cannot
            // continue (RFC 9110, 10.1.1).
            Err(problem) if expects => {
                self.answer(&problem.into(), service, plan.head_only, false, date, now);
            }
            _ => {
                if expects {
                    self.answers.push(|out| out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n"));
                }
                self.plan = Some(plan);
            }
        }
    }

    /// Processes a complete request.
    fn finish(&mut self, plan: Plan, body: &[u8], service: &Service, date: &str, asker: Asker, now: Now) {
        let runs_ahead = plan.may_run_ahead(false);
        let Plan { task, head_only, keep_alive, framing, cross_origin, route } = plan;
        // Close a connection that is only here to be refused, and every connection of a server that shuts down: the
        // next request is for the next server.
        let keep_alive = keep_alive && self.refusal.is_none() && !service.shared().admission.is_draining();
        let outcome = match (task, self.refusal) {
            (Ok(Task::Stream(_)), Some(refusal)) => Ok(Outcome::Refused(refusal)),
            (task, _) => task.and_then(|task| service.perform(task, body, self.numbered(asker), now)),
        };
        match outcome {
            Err(problem) => self.answer(&problem.into(), service, head_only, keep_alive, date, now),
            Ok(Outcome::Answer(response)) => {
                self.answer(&response, service, head_only, keep_alive, date, now)
            }
            Ok(Outcome::StreamHead) => {
                let fields = service.cross_origin(cross_origin);
                self.answers.push(|out| write_head(out, framing, !keep_alive, date, fields));
                self.go_on(keep_alive, now);
            }
            Ok(Outcome::Later) => {
                let request = self.request;
                self.answers.push_awaited(Awaited { request, head_only, keep_alive, cross_origin, route });
                match runs_ahead {
                    true => self.go_on(keep_alive, now),
                    false => self.enter(Phase::Waiting { keep_alive }, now),
                }
            }
            Ok(Outcome::Stream(arrival)) => self.enter(Phase::Leaving(arrival), now),
            Ok(Outcome::Refused(reason)) => self.refuse(service, framing, reason, date, now),
        }
    }

    /// Answers and closes before the body is complete, if nothing will be done with it but it costs the server much to
    /// read.
    fn bound_framing(&mut self, service: &Service, date: &str, now: Now) {
        if self.reader.body_framing() < MAX_UNWANTED_FRAMING || self.wants_body() {
            return;
        }
        let Some(plan) = self.plan.take() else { return };
        let detail = "a body that is not needed has too much framing";
        let problem = plan.task.err().unwrap_or_else(|| Problem::new(413, detail));
        self.answer(&problem.into(), service, plan.head_only, false, date, now);
    }

    /// Answers a stream that is refused temporarily.
    pub(super) fn refuse(
        &mut self,
        service: &Service,
        framing: Framing,
        reason: Refusal,
        date: &str,
        now: Now,
    ) {
        let cross_origin = self.cross_origin;
        self.answers.push(|out| service.write_refusal(out, framing, reason, date, cross_origin));
        self.enter(Phase::Closing { shut: false }, now);
    }

    fn answer(
        &mut self,
        response: &Response,
        service: &Service,
        head_only: bool,
        keep_alive: bool,
        date: &str,
        now: Now,
    ) {
        service.shared().meters.count_response(self.route, response.status());
        let cross_origin = service.cross_origin(self.cross_origin);
        let manner = ResponseOptions { head_only, close: !keep_alive, date, cross_origin };
        self.answers.push(|out| response.write(out, manner));
        self.go_on(keep_alive, now);
    }

    /// Decides how to continue after a response was added.
    fn go_on(&mut self, keep_alive: bool, now: Now) {
        self.answered = true;
        let next = match keep_alive {
            false => Phase::Closing { shut: false },
            true if self.reader.is_idle() => Phase::Idle { answered: true },
            true => Phase::Head,
        };
        self.enter(next, now);
        self.idle_since_ms = now.elapsed_ms;
    }

    /// Whether there is more to do without another edge: requests that had to wait for responses to be written, or more
    /// input than one turn takes.
    pub(super) fn can_go_on(&self) -> bool {
        (self.held_back && !self.is_full()) || self.is_able()
    }

    /// Whether it could continue without waiting for anything.
    pub(super) fn is_able(&self) -> bool {
        !self.is_held_back() && (self.readable || (self.unseen && self.is_taking()))
    }

    /// Whether a shutdown would interrupt nothing.
    pub(super) fn is_done(&self, now: Now) -> bool {
        let idle = match self.phase {
            // It was accepted so recently that its request may still be in transit.
            Phase::Idle { answered: false } => now.elapsed_ms.saturating_sub(self.since_ms) >= ARRIVAL_MS,
            Phase::Idle { answered: true } | Phase::Closing { shut: true } | Phase::Closed => true,
            _ => false,
        };
        idle && self.answers.is_written() && !self.answers.is_awaiting()
    }
}

/// Whether the client may wait for an interim response before it sends the body.
fn expects(head: &Head<'_>) -> bool {
    head.expects_continue || (head.expects_unknown && head.body != BodyFraming::Empty)
}
