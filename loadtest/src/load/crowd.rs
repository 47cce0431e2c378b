//! A client thread: its share of the streams, and their epoll.

use std::io::ErrorKind;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use anyhow::{Error, Result};
use mio::{Events, Interest, Poll, Token};

use super::board::{Board, News};
use super::ledger::Ledger;
use super::plan::Plan;
use super::stream::Stream;
use super::tally::Tally;
use crate::stop::{self, Stop};

const EVENTS: usize = 1024;
/// Read at once: more than joined events of 16 under way.
const READ_BUFFER: usize = 64 * 1024;

pub(super) struct Crowd {
    plan: Arc<Plan>,
    board: Arc<Board>,
    ledger: Ledger,
    request: String,
    poll: Poll,
    /// The numbers of its streams among all.
    share: Range<usize>,
    /// Those begun so far; `None` for one that has ended.
    streams: Vec<Option<Stream>>,
    /// Begun, and neither open nor refused yet.
    connecting: usize,
    buffer: Box<[u8]>,
}

impl Crowd {
    /// The `number`th of `plan.threads` threads.
    pub(super) fn new(plan: Arc<Plan>, board: Arc<Board>, news: Sender<News>, number: usize) -> Result<Self> {
        let share = plan.streams * number / plan.threads..plan.streams * (number + 1) / plan.threads;
        Ok(Self {
            request: plan.endpoint.stream_request(),
            ledger: Ledger::new(plan.clone(), board.clone(), news)?,
            poll: Poll::new()?,
            streams: Vec::with_capacity(share.len()),
            connecting: 0,
            buffer: vec![0; READ_BUFFER].into(),
            plan,
            board,
            share,
        })
    }

    /// Runs until the board says that the load is over.
    pub(super) fn run(mut self, stop: &Stop) -> Result<Tally> {
        let mut events = Events::with_capacity(EVENTS);
        let mut has_opened = false;
        while !self.board.is_over() {
            if stop.reason().is_none() {
                self.connect_more()?;
            }
            if !has_opened && self.connecting == 0 && self.streams.len() == self.share.len() {
                has_opened = true;
                self.ledger.opened();
            }
            match self.poll.poll(&mut events, Some(stop::CHECK_EVERY)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            if !events.is_empty() {
                self.board.beat();
            }
            for event in &events {
                self.ready(event.token().0);
            }
        }
        Ok(self.ledger.tally)
    }

    fn connect_more(&mut self) -> Result<()> {
        while self.connecting < self.plan.connecting && self.streams.len() < self.share.len() {
            let key = self.streams.len();
            let source = self.plan.source(self.share.start + key);
            let mut stream = match Stream::connect(self.plan.endpoint.address, source) {
                Ok(stream) => stream,
                Err(error) => {
                    self.ledger.tally.refused += 1;
                    self.note(error);
                    self.streams.push(None);
                    continue;
                }
            };
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream.socket, Token(key), interest)?;
            self.streams.push(Some(stream));
            self.connecting += 1;
        }
        Ok(())
    }

    fn ready(&mut self, key: usize) {
        let Some(stream) = &mut self.streams[key] else { return };
        let was_open = stream.is_open;
        let ledger = &mut self.ledger;
        let result = stream.ready(self.request.as_bytes(), &mut self.buffer, |order, event, now| {
            ledger.record(order, event, now);
        });
        if stream.is_open && !was_open {
            self.connecting -= 1;
            ledger.tally.opened += 1;
        }
        if let Err(error) = result {
            if stream.is_open {
                ledger.closed(&stream.order);
            } else {
                self.connecting -= 1;
                ledger.tally.refused += 1;
            }
            self.streams[key] = None;
            self.note(error);
        }
    }

    fn note(&mut self, error: Error) {
        self.ledger.tally.trouble.get_or_insert_with(|| format!("{error:#}"));
    }
}
