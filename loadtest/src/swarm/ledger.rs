//! Records each event that a worker receives.

use std::collections::VecDeque;

use anyhow::Result;

use super::order::Arrival;
use super::plan::{Follow, Plan};
use super::schedule::Schedule;
use super::stream::Trail;
use super::tally::Tally;
use crate::latency::Times;
use crate::payload::Payload;
use crate::sse::Block;

pub(super) struct Ledger {
    follow: Follow,
    payload: Option<usize>,
    greeting: Option<String>,
    ping: Option<String>,
    keeps_ids: bool,
    tally: Tally,
    latency: Times,
    /// Time between a stream's connect and its first event.
    connecting: Times,
    /// Distinct events received since the start.
    pub(super) received: u64,
    pub(super) settled: Settled,
    schedule: Schedule,
}

/// The events of series 0 that every stream has received.
#[derive(Default)]
pub(super) struct Settled {
    /// The last event that every stream has, with all before it.
    pub(super) frontier: u64,
    /// How many streams have each of the following events.
    counts: VecDeque<u64>,
}

impl Settled {
    /// A number that is far ahead is nobody's to wait for.
    const AHEAD_AT_MOST: usize = 1 << 20;

    fn count(&mut self, n: u64) {
        let Some(index) = n.checked_sub(self.frontier + 1).and_then(|ahead| usize::try_from(ahead).ok())
        else {
            return;
        };
        if index < Self::AHEAD_AT_MOST {
            if self.counts.len() <= index {
                self.counts.resize(index + 1, 0);
            }
            self.counts[index] += 1;
        }
    }

    /// Whether the frontier moves on, given so many open streams.
    pub(super) fn advance(&mut self, streams: u64) -> bool {
        let before = self.frontier;
        while self.counts.front().is_some_and(|&count| count >= streams) {
            self.counts.pop_front();
            self.frontier += 1;
        }
        self.frontier > before
    }
}

impl Ledger {
    pub(super) fn new(plan: &Plan) -> Result<Self> {
        Ok(Self {
            follow: plan.follow,
            payload: plan.payload,
            greeting: plan.greeting.clone(),
            ping: plan.ping.clone(),
            keeps_ids: plan.resumes,
            tally: Tally::default(),
            latency: Times::new()?,
            connecting: Times::new()?,
            received: 0,
            settled: Settled::default(),
            schedule: Schedule::default(),
        })
    }

    /// A block of the stream with this number, read at `now`.
    pub(super) fn record(&mut self, stream: usize, trail: &mut Trail, block: &Block<'_>, now: u64) {
        if self.keeps_ids
            && let Some(id) = block.id
        {
            trail.id.clear();
            trail.id.extend_from_slice(id);
        }
        if self.is_heartbeat(block) {
            trail.heartbeats += 1;
            self.tally.heartbeats += 1;
        } else if let Some(data) = block.data
            && !self.is_greeting(block.event, data)
        {
            // An event of ours has one line.
            let parsed = if block.has_more { None } else { Payload::parse(data) };
            match parsed {
                Some((payload, length)) => self.take(stream, trail, payload, length, now),
                None => self.foreign(),
            }
        }
    }

    fn is_heartbeat(&self, block: &Block<'_>) -> bool {
        match block.data {
            None => block.has_comment || block.event == b"ping",
            Some(data) => {
                block.event == b"ping" || self.ping.as_ref().is_some_and(|ping| data == ping.as_bytes())
            }
        }
    }

    fn is_greeting(&self, event: &[u8], data: &[u8]) -> bool {
        event == b"connection"
            || self.greeting.as_ref().is_some_and(|greeting| data.starts_with(greeting.as_bytes()))
    }

    fn take(&mut self, stream: usize, trail: &mut Trail, payload: Payload, length: usize, now: u64) {
        let is_whole = self.payload.is_none_or(|bytes| bytes == length);
        if !is_whole || payload.series != self.follow.series(stream) {
            self.tally.losses.damaged += 1;
            return;
        }
        let losses = &mut self.tally.losses;
        if self.follow == Follow::One {
            if trail.order.is_unset() {
                losses.gaps += self.schedule.owed(trail.since, payload.n);
            }
            self.schedule.note(payload.n, payload.due);
        }
        match trail.order.arrive(payload.n) {
            Arrival::Next => {}
            Arrival::Ahead { skipped } => losses.gaps += skipped,
            Arrival::Late => {
                losses.gaps = losses.gaps.saturating_sub(1);
                losses.reorders += 1;
            }
            Arrival::Repeat => {
                losses.repeats += 1;
                return;
            }
        }
        self.received += 1;
        self.tally.received += 1;
        if self.follow == Follow::One {
            self.settled.count(payload.n);
        }
        if payload.due > 0 {
            self.tally.measured += 1;
            self.latency.record_nanos(now.saturating_sub(payload.due));
            self.tally.last_delivery = now;
        }
    }

