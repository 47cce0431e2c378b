//! One thread of a swarm, with its streams and its epoll.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use anyhow::Result;
use mio::{Events, Interest, Poll, Token, Waker};

use super::ledger::Ledger;
use super::message::{Command, Report};
use super::order::Order;
use super::pace::Ramp;
use super::plan::Plan;
use super::stream::{Stream, Trail};
use crate::clock;
use crate::dial::dial;
use crate::sse::Spare;
use crate::template::Template;

const WAKER: Token = Token(usize::MAX);
const EVENTS: usize = 1024;
const READ_BUFFER: usize = 64 * 1024;
/// Time between two reports, and so the most that `Progress` lags behind.
const REPORT_EVERY: u64 = 20_000_000;
const TICK: Duration = Duration::from_millis(20);

/// Receives a worker's reports.
pub(super) type Sink = Box<dyn FnMut(Report) -> Result<()> + Send>;

pub(super) struct Worker {
    plan: Plan,
    request: Template,
    poll: Poll,
    commands: Receiver<Command>,
    sink: Sink,
    slots: Vec<Slot>,
    /// Slots to open and the times to open them at, earliest first.
    waiting: BinaryHeap<Reverse<(u64, usize)>>,
    ramp: Ramp,
    connecting: usize,
    opened: u64,
    refused: u64,
    ended: u64,
    /// Number of times that the server closed an open stream.
    closings: u64,
    /// One stream in this many is not read; 0 for none.
    stall: usize,
    churn: Ramp,
    next_churned: usize,
    ledger: Ledger,
    spare: Spare,
    reported: (u64, u64),
    /// The last report of `Opened`.
    told: (u64, u64, u64, u64),
    is_done: bool,
}

/// The state of one stream.
#[derive(Default)]
enum Slot {
    #[default]
    New,
    Open(Stream),
    /// The stream may be opened again.
    Closed(Trail),
}

/// Keeps the load tester's memory per stream small against that of the server.
const _: () = assert!(size_of::<Slot>() + size_of::<(u64, usize)>() < 200);

impl Slot {
    fn stream(&mut self) -> Option<&mut Stream> {
        match self {
            Self::Open(stream) => Some(stream),
            Self::New | Self::Closed(_) => None,
        }
    }
}

