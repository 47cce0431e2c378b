//! The connection to a worker's thread, or to a process with workers.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command as Process, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result};
use mio::Waker;

use super::message::{Command, Line, Report};
use super::plan::Plan;
use super::progress::Progress;
use super::worker::{Sink, Worker};

/// A worker thread of this process. It ends when this is dropped.
pub(super) struct ThreadLink {
    commands: Option<Sender<Command>>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl ThreadLink {
    pub(super) fn start(plan: Plan, number: usize, sink: Sink) -> Result<Self> {
        let (commands, inbox) = mpsc::channel();
        let (worker, waker) = Worker::new(plan, inbox, sink)?;
        let thread = thread::Builder::new().name(format!("worker-{number}")).spawn(move || worker.run())?;
        Ok(Self { commands: Some(commands), waker, thread: Some(thread) })
    }

    fn send(&self, command: Command) -> Result<()> {
        // A worker that has failed has reported it.
        let _ = self.commands.as_ref().map(|commands| commands.send(command));
        Ok(self.waker.wake()?)
    }
}

impl Drop for ThreadLink {
    fn drop(&mut self) {
        self.commands = None;
        let _ = self.waker.wake();
        // A panic in a worker has been printed by then.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A process with workers. It is killed when this is dropped.
pub(super) struct ProcessLink {
    child: Child,
    commands: ChildStdin,
    reader: Option<JoinHandle<()>>,
}

impl ProcessLink {
    /// Its workers are numbered from `first` on, one for each thread of the plan.
    pub(super) fn start(plan: &Plan, first: usize, progress: Arc<Progress>) -> Result<Self> {
        let mut process = Process::new(env::current_exe()?);
        // Ctrl-C must not reach it: it still has to report, and ends when its input does.
        process.arg("worker").process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = process.spawn().context("cannot start a process of the swarm")?;
        let mut commands = child.stdin.take().context("no standard input")?;
        let reports = BufReader::new(child.stdout.take().context("no standard output")?);
        writeln!(commands, "{}", serde_json::to_string(plan)?)?;
        let workers = first..first + plan.threads;
        let reader = thread::Builder::new().name("swarm-reports".to_owned()).spawn(move || {
            for line in reports.lines() {
                let taken = line.map_err(anyhow::Error::from).and_then(|line| {
                    let line: Line = serde_json::from_str(&line)?;
                    progress.take(first + line.worker, line.report)
                });
                if taken.is_err() {
                    break;
                }
            }
            progress.lost(workers);
        })?;
        Ok(Self { child, commands, reader: Some(reader) })
    }

    fn send(&mut self, command: Command) -> Result<()> {
        writeln!(self.commands, "{}", serde_json::to_string(&command)?)
            .context("a process of the swarm is gone")
    }
}

impl Drop for ProcessLink {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.reader.take().map(JoinHandle::join);
    }
}

pub(super) enum Link {
    Thread(ThreadLink),
    Process(ProcessLink),
}

impl Link {
    pub(super) fn send(&mut self, command: Command) -> Result<()> {
        match self {
            Self::Thread(link) => link.send(command),
            Self::Process(link) => link.send(command),
        }
    }
}

/// Runs a process with workers: reads a plan and commands as lines from standard input, writes reports as lines to
/// standard output, and ends with its input.
pub(crate) fn serve_workers() -> Result<()> {
    let mut lines = std::io::stdin().lines();
    let plan: Plan = serde_json::from_str(&lines.next().context("no plan")??)?;
    let output = Arc::new(Mutex::new(std::io::stdout()));
    let mut links = Vec::new();
    for worker in 0..plan.threads {
        let output = output.clone();
        let sink = Box::new(move |report: Report| {
            let line = serde_json::to_string(&Line { worker, report })?;
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            writeln!(output, "{line}")?;
            Ok(output.flush()?)
        });
        links.push(ThreadLink::start(plan.part(worker, plan.threads), worker, sink)?);
    }
    for line in lines {
        let command: Command = serde_json::from_str(&line?)?;
        for link in &links {
            link.send(command)?;
        }
    }
    Ok(())
}
