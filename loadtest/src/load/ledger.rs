//! What a client thread writes down of each event.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use anyhow::Result;

use super::board::{Board, News};
use super::order::{Arrival, Order};
use super::plan::Plan;
use super::tally::Tally;
use crate::sse::Event;

pub(super) struct Ledger {
    pub(super) tally: Tally,
    plan: Arc<Plan>,
    board: Arc<Board>,
    news: Sender<News>,
    /// For each event, the streams that have it or will never get it.
    settled: Vec<u64>,
    /// All streams of this thread are open or refused; until then none can be waited for.
    has_opened: bool,
}

impl Ledger {
    pub(super) fn new(plan: Arc<Plan>, board: Arc<Board>, news: Sender<News>) -> Result<Self> {
        let settled = vec![0; plan.last() as usize + 1];
        Ok(Self { tally: Tally::new()?, plan, board, news, settled, has_opened: false })
    }

    pub(super) fn record(&mut self, order: &mut Order, event: Event, now: Instant) {
        let Event::Data { n, length } = event else { return };
        let published = n.and_then(|n| Some((n, self.board.latency(n, now)?)));
        let Some((n, latency)) = published.filter(|_| length as usize == self.plan.payload) else {
            self.tally.damaged += 1;
            return;
        };
        match order.arrive(n) {
            Arrival::Next => self.settle(n),
            Arrival::Ahead { skipped } => {
                self.tally.gaps += skipped;
                for skipped in n - skipped..=n {
                    self.settle(skipped);
                }
            }
            Arrival::Late => {
                self.tally.gaps -= 1;
                self.tally.reorders += 1;
            }
            Arrival::Repeat => {
                self.tally.repeats += 1;
                return;
            }
        }
        self.tally.received += 1;
        if n > self.plan.warm_up as u64 {
            self.tally.measured += 1;
            self.tally.latency.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
            self.tally.last_delivery = Some(now);
        }
    }

    /// All streams of this thread are open or refused.
    pub(super) fn opened(&mut self) {
        self.has_opened = true;
        self.tell(News::Opened(self.tally.opened));
        for n in 1..=self.plan.last() {
            self.tell_if_settled(n);
        }
    }

    /// An open stream ended: nobody need wait for what it has not got.
    pub(super) fn closed(&mut self, order: &Order) {
        self.tally.closed += 1;
        (order.next()..=self.plan.last()).for_each(|n| self.settle(n));
    }

    fn settle(&mut self, n: u64) {
        self.settled[n as usize] += 1;
        self.tell_if_settled(n);
    }

    fn tell_if_settled(&self, n: u64) {
        if self.has_opened && self.settled[n as usize] == self.tally.opened {
            self.tell(News::Settled(n));
        }
    }

    fn tell(&self, news: News) {
        // The conductor is gone only when the run has failed, which it reports itself.
        let _ = self.news.send(news);
    }
}
