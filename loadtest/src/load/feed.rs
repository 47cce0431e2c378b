//! Publishing at a pace, closed loop or open.

use std::ops::RangeInclusive;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::board::{Board, News, next_news};
use super::plan::{Pace, Plan, data};
use super::publisher::{Answer, Publisher};
use crate::clock;
use crate::stop::{self, Stop};

/// Until a publish that was answered 429 or 503 is tried again.
const RETRY: Duration = Duration::from_millis(10);

pub(super) struct Feed<'a> {
    plan: &'a Plan,
    board: &'a Board,
    news: &'a Receiver<News>,
    stop: &'a Stop,
    publisher: Publisher,
    /// For each event, the client threads in which it is settled.
    settled: Vec<usize>,
    /// All events up to this one are settled everywhere, or given up.
    frontier: u64,
    pub(super) published: u64,
    /// Publishes answered 429 or 503 and tried again.
    pub(super) busy: u64,
}

impl<'a> Feed<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        board: &'a Board,
        news: &'a Receiver<News>,
        stop: &'a Stop,
    ) -> Result<Self> {
        let publisher = Publisher::connect(&plan.endpoint)?;
        let settled = vec![0; plan.last() as usize + 1];
        Ok(Self { plan, board, news, stop, publisher, settled, frontier: 0, published: 0, busy: 0 })
    }

    /// Publishes these events and waits until they are settled. When the first was due.
    pub(super) fn run(&mut self, numbers: RangeInclusive<u64>, pace: Pace) -> Result<Instant> {
        let begin = clock::now();
        for (i, n) in numbers.enumerate() {
            let due = match pace {
                Pace::InFlight(events) => {
                    self.wait_settled(n.saturating_sub(events as u64));
                    clock::now()
                }
                Pace::Rate(rate) => {
                    let due = begin + Duration::from_secs_f64(i as f64 / rate);
                    self.sleep_until(due);
                    due
                }
            };
            if self.stop.reason().is_some() || !self.publish(n, due)? {
                return Ok(begin);
            }
        }
        self.wait_settled(self.published);
        Ok(begin)
    }

    /// False when the run stops.
    fn publish(&mut self, n: u64, due: Instant) -> Result<bool> {
        self.board.set_due(n, due);
        let data = data(n, self.plan.payload);
        let begin = clock::now();
        loop {
            match self.publisher.publish(&data, self.stop)? {
                Answer::Accepted => {
                    self.published = n;
                    return Ok(true);
                }
                Answer::Stopped => return Ok(false),
                Answer::Busy => {
                    ensure!(clock::since(begin) < self.plan.patience, "the server stayed busy");
                    self.busy += 1;
                    thread::sleep(RETRY);
                }
            }
        }
    }

    fn wait_settled(&mut self, n: u64) {
        while self.frontier < n {
            match next_news(self.news, self.board, self.stop, self.plan.patience) {
                Some(News::Settled(n)) => self.settle(n),
                Some(News::Opened(_)) => {}
                // They show as missing.
                None => self.frontier = self.published,
            }
        }
    }

    fn settle(&mut self, n: u64) {
        self.settled[n as usize] += 1;
        while self.settled.get(self.frontier as usize + 1) == Some(&self.plan.threads) {
            self.frontier += 1;
        }
    }

    fn sleep_until(&self, due: Instant) {
        while self.stop.reason().is_none() {
            let left = due.saturating_duration_since(clock::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(stop::CHECK_EVERY));
        }
    }
}
