//! Many streams on a server: opened, read, and each event checked.
//!
//! A swarm has crews, each a thread with streams and an epoll of its own. More streams than one process may have
//! descriptors are held by several processes, whose crews report by lines of JSON; nothing else differs.

mod backoff;
mod board;
mod command;
mod crew;
mod dues;
mod ledger;
mod link;
mod message;
mod moments;
mod order;
mod pace;
mod plan;
mod stream;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::stop::Stop;
pub(crate) use backoff::AT_MOST as BACKOFF_AT_MOST;
pub(crate) use board::Board;
pub(crate) use command::command;
pub(crate) use link::serve_crews;
use link::{Link, ProcessLink, ThreadLink};
pub(crate) use message::Command;
pub(crate) use plan::{Follow, Plan};
pub(crate) use tally::Tally;

/// Descriptors that a process needs beside its streams'.
const SPARE_DESCRIPTORS: u64 = 200;
/// Within this a crew answers, however busy.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

pub(crate) struct Swarm {
    plan: Plan,
    crews: usize,
    links: Vec<Link>,
    board: Arc<Board>,
}

impl Swarm {
    /// Begins to open the streams.
    pub(crate) fn start(plan: Plan) -> Result<Self> {
        let streams = plan.streams.len();
        ensure!(streams > 0 && plan.threads > 0, "a swarm has at least one stream and one thread");
        let limit =
            usize::try_from(rlimit::increase_nofile_limit(u64::MAX)?.saturating_sub(SPARE_DESCRIPTORS))?;
        ensure!(limit > 0, "the descriptor limit of this process is too low for any stream");
        let processes = streams.div_ceil(limit);
        let plan = Plan { threads: plan.threads.min(streams), ..plan };
        let crews = if processes == 1 { plan.threads } else { plan.threads * processes };
        let board = Arc::new(Board::new(crews));
        let mut links = Vec::new();
        if processes == 1 {
            for crew in 0..plan.threads {
                let board = board.clone();
                let sink = Box::new(move |report| board.take(crew, report));
                links.push(Link::Thread(ThreadLink::start(plan.part(crew, plan.threads), crew, sink)?));
            }
        } else {
            for process in 0..processes {
                let part = plan.part(process, processes);
                links.push(Link::Process(ProcessLink::start(&part, process * plan.threads, board.clone())?));
            }
        }
        Ok(Self { plan, crews, links, board })
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    pub(crate) fn send(&mut self, command: Command) -> Result<()> {
        let command = match command {
            // Each crew does its part.
            Command::Churn { per_second } => Command::Churn { per_second: per_second / self.crews as f64 },
            command => command,
        };
        self.links.iter_mut().try_for_each(|link| link.send(command))
    }

    /// Waits until every stream has its first event, or never will.
    pub(crate) fn wait_open(&self, stop: &Stop, patience: Duration) -> Result<bool> {
        let streams = self.plan.streams.len();
        self.board.wait(stop, patience, |view| view.unopened(streams) <= view.refused)
    }

    /// What came since the last mark.
    pub(crate) fn mark(&mut self) -> Result<Tally> {
        self.send(Command::Mark)?;
        self.board.wait_marked(ANSWER_WITHIN)
    }

    /// What came since the last mark, and the end of all streams.
    pub(crate) fn finish(mut self) -> Result<Tally> {
        self.send(Command::Finish)?;
        self.board.wait_marked(ANSWER_WITHIN)
    }
}
