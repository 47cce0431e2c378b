//! A server, a swarm on it and a publisher: the steps that scenarios consist of, each measured.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::access::Access;
use super::audience::{Audience, Routing};
use super::course::{Course, Measured};
use super::server::Server;
use crate::cli::RunOptions;
use crate::clock;
use crate::figure::ratio;
use crate::latency::Buckets;
use crate::peer::{Peer, Route};
use crate::publish::{Numbers, Pace};
use crate::result::Losses;
use crate::stop::Stop;
use crate::swarm::{BACKOFF_AT_MOST, Command, Follow, Plan, Swarm, Tally};
use crate::usage::{self, Cpu};

pub(super) struct Stage<'a> {
    pub(super) peer: &'a Peer,
    pub(super) options: &'a RunOptions,
    pub(super) arguments: &'a [String],
    pub(super) payload: usize,
    pub(super) stop: &'a Stop,
    pub(super) server: Server,
    /// The keys of a server that is started with keys.
    pub(super) access: Option<&'a Access>,
    /// Tokens of the next streams to open.
    pub(super) tokens: Vec<String>,
    pub(super) swarm: Option<Swarm>,
    pub(super) route: Option<Route>,
    pub(super) numbers: Numbers,
    pub(super) tally: Tally,
    /// Missing events that no later event shows.
    missing: u64,
    /// Events that streams which are closed for good should have received, and how many of those streams never opened.
    closed_expected: u64,
    pub(super) closed_unopened: u64,
    /// Streams reconnect by themselves; `closings` counts those that the scenario has closed.
    pub(super) is_restarted: bool,
    pub(super) closings: u64,
    pub(super) figures: BTreeMap<String, f64>,
    pub(super) latency: Option<Buckets>,
    /// The event that all streams are to reach, and when they did.
    pub(super) watched: u64,
    pub(super) reached: Option<u64>,
    /// Memory before the first stream, in bytes.
    memory_before: u64,
    kernel_before: u64,
    /// Memory of the server and of the kernel when a step began, in bytes.
    growth_from: (u64, u64),
}

/// The requirements of a scenario.
pub(super) struct Setting<'a> {
    /// Arguments of the server, after those of its file.
    pub(super) arguments: &'a [String],
    /// Bytes of an event's data.
    pub(super) payload: usize,
    /// The server is restarted while streams are open, and they reconnect by themselves.
    pub(super) is_restarted: bool,
    pub(super) access: Option<&'a Access>,
    /// The server's descriptor limit.
    pub(super) descriptors: Option<u64>,
}

impl<'a> Stage<'a> {
    /// Starts the server.
    pub(super) fn new(
        peer: &'a Peer,
        options: &'a RunOptions,
        setting: &Setting<'a>,
        stop: &'a Stop,
    ) -> Result<Self> {
        let &Setting { arguments, payload, is_restarted, access, descriptors } = setting;
        let hands_over = is_restarted && !peer.activated.is_empty();
        let server = Server::start(peer, arguments, hands_over, descriptors, stop)?;
        let memory_before = usage::pss(&server.pids())?;
        Ok(Self {
            peer,
            options,
            arguments,
            payload,
            stop,
            server,
            access,
            tokens: Vec::new(),
            swarm: None,
            route: Some(peer.all.clone()),
            numbers: Numbers::new(1),
            tally: Tally::default(),
            missing: 0,
            closed_expected: 0,
            closed_unopened: 0,
            is_restarted,
            closings: 0,
            figures: BTreeMap::new(),
            latency: None,
            watched: u64::MAX,
            reached: None,
            memory_before,
            kernel_before: usage::kernel_memory()?,
            growth_from: (0, 0),
        })
    }

    pub(super) fn set(&mut self, key: &str, value: f64) {
        self.figures.insert(key.to_owned(), value);
    }

    pub(super) fn cpu(&self) -> Result<Option<Cpu>> {
        let pids = self.server.pids();
        if pids.is_empty() { Ok(None) } else { Cpu::of(&pids).map(Some) }
    }

    pub(super) fn cpu_since(&self, before: Option<Cpu>) -> Result<Option<Duration>> {
        Ok(self.cpu()?.zip(before).map(|(now, before)| now.since(&before)))
    }

    /// CPU time of this process and those of the swarm.
    pub(super) fn client_cpu(&self) -> Result<Cpu> {
        let servers = self.server.pids();
        let own = usage::family(std::process::id());
        Cpu::of(&own.into_iter().filter(|pid| !servers.contains(pid)).collect::<Vec<_>>())
    }

    /// Takes the memory of the server and of the kernel that growth is measured from.
    pub(super) fn begin_growth(&mut self) -> Result<()> {
        self.growth_from = (usage::pss(&self.server.pids())?, usage::kernel_memory()?);
        Ok(())
    }

    pub(super) fn set_growth(&mut self, of_server: &str, of_kernel: &str) -> Result<()> {
        let (server, kernel) = self.growth_from;
        self.set(of_kernel, usage::kernel_memory()? as f64 - kernel as f64);
        let pids = self.server.pids();
        if !pids.is_empty() {
            self.set(of_server, usage::pss(&pids)? as f64 - server as f64);
        }
        Ok(())
    }