    /// An event that no load tester published: damage where only ours can be.
    fn foreign(&mut self) {
        match self.payload {
            Some(_) => self.tally.losses.damaged += 1,
            None => self.tally.foreign += 1,
        }
    }

    /// From now on an event's data has so many bytes.
    pub(super) fn expect(&mut self, bytes: usize) {
        self.payload = Some(bytes);
    }

    /// `is_told`: the server said when to come again.
    pub(super) fn refused(&mut self, why: String, is_told: bool) {
        self.tally.losses.refused += 1;
        self.tally.failed += u64::from(!is_told);
        self.tally.losses.trouble.get_or_insert(why);
    }

    pub(super) fn closed(&mut self, why: String) {
        self.tally.losses.closed += 1;
        self.tally.losses.trouble.get_or_insert(why);
    }

    /// A stream has got its first event, so many nanoseconds after it began to connect.
    pub(super) fn opened(&mut self, after: u64) {
        self.connecting.record_nanos(after);
    }

    /// An attempt of a stream to come back by itself.
    pub(super) fn attempted(&mut self, now: u64) {
        self.tally.attempts.note(now);
    }

    /// `returned`: it came back by itself, at that time.
    pub(super) fn reopened(&mut self, returned: Option<u64>) {
        self.tally.reopened += 1;
        if let Some(now) = returned {
            self.tally.returns.note(now);
        }
    }

    /// What came since the last mark; `least_heartbeats` is the caller's to know.
    pub(super) fn mark(&mut self, least_heartbeats: Option<u32>) -> Result<Tally> {
        let latency = std::mem::replace(&mut self.latency, Times::new()?).buckets();
        let connecting = std::mem::replace(&mut self.connecting, Times::new()?).buckets();
        Ok(Tally { latency, connecting, least_heartbeats, ..std::mem::take(&mut self.tally) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::order::Order;

    /// Heartbeats, ours, damaged.
    fn recorded(plan: &Plan, blocks: &[Block<'_>]) -> (u64, u64, u64) {
        let (mut ledger, mut trail) = (Ledger::new(plan).unwrap(), Trail::new(Order::new()));
        blocks.iter().for_each(|block| ledger.record(0, &mut trail, block, 1));
        let tally = ledger.mark(None).unwrap();
        (tally.heartbeats, tally.received, tally.losses.damaged)
    }

    #[test]
    fn what_a_server_says_of_its_own_is_no_damage() {
        let mut plan = Plan::sample(1);
        plan.payload = Some(64);
        let ours = Payload { series: 0, n: 1, due: 0 }.text(64);
        let block = |data: &'static str| Block { data: Some(data.as_bytes()), ..Block::default() };
        let own = [
            Block { event: b"connection", ..block("{}") },
            Block { event: b"ping", ..block("{}") },
            Block { has_comment: true, ..Block::default() },
        ];
        assert_eq!(recorded(&plan, &own), (2, 0, 0));
        let other = [block("{\"connect\":{}}"), block("{}"), block("other")];
        assert_eq!(recorded(&plan, &other), (0, 0, 3));
        (plan.greeting, plan.ping) = (Some("{\"connect\":".to_owned()), Some("{}".to_owned()));
        assert_eq!(recorded(&plan, &other), (1, 0, 1));
        let mine = Block { data: Some(ours.as_bytes()), ..Block::default() };
        assert_eq!(recorded(&plan, &[mine]), (0, 1, 0));
        // A line that was not published.
        assert_eq!(recorded(&plan, &[Block { has_more: true, ..mine }]), (0, 0, 1));
    }

    #[test]
    fn the_frontier_waits_for_the_last_stream() {
        let mut settled = Settled::default();
        settled.count(1);
        settled.count(2);
        assert!(!settled.advance(2));
        settled.count(1);
        assert!(settled.advance(2));
        assert_eq!(settled.frontier, 1);
        // The other stream skips 2: the frontier stays, and what comes late or far ahead does no harm.
        settled.count(3);
        settled.count(3);
        settled.count(1);
        settled.count(u64::MAX);
        assert!(!settled.advance(2));
        // One of the streams has ended.
        assert!(settled.advance(1));
        assert_eq!(settled.frontier, 3);
    }
}
