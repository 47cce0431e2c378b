//! Opens many streams on a server, reads them, and checks each event.
//!
//! A swarm has workers: threads with their own streams and their own epoll. If there are more streams than one process
//! may have descriptors, several processes hold them, whose workers report in lines of JSON.

mod backoff;
mod command;
mod ledger;
mod link;
mod message;
mod moments;
mod order;
mod pace;
mod plan;
mod progress;
mod schedule;
mod stream;
mod tally;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::stop::Stop;
pub(crate) use backoff::AT_MOST as BACKOFF_AT_MOST;
pub(crate) use command::command;
pub(crate) use link::serve_workers;
use link::{Link, ProcessLink, ThreadLink};
pub(crate) use message::Command;
pub(crate) use plan::{Follow, Plan};
pub(crate) use progress::Progress;
pub(crate) use tally::Tally;

/// Descriptors that a process needs besides those of its streams.
const SPARE_DESCRIPTORS: u64 = 200;
/// Time within which even a busy worker answers.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

pub(crate) struct Swarm {
    plan: Plan,
    workers: usize,
    links: Vec<Link>,
    progress: Arc<Progress>,
}

impl Swarm {
    /// Starts to open the streams.
    pub(crate) fn start(plan: Plan) -> Result<Self> {
        let streams = plan.streams.len();
        ensure!(streams > 0 && plan.threads > 0, "a swarm has at least one stream and one thread");
        let limit =
            usize::try_from(rlimit::increase_nofile_limit(u64::MAX)?.saturating_sub(SPARE_DESCRIPTORS))?;
        ensure!(limit > 0, "the descriptor limit of this process is too low for any stream");
        let processes = streams.div_ceil(limit);
        let plan = Plan { threads: plan.threads.min(streams), ..plan };
        let workers = if processes == 1 { plan.threads } else { plan.threads * processes };
        let progress = Arc::new(Progress::new(workers));
        let mut links = Vec::new();
        if processes == 1 {
            for worker in 0..plan.threads {
                let progress = progress.clone();
                let sink = Box::new(move |report| progress.take(worker, report));
                links.push(Link::Thread(ThreadLink::start(plan.part(worker, plan.threads), worker, sink)?));
            }
        } else {
            for process in 0..processes {
                let part = plan.part(process, processes);
                links.push(Link::Process(ProcessLink::start(
                    &part,
                    process * plan.threads,
                    progress.clone(),
                )?));
            }
        }
        Ok(Self { plan, workers, links, progress })
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(crate) fn send(&mut self, command: Command) -> Result<()> {
        let command = match command {
            // Each worker does its share.
            Command::Churn { per_second } => Command::Churn { per_second: per_second / self.workers as f64 },
            command => command,
        };
        self.links.iter_mut().try_for_each(|link| link.send(command))
    }

    /// Waits until every stream has received its first event or has failed.
    pub(crate) fn wait_open(&self, stop: &Stop, patience: Duration) -> Result<bool> {
        let streams = self.plan.streams.len();
        self.progress.wait(stop, patience, |view| view.unopened(streams) <= view.refused)
    }

    /// The tally since the last mark.
    pub(crate) fn mark(&mut self) -> Result<Tally> {
        self.send(Command::Mark)?;
        self.progress.wait_marked(ANSWER_WITHIN)
    }

    /// Ends all streams, and returns the tally since the last mark.
    pub(crate) fn finish(mut self) -> Result<Tally> {
        self.send(Command::Finish)?;
        self.progress.wait_marked(ANSWER_WITHIN)
    }
}
