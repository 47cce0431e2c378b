//! The way to a crew's thread, or to a process with crews of its own.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command as Process, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result};
use mio::Waker;

use super::board::Board;
use super::crew::{Crew, Sink};
use super::message::{Command, Line, Report};
use super::plan::Plan;

/// A crew that is a thread of this process. Dropped, it ends.
pub(super) struct ThreadLink {
    commands: Option<Sender<Command>>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl ThreadLink {
    pub(super) fn start(plan: Plan, number: usize, sink: Sink) -> Result<Self> {
        let (commands, inbox) = mpsc::channel();
        let (crew, waker) = Crew::new(plan, inbox, sink)?;
        let thread = thread::Builder::new().name(format!("crew-{number}")).spawn(move || crew.run())?;
        Ok(Self { commands: Some(commands), waker, thread: Some(thread) })
    }

    fn send(&self, command: Command) -> Result<()> {
        // A crew that has failed has said so.
        let _ = self.commands.as_ref().map(|commands| commands.send(command));
        Ok(self.waker.wake()?)
    }
}

impl Drop for ThreadLink {
    fn drop(&mut self) {
        self.commands = None;
        let _ = self.waker.wake();
        // A panic in a crew has been printed by then.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A process with crews. Dropped, it is killed.
pub(super) struct ProcessLink {
    child: Child,
    commands: ChildStdin,
    reader: Option<JoinHandle<()>>,
}

impl ProcessLink {
    /// Its crews are those from `first` on, one for each thread of the plan.
    pub(super) fn start(plan: &Plan, first: usize, board: Arc<Board>) -> Result<Self> {
        let mut process = Process::new(env::current_exe()?);
        // A Ctrl-C in a terminal is not for it: it is asked for what it has, and ends with its input.
        process.arg("crew").process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = process.spawn().context("cannot start a process of the swarm")?;
        let mut commands = child.stdin.take().context("no standard input")?;
        let reports = BufReader::new(child.stdout.take().context("no standard output")?);
        writeln!(commands, "{}", serde_json::to_string(plan)?)?;
        let crews = first..first + plan.threads;
        let reader = thread::Builder::new().name("swarm-reports".to_owned()).spawn(move || {
            for line in reports.lines() {
                let taken = line.map_err(anyhow::Error::from).and_then(|line| {
                    let line: Line = serde_json::from_str(&line)?;
                    board.take(first + line.crew, line.report)
                });
                if taken.is_err() {
                    break;
                }
            }
            board.lost(crews);
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
        // It may have ended by itself; there is nobody left to tell.
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

/// The body of a process with crews: a plan and commands come as lines on standard input, reports go as lines to
/// standard output. Ends with its input.
pub(crate) fn serve_crews() -> Result<()> {
    let mut lines = std::io::stdin().lines();
    let plan: Plan = serde_json::from_str(&lines.next().context("no plan")??)?;
    let output = Arc::new(Mutex::new(std::io::stdout()));
    let mut links = Vec::new();
    for crew in 0..plan.threads {
        let output = output.clone();
        let sink = Box::new(move |report: Report| {
            let line = serde_json::to_string(&Line { crew, report })?;
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            writeln!(output, "{line}")?;
            Ok(output.flush()?)
        });
        links.push(ThreadLink::start(plan.part(crew, plan.threads), crew, sink)?);
    }
    for line in lines {
        let command: Command = serde_json::from_str(&line?)?;
        for link in &links {
            link.send(command)?;
        }
    }
    Ok(())
}
