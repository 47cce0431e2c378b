//! The phases of a load: connect, rest, first events, rest, measured events.

use std::process;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::board::{Board, News, next_news};
use super::feed::Feed;
use super::plan::{Pace, Plan};
use super::report::{Connect, Delivery, Latency, Load, Losses, Memory, Report};
use super::tally::Tally;
use crate::clock;
use crate::machine::Machine;
use crate::stop::Stop;
use crate::usage::{Cpu, pss};

pub(super) struct Conductor<'a> {
    pub(super) plan: &'a Plan,
    pub(super) board: &'a Board,
    pub(super) news: Receiver<News>,
    pub(super) stop: &'a Stop,
}

/// One look at the clock, at the server and at this process.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    at: Instant,
    /// `None` without `--pid`.
    server: Option<(Cpu, u64)>,
    client: Cpu,
}

/// What the conductor saw on the way.
pub(super) struct Course {
    before: Reading,
    connected: Reading,
    idle: Reading,
    /// After the warm-up; the measured events begin.
    warm: Reading,
    done: Reading,
    first_due: Instant,
    published: u64,
    busy: u64,
    stopped: Option<&'static str>,
}

impl Conductor<'_> {
    pub(super) fn read(&self) -> Result<Reading> {
        let server = match self.plan.pid {
            Some(pid) => Some((Cpu::of(pid)?, pss(pid)?)),
            None => None,
        };
        Ok(Reading { at: clock::now(), server, client: Cpu::of(process::id())? })
    }

    /// The client threads are running.
    pub(super) fn conduct(&self, before: Reading) -> Result<Course> {
        let has_opened = self.wait_opened();
        let connected = self.read()?;
        let mut course = Course {
            before,
            connected,
            idle: connected,
            warm: connected,
            done: connected,
            first_due: connected.at,
            published: 0,
            busy: 0,
            stopped: None,
        };
        if has_opened {
            self.publish(&mut course)?;
        }
        course.stopped = self.stop.reason().or((!has_opened).then_some("streams did not open"));
        Ok(course)
    }

    /// Whether all streams are open or refused, and any is open.
    fn wait_opened(&self) -> bool {
        let (mut threads, mut streams) = (0, 0);
        while threads < self.plan.threads {
            match next_news(&self.news, self.board, self.stop, self.plan.patience) {
                Some(News::Opened(open)) => {
                    threads += 1;
                    streams += open;
                }
                Some(News::Settled(_)) => {}
                None => return false,
            }
        }
        streams > 0
    }

    fn publish(&self, course: &mut Course) -> Result<()> {
        self.board.wait_quiet(self.stop);
        course.idle = self.read()?;
        let mut feed = Feed::new(self.plan, self.board, &self.news, self.stop)?;
        let warm_up = self.plan.warm_up as u64;
        if warm_up > 0 {
            feed.run(1..=warm_up, Pace::InFlight(1))?;
            self.board.wait_quiet(self.stop);
        }
        course.warm = self.read()?;
        course.first_due = feed.run(warm_up + 1..=self.plan.last(), self.plan.pace)?;
        course.done = self.read()?;
        course.published = feed.published;
        course.busy = feed.busy;
        Ok(())
    }
}

impl Reading {
    fn cpu_since(&self, before: &Self) -> Option<Duration> {
        Some(self.server?.0.since(&before.server?.0))
    }

    fn pss(&self) -> Option<u64> {
        Some(self.server?.1)
    }
}

impl Course {
    pub(super) fn report(&self, plan: &Plan, tally: &Tally) -> Report {
        let last = tally.last_delivery.unwrap_or(self.first_due);
        let connecting = self.connected.at - self.before.at;
        Report {
            machine: Machine::this(),
            load: Load::new(plan),
            stopped: self.stopped,
            connect: Connect::new(tally.opened, connecting, self.connected.cpu_since(&self.before)),
            memory: self.memory(tally.opened),
            delivery: Delivery::new(
                tally.measured,
                last.saturating_duration_since(self.first_due),
                self.done.cpu_since(&self.warm),
                self.done.client.since(&self.warm.client),
                self.busy,
            ),
            latency: Latency::new(&tally.latency),
            losses: Losses::new(tally, self.published),
        }
    }

    fn memory(&self, streams: u64) -> Option<Memory> {
        Some(Memory::new(self.before.pss()?, self.idle.pss()?, self.warm.pss()?, streams))
    }
}
