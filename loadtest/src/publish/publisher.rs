//! The event loop that publishes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Error, Result, bail, ensure};
use mio::{Events, Interest, Poll, Token, Waker};

use super::connection::{Answer, Connection, Request};
use super::request::RequestWriter;
use super::work::{Numbers, Pace, Work};
use crate::clock;
use crate::latency::Times;
use crate::stop::{self, Stop};

const WAKER: Token = Token(usize::MAX);
const READ_BUFFER: usize = 64 * 1024;
/// Pause before an event that was answered 429 or 503 is published again.
const RETRY_AFTER: u64 = 10_000_000;
/// The last part of the wait for an event is spun, since a poll sleeps whole milliseconds.
const SPIN: u64 = 1_500_000;

/// The result of some work.
pub(crate) struct Published {
    /// Events accepted.
    pub(crate) accepted: u64,
    /// Answers 429 and 503, after which the events were published again.
    pub(crate) busy: u64,
    /// When the first was due, and when the last was acknowledged, in nanoseconds.
    pub(crate) began: u64,
    pub(crate) ended: u64,
    /// Time from when a request was due to its acceptance.
    pub(crate) acknowledgement: Times,
    /// The error that ended it early.
    pub(crate) trouble: Option<Error>,
}

pub(crate) struct Publisher {
    address: SocketAddr,
    poll: Poll,
    waker: Arc<Waker>,
    connections: Vec<Connection>,
    buffer: Box<[u8]>,
}

/// The state of some work.
struct Turn<'a> {
    work: &'a Work,
    numbers: &'a mut Numbers,
    writer: RequestWriter,
    /// Total number of events.
    events: Option<u64>,
    /// Events taken so far.
    taken: u64,
    /// When the last event was sent for the first time, and when the last answer came, in nanoseconds.
    sent: u64,
    answered: u64,
    /// Requests to send again: when, and on which connection.
    again: VecDeque<(u64, usize, Request)>,
    published: Published,
}