impl Worker {
    /// Also returns the waker for sent commands.
    pub(super) fn new(plan: Plan, commands: Receiver<Command>, sink: Sink) -> Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let mut request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n", plan.target, plan.host);
        for header in &plan.headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        let now = clock::nanos();
        let worker = Self {
            request: Template::parse(&request),
            poll,
            commands,
            sink,
            slots: (0..plan.streams.len()).map(|_| Slot::default()).collect(),
            waiting: (0..plan.streams.len()).map(|slot| Reverse((0, slot))).collect(),
            ramp: Ramp::new(plan.ramp, now),
            connecting: 0,
            opened: 0,
            refused: 0,
            ended: 0,
            closings: 0,
            stall: 0,
            churn: Ramp::new(Some(0.0), now),
            next_churned: 0,
            ledger: Ledger::new(&plan)?,
            spare: Spare::default(),
            reported: (0, 0),
            told: (0, 0, 0, 0),
            is_done: false,
            plan,
        };
        Ok((worker, waker))
    }

    pub(super) fn run(mut self) {
        if let Err(error) = self.work() {
            // The receiver ends only with the run.
            let _ = (self.sink)(Report::Failed(format!("{error:#}")));
        }
    }

    fn work(&mut self) -> Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut buffer = vec![0; READ_BUFFER];
        while !self.is_done {
            self.open_waiting()?;
            match self.poll.poll(&mut events, Some(TICK)) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                if event.token() != WAKER {
                    let is_end = event.is_read_closed() || event.is_error();
                    self.ready(event.token().0, is_end, &mut buffer)?;
                }
            }
            self.churn()?;
            self.obey(&mut buffer)?;
            self.report()?;
        }
        Ok(())
    }

    fn open_waiting(&mut self) -> Result<()> {
        let now = clock::nanos();
        while let Some(&Reverse((due, slot))) = self.waiting.peek()
            && due <= now
        {
            // A stream that reconnects by itself chooses its own time.
            let is_own = self.plan.reopens && matches!(self.slots[slot], Slot::Closed(_));
            let may_open = is_own || self.connecting < self.plan.connecting && self.ramp.take(now);
            if !may_open {
                break;
            }
            self.waiting.pop();
            self.open(slot)?;
        }
        Ok(())
    }

    fn open(&mut self, slot: usize) -> Result<()> {
        let number = self.plan.streams.start + slot;
        let mut trail = match std::mem::take(&mut self.slots[slot]) {
            Slot::Closed(trail) => trail,
            _ if self.plan.is_first => Trail::new(Order::new()),
            _ => Trail::new(Order::from_now()),
        };
        trail.dialed = clock::nanos();
        if self.plan.reopens && trail.is_again {
            self.ledger.attempted(trail.dialed);
        }
        match dial(self.plan.address, self.plan.source(number)) {
            Ok(mut socket) => {
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll.registry().register(&mut socket, Token(slot), interest)?;
                self.slots[slot] = Slot::Open(Stream::new(socket, trail));
                self.connecting += 1;
            }
            Err(error) => self.lost(slot, trail, &format!("{error:#}")),
        }
        Ok(())
    }

    fn ready(&mut self, slot: usize, is_end: bool, buffer: &mut [u8]) -> Result<()> {
        if self.is_stalled(slot) {
            return Ok(());
        }
        let Some(stream) = self.slots.get_mut(slot).and_then(Slot::stream) else { return Ok(()) };
        let number = self.plan.streams.start + slot;
        let was_open = stream.trail.is_open();
        let (ledger, template, plan) = (&mut self.ledger, &self.request, &self.plan);
        let outcome = stream.ready(
            is_end,
            |trail| request(template, number, trail, plan),
            (buffer, &mut self.spare),
            &mut |trail, block| {
                let now = clock::nanos();
                if !trail.is_open() {
                    trail.since = now;
                }
                ledger.record(number, trail, block, now);
            },
        );
        if !was_open && stream.trail.is_open() {
            self.connecting -= 1;
            self.opened += 1;
            self.ledger.opened(stream.trail.since.saturating_sub(stream.trail.dialed));
            if stream.trail.is_again {
                self.ledger.reopened(self.plan.reopens.then_some(stream.trail.since));
            }
        }
        match outcome {
            Ok(()) => Ok(()),
            Err(error) => self.ended(slot, &format!("{error:#}")),
        }
    }

    /// The server or an error has ended a stream.
    fn ended(&mut self, slot: usize, why: &str) -> Result<()> {
        if let Some(stream) = self.close(slot)? {
            self.lost(slot, stream.trail, why);
        }
        Ok(())
    }

    fn lost(&mut self, slot: usize, mut trail: Trail, why: &str) {
        let was_open = trail.is_open();
        self.closings += u64::from(was_open);
        match was_open {
            true => self.ledger.closed(why.to_owned()),
            false => self.ledger.refused(why.to_owned(), trail.backoff.is_told()),
        }
        match was_open {
            _ if self.plan.reopens => {
                let due = clock::nanos() + trail.backoff.wait(fastrand::f64());
                self.wait_again(slot, trail, due);
            }
            true => self.ended += 1,
            false => self.refused += 1,
        }
    }

    fn close(&mut self, slot: usize) -> Result<Option<Stream>> {
        if !matches!(self.slots[slot], Slot::Open(_)) {
            return Ok(None);
        }
        let Slot::Open(mut stream) = std::mem::take(&mut self.slots[slot]) else { return Ok(None) };
        self.poll.registry().deregister(&mut stream.socket)?;
        if stream.trail.is_open() {
            self.opened -= 1;
        } else {
            self.connecting -= 1;
        }
        Ok(Some(stream))
    }

    fn wait_again(&mut self, slot: usize, trail: Trail, due: u64) {
        self.keep(slot, trail);
        self.waiting.push(Reverse((due, slot)));
    }

    /// The position, for when the stream is opened again.
    fn keep(&mut self, slot: usize, mut trail: Trail) {
        (trail.since, trail.is_again) = (0, true);
        if !self.plan.resumes {
            trail.order = Order::from_now();
        }
        self.slots[slot] = Slot::Closed(trail);
    }

    fn disconnect(&mut self) -> Result<()> {
        for slot in 0..self.slots.len() {
            if let Some(stream) = self.close(slot)? {
                self.keep(slot, stream.trail);
            }
        }
        self.waiting.clear();
        Ok(())
    }

    /// Closes the next streams in turn, and opens them again as new streams.
    fn churn(&mut self) -> Result<()> {
        let now = clock::nanos();
        while self.churn.take(now) {
            let slot = self.next_churned;
            self.next_churned = (slot + 1) % self.slots.len().max(1);
            if self.slots[slot].stream().is_some_and(|stream| stream.trail.is_open())
                && self.close(slot)?.is_some()
            {
                self.wait_again(slot, Trail::new(Order::from_now()), 0);
            }
        }
        Ok(())
    }

    fn is_stalled(&self, slot: usize) -> bool {
        self.stall > 0 && (self.plan.streams.start + slot).is_multiple_of(self.stall)
    }

    fn obey(&mut self, buffer: &mut [u8]) -> Result<()> {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Mark) => {
                    let tally = self.mark()?;
                    (self.sink)(Report::Marked(tally))?;
                }
                Ok(Command::Disconnect) => self.disconnect()?,
                Ok(Command::Connect) => {
                    let closed = |slot: &usize| matches!(self.slots[*slot], Slot::Closed(_));
                    self.waiting =
                        (0..self.slots.len()).filter(closed).map(|slot| Reverse((0, slot))).collect();
                }
                Ok(Command::Stall { every }) => {
                    let stalled: Vec<usize> =
                        (0..self.slots.len()).filter(|&slot| self.is_stalled(slot)).collect();
                    self.stall = every;
                    // Their epoll edges have passed unread.
                    for slot in stalled {
                        self.ready(slot, true, buffer)?;
                    }
                }
                Ok(Command::Churn { per_second }) => self.churn = Ramp::new(Some(per_second), clock::nanos()),
                Ok(Command::Payload { bytes }) => self.ledger.expect(bytes),
                Ok(Command::Finish) => {
                    let tally = self.mark()?;
                    self.is_done = true;
                    return (self.sink)(Report::Finished(tally));
                }
                Err(TryRecvError::Empty) => return Ok(()),
                // The receiver has ended.
                Err(TryRecvError::Disconnected) => {
                    self.is_done = true;
                    return Ok(());
                }
            }
        }
    }

    fn mark(&mut self) -> Result<Box<super::tally::Tally>> {
        let trails = self.slots.iter_mut().filter_map(|slot| Some(&mut slot.stream()?.trail));
        let least =
            trails.filter(|trail| trail.is_open()).map(|trail| std::mem::take(&mut trail.heartbeats)).min();
        Ok(Box::new(self.ledger.mark(least)?))
    }

    fn report(&mut self) -> Result<()> {
        let now = clock::nanos();
        let is_due = now >= self.reported.0 + REPORT_EVERY;
        let is_opening = self.connecting > 0 || !self.waiting.is_empty();
        let state = (self.opened, self.refused, self.ended, self.closings);
        if self.told != state && (is_due || !is_opening) {
            self.told = state;
            let (opened, refused, ended, closings) = state;
            (self.sink)(Report::Opened { opened, refused, ended, closings })?;
        }
        // No event can be settled before all streams are open.
        if !is_opening && self.opened > 0 && self.ledger.settled.advance(self.opened) {
            (self.sink)(Report::Settled(self.ledger.settled.frontier))?;
        }
        if self.ledger.received != self.reported.1 && is_due {
            self.reported = (now, self.ledger.received);
            (self.sink)(Report::Received(self.ledger.received))?;
        }
        Ok(())
    }
}

fn request(template: &Template, number: usize, trail: &Trail, plan: &Plan) -> String {
    let mut request = template.text(number as u64);
    if let Some(token) = plan.token(number) {
        request.push_str("Authorization: Bearer ");
        request.push_str(token);
        request.push_str("\r\n");
    }
    if plan.resumes && !trail.id.is_empty() {
        request.push_str("Last-Event-ID: ");
        request.push_str(&String::from_utf8_lossy(&trail.id));
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}