    /// Opens the streams, and measures it.
    pub(super) fn open(&mut self, audience: Audience, streams: usize) -> Result<()> {
        let plan = self.plan(audience, streams)?;
        self.numbers = Numbers::new(plan.follow.count(streams));
        let (before, began) = (self.cpu()?, clock::nanos());
        let swarm = Swarm::start(plan)?;
        swarm.wait_open(self.stop, self.options.patience)?;
        let seconds = clock::seconds(clock::nanos() - began);
        let cpu = self.cpu_since(before)?;
        let opened = swarm.progress().view().opened;
        self.swarm = Some(swarm);
        self.set("connects_per_second", ratio(opened as f64, seconds));
        self.set_each("connect_cpu_us", cpu, opened);
        self.rest();
        let kernel = usage::kernel_memory()?.saturating_sub(self.kernel_before);
        self.set("kernel_bytes", ratio(kernel as f64, opened as f64));
        self.set_memory("stream_bytes")
    }

    /// How the streams are opened. Later steps publish to the same audience.
    pub(super) fn plan(&mut self, audience: Audience, streams: usize) -> Result<Plan> {
        let Routing { stream, route, follow } = audience.routing(self.peer)?;
        self.route = route.cloned();
        let address = self.server.address;
        let accept = "Accept: text/event-stream".to_owned();
        Ok(Plan {
            address,
            host: address.to_string(),
            target: stream.source().to_owned(),
            headers: [vec![accept], self.peer.stream_headers.clone()].concat(),
            tokens: std::mem::take(&mut self.tokens),
            streams: 0..streams,
            follow,
            payload: Some(self.payload),
            greeting: self.peer.greeting.clone(),
            ping: self.peer.ping.clone(),
            threads: self.options.threads,
            sources: Plan::sources(address, streams, None),
            connecting: self.options.connecting,
            ramp: None,
            is_first: true,
            resumes: self.peer.resumes,
            reopens: self.is_restarted,
        })
    }

    /// Sets the bytes of data of the following events.
    pub(super) fn set_payload(&mut self, bytes: usize) -> Result<()> {
        self.payload = bytes;
        let Some(swarm) = &mut self.swarm else { return Ok(()) };
        swarm.send(Command::Payload { bytes })
    }

    /// Waits until no stream receives anything, so that memory is at rest.
    pub(super) fn rest(&self) {
        if let Some(swarm) = &self.swarm {
            swarm.progress().wait_quiet(self.stop);
        }
    }

    /// Sets the server's memory per stream at this moment.
    pub(super) fn set_memory(&mut self, key: &str) -> Result<()> {
        if self.server.pids().is_empty() {
            return Ok(());
        }
        let opened = self.swarm.as_ref().map_or(0, |swarm| swarm.progress().view().opened);
        let growth = usage::pss(&self.server.pids())? as f64 - self.memory_before as f64;
        self.set(key, ratio(growth, opened as f64));
        Ok(())
    }

    /// Publishes, waits until every stream has everything, and returns the measurements.
    pub(super) fn publish(&mut self, course: Course) -> Result<Measured> {
        self.measure(course, |stage| stage.wait_received())
    }

    /// The same while `stalled` streams do not read.
    pub(super) fn publish_stalled(&mut self, course: Course, stalled: u64) -> Result<Measured> {
        let unread = stalled * course.events;
        self.measure(course, |stage| stage.wait_at_least(stage.expected().saturating_sub(unread)))
    }

    /// The same while `per_second` streams close and open again, so that the number of deliveries is unknown. Waits until all
    /// are open again.
    pub(super) fn publish_changing(&mut self, course: Course, per_second: f64) -> Result<Measured> {
        let began = clock::nanos();
        let mut ended = began;
        self.command(Command::Churn { per_second })?;
        let measured = self.measure(course, |stage| {
            stage.command(Command::Churn { per_second: 0.0 })?;
            ended = clock::nanos();
            // Workers report in order: after this they have taken the command.
            stage.rest();
            stage.wait_open()
        })?;
        let reopened = measured.tally.reopened as f64;
        self.set("reconnects_per_second", ratio(reopened, clock::seconds(ended - began)));
        self.check_last()?;
        Ok(measured)
    }

    /// Publishes one more event to every stream, which shows earlier losses and streams that no longer receive anything.
    fn check_last(&mut self) -> Result<()> {
        let all = self.swarm.as_ref().map_or(0, |swarm| swarm.progress().view().opened);
        let so_far = self.swarm.as_ref().map_or(0, |swarm| swarm.progress().view().received);
        let last = Course { is_measured: false, ..Course::measured(Pace::Acknowledged, 1) };
        let measured = self.measure(last, |stage| stage.wait_at_least(so_far + all))?;
        self.missing += all.saturating_sub(measured.tally.received);
        Ok(())
    }