impl Publisher {
    pub(crate) fn connect(address: SocketAddr, connections: usize) -> Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let mut all = Vec::with_capacity(connections);
        for number in 0..connections {
            let mut connection = Connection::connect(address)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut connection.socket, Token(number), interest)?;
            all.push(connection);
        }
        Ok(Self { address, poll, waker, connections: all, buffer: vec![0; READ_BUFFER].into() })
    }

    /// Wakes the publisher, so that it calls `settled` again.
    pub(crate) fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    /// Does the work, as far as time allows. `settled` takes the number of accepted events, and returns the last event that
    /// all streams have, for a pace that waits for them; `None` ends the wait. At a steady or spaced pace, `None` ends the
    /// work after the events that are due by then.
    pub(crate) fn run(
        &mut self,
        work: &Work,
        numbers: &mut Numbers,
        stop: &Stop,
        settled: impl FnMut(u64) -> Result<Option<u64>>,
    ) -> Result<Published> {
        ensure!(work.connections == self.connections.len(), "the publisher has other connections");
        work.check(numbers.series())?;
        let began = clock::nanos();
        let acknowledgement = Times::new()?;
        let published =
            Published { accepted: 0, busy: 0, began, ended: began, acknowledgement, trouble: None };
        let writer = RequestWriter::new(work);
        let mut turn = Turn {
            events: work.events,
            taken: 0,
            sent: 0,
            answered: 0,
            again: VecDeque::new(),
            work,
            numbers,
            writer,
            published,
        };
        let trouble = self.work(&mut turn, stop, settled).err();
        Ok(Published { trouble, ..turn.published })
    }

    fn work(
        &mut self,
        turn: &mut Turn<'_>,
        stop: &Stop,
        mut settled: impl FnMut(u64) -> Result<Option<u64>>,
    ) -> Result<()> {
        let mut events = Events::with_capacity(64);
        let mut heard = clock::now();
        loop {
            let frontier = match (settled(turn.published.accepted)?, turn.work.pace) {
                (Some(frontier), _) => frontier,
                (None, Pace::Steady(rate)) => turn.end(rate),
                (None, Pace::Spaced(_)) => turn.end(0.0),
                (None, _) => return Ok(()),
            };
            let wait = self.send_allowed(turn, frontier)?;
            let is_waiting = self.connections.iter().any(|one| !one.under_way.is_empty());
            let is_done = turn.is_all_taken() && turn.again.is_empty() && !is_waiting;
            if stop.reason().is_some() || is_done {
                return Ok(());
            }
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            if !is_waiting || events.iter().any(|event| event.token() != WAKER) {
                heard = clock::now();
            }
            let patience = turn.work.patience;
            ensure!(clock::since(heard) < patience, "no answer to a publish within {patience:?}");
            for event in &events {
                let number = event.token().0;
                let Some(connection) = self.connections.get_mut(number) else { continue };
                if connection.is_used_up() {
                    continue;
                }
                let is_end = event.is_read_closed() || event.is_error();
                let heard = connection.flush();
                let heard = heard.and_then(|()| {
                    connection.read(&mut self.buffer, is_end, |answer| turn.take(number, answer))
                });
                match heard {
                    Err(_) if turn.work.is_single && !connection.under_way.is_empty() => {
                        connection.under_way.drain(..).for_each(|request| turn.try_again(number, request));
                    }
                    heard => heard?,
                }
            }
        }
    }

    /// Sends what is allowed now. Returns how long to wait for more.
    fn send_allowed(&mut self, turn: &mut Turn<'_>, frontier: u64) -> Result<Duration> {
        let mut now = clock::nanos();
        while turn.again.front().is_some_and(|&(due, ..)| due <= now) {
            let Some((_, connection, request)) = turn.again.pop_front() else { break };
            self.send(turn, connection, request)?;
        }
        let at_most = match turn.again.is_empty() {
            true => stop::CHECK_EVERY,
            false => Duration::from_nanos(RETRY_AFTER),
        };
        while !turn.is_all_taken() {
            let due = match turn.work.pace {
                Pace::InFlight(events) if turn.numbers.last(0) >= frontier + events => break,
                Pace::Rate(rate) | Pace::Steady(rate) => {
                    turn.published.began + (turn.taken as f64 / rate * 1e9) as u64
                }
                Pace::Spaced(rate) => turn.sent + (1e9 / rate) as u64,
                Pace::InFlight(_) | Pace::Acknowledged => now,
            };
            if due > now {
                let spin = if matches!(turn.work.pace, Pace::Rate(_)) { SPIN } else { 0 };
                let wait = (due - now).saturating_sub(spin);
                return Ok(Duration::from_nanos(wait).min(at_most));
            }
            let Some(connection) = self.connection(turn) else { break };
            // A delay by this thread's own sleep does not count against the server.
            let is_late = match turn.work.pace {
                Pace::Steady(_) => turn.answered <= due,
                Pace::Spaced(_) => true,
                _ => false,
            };
            turn.sent = now;
            let request = turn.next(if is_late { now } else { due });
            self.send(turn, connection, request)?;
            now = clock::nanos();
        }
        Ok(at_most)
    }

    fn send(&mut self, turn: &Turn<'_>, connection: usize, request: Request) -> Result<()> {
        let place = &mut self.connections[connection];
        if turn.work.is_single {
            *place = Connection::dial(self.address)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut place.socket, Token(connection), interest)?;
        }
        place.send(request)
    }

    /// The connection for the next event, if it has room. All events of a series use the same one, which keeps their order.
    fn connection(&self, turn: &Turn<'_>) -> Option<usize> {
        let has_room = |&number: &usize| {
            self.connections[number].under_way.len() < turn.work.window
                && turn.again.iter().all(|&(_, connection, _)| connection != number)
        };
        match turn.numbers.series() {
            1 => (0..self.connections.len()).find(has_room),
            _ => Some(turn.numbers.peek() % self.connections.len()).filter(has_room),
        }
    }
}

impl Turn<'_> {
    fn is_all_taken(&self) -> bool {
        self.events.is_some_and(|events| self.taken >= events)
    }

    /// Takes no event that is not due yet, and does not wait for streams.
    fn end(&mut self, rate: f64) -> u64 {
        if self.events.is_none() {
            let time = clock::seconds(clock::nanos().saturating_sub(self.published.began));
            self.events = Some(self.taken.max((time * rate) as u64));
        }
        u64::MAX / 2
    }

    /// Sends a request again after a pause; its latency counts from the first attempt.
    fn try_again(&mut self, connection: usize, request: Request) {
        self.published.busy += 1;
        self.again.push_back((clock::nanos() + RETRY_AFTER, connection, request));
    }

    fn next(&mut self, due: u64) -> Request {
        let left = self.events.map_or(u64::MAX, |events| events - self.taken);
        let events = (self.work.batch as u64).min(left);
        let text = self.writer.write(self.work, self.numbers, events, due);
        self.taken += events;
        Request { text: Arc::new(text), sent: due, events }
    }

    fn take(&mut self, connection: usize, answer: Answer) -> Result<()> {
        let Answer { request, status, body } = answer;
        let now = clock::nanos();
        self.answered = now;
        match status {
            200..300 => {
                self.published.accepted += request.events;
                self.published.ended = now;
                self.published.acknowledgement.record_nanos(now.saturating_sub(request.sent));
            }
            429 | 503 if self.work.window == 1 => self.try_again(connection, request),
            429 | 503 => bail!(
                "a publish was answered {status} while others were under way, whose order an attempt more would break: \
                 with a window of 1 it is tried again"
            ),
            _ => bail!("a publish was answered {status}: {body}"),
        }
        Ok(())
    }
}