    pub(super) fn wait_open(&self) -> Result<()> {
        let Some(swarm) = &self.swarm else { return Ok(()) };
        swarm.wait_open(self.stop, self.options.patience)?;
        Ok(())
    }

    /// Publishes while no stream is open.
    pub(super) fn publish_unheard(&mut self, course: Course) -> Result<Measured> {
        self.measure(course, |_| Ok(()))
    }

    /// Events that the streams should have received by now, each once.
    pub(super) fn expected(&self) -> u64 {
        let Some(swarm) = &self.swarm else { return 0 };
        let plan = swarm.plan();
        let last = |stream| self.numbers.last(plan.follow.series(stream));
        let all: u64 = plan.streams.clone().map(last).sum();
        // A refused stream counts as one loss, not as the loss of all its events. Only the workers know which streams were
        // refused; if all follow one series it does not matter.
        let unopened = swarm.progress().view().unopened(plan.streams.len());
        let lost = if plan.follow == Follow::One { unopened * self.numbers.last(0) } else { 0 };
        all - lost
    }

    /// Waits until every stream has everything, or nothing has arrived for `patience`.
    pub(super) fn wait_received(&self) -> Result<()> {
        self.wait_at_least(self.expected())
    }

    pub(super) fn wait_at_least(&self, received: u64) -> Result<()> {
        let Some(swarm) = &self.swarm else { return Ok(()) };
        swarm.progress().wait(self.stop, self.options.patience, |view| view.received >= received)?;
        Ok(())
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.reason().is_some()
    }

    /// Starts to watch for the moment at which every stream has what has been published so far.
    pub(super) fn watch(&mut self) {
        (self.watched, self.reached) = (self.numbers.last(0), None);
    }

    /// The moment of `watch`, in nanoseconds.
    pub(super) fn reached(&self) -> Option<u64> {
        self.reached
    }

    pub(super) fn command(&mut self, command: Command) -> Result<()> {
        self.swarm.as_mut().context("no streams are open")?.send(command)
    }

    /// Closes every stream, and waits until that has happened.
    pub(super) fn disconnect(&mut self) -> Result<()> {
        self.command(Command::Disconnect)?;
        let Some(swarm) = &self.swarm else { return Ok(()) };
        let is_done = swarm.progress().wait(self.stop, self.options.patience, |view| view.opened == 0)?;
        ensure!(is_done || self.stop.reason().is_some(), "the streams do not close");
        Ok(())
    }

    /// Waits until all streams that the scenario has closed are open again.
    pub(super) fn wait_returned(&self) -> Result<()> {
        let Some(swarm) = &self.swarm else { return Ok(()) };
        let (streams, patience) =
            (swarm.plan().streams.len() as u64, self.options.patience + BACKOFF_AT_MOST);
        swarm
            .progress()
            .wait(self.stop, patience, |view| view.closings >= self.closings && view.opened >= streams)?;
        Ok(())
    }

    /// Waits for `time`, or until the run is to stop.
    pub(super) fn wait_for(&self, time: Duration) -> Result<()> {
        let stop = self.stop;
        if let Some(swarm) = &self.swarm {
            let until = clock::now() + time;
            swarm.progress().wait(stop, time, |_| clock::now() >= until)?;
        }
        Ok(())
    }

    /// CPU time of the server during `step`.
    pub(super) fn cpu_of(&mut self, step: impl FnOnce(&mut Self) -> Result<()>) -> Result<Option<Duration>> {
        let before = self.cpu()?;
        step(self)?;
        self.cpu_since(before)
    }

    /// The tally of the streams since the last mark.
    pub(super) fn mark(&mut self) -> Result<Tally> {
        let swarm = self.swarm.as_mut().context("no streams are open")?;
        let tally = swarm.mark()?;
        self.tally.add(&tally)?;
        Ok(tally)
    }

    /// Ends the streams for good, and keeps how many events they should have received.
    pub(super) fn close(&mut self) -> Result<()> {
        // If there is more than one swarm, each must receive everything from its own first event on.
        self.closed_expected += self.expected();
        if let Some(swarm) = self.swarm.take() {
            self.closed_unopened += swarm.progress().view().unopened(swarm.plan().streams.len());
            self.tally.add(&swarm.finish()?)?;
        }
        Ok(())
    }

    /// Ends the streams, and returns the results. `is_whole`: each stream must have received everything.
    pub(super) fn finish(
        mut self,
        is_whole: bool,
    ) -> Result<(BTreeMap<String, f64>, Option<Buckets>, Losses)> {
        self.close()?;
        let mut losses = self.tally.losses;
        losses.missing = match is_whole {
            true => self.closed_expected.saturating_sub(self.tally.received),
            false => losses.gaps + self.missing,
        };
        if self.is_restarted {
            // Refused and closed streams reconnect.
            losses.refused = 0;
            losses.closed = losses.closed.saturating_sub(self.closings);
            if losses.total() == 0 {
                losses.trouble = None;
            }
        }
        // A run may be stopped before all streams are open.
        if self.stop.reason().is_none() {
            losses.add_unopened(self.closed_unopened);
        }
        Ok((self.figures, self.latency, losses))
    }
}
