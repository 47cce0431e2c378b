//! Threads, sockets and clocks: everything in the engine that makes system calls.
//!
//! # Threads
//!
//! - `fanfare-loop-N`: one event loop each. It accepts connections, reads request heads, and holds the streams that it
//!   has opened for as long as they live.
//! - `fanfare-control`: every request that is not a stream. An event loop hands the connection over with the bytes read
//!   so far; one that turns out to be a stream is handed back.
//! - `fanfare-auth-N`: find out who requests are from where that takes long: by a signature, or the application's hook.
//! - `fanfare-hooks`: calls the application's connect and disconnect hooks, if there are any.
//!
//! Every loop polls every listener and accepts what it can; the control thread polls the listeners for publishers and
//! operators. A publication takes this path:
//! `Shared::publish → Journal::append → LoopInbox::send → Shard::apply → Outbox::push → write`. A loop without streams
//! is skipped: it learns the position of the journal when it opens one.

mod acceptor;
mod authentication;
mod clock;
mod control;
mod descriptors;
mod gather;
mod hooks;
mod inbox;
mod key_files;
mod listener;
mod message;
mod meters;
mod presence;
mod process;
mod random;
mod shared;
mod sockets;
mod statistics;
mod verdict;
mod worker;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::Poll;

pub(crate) use authentication::AuthenticationThreads;
pub(crate) use clock::Clock;
pub(crate) use descriptors::{raise_limit, streams_within};
pub(crate) use hooks::Hooks;
pub use key_files::KeyFileError;
pub(crate) use key_files::KeyFiles;
#[cfg(feature = "jwt")]
pub(crate) use key_files::TokenKeyFile;
pub(crate) use listener::{IpVersions, Listener, SocketOptions, bind, bind_loopback};
pub(crate) use meters::LinesDropped;
pub(crate) use presence::{Question, ask_and_wait};
pub(crate) use process::machine_memory;
pub(crate) use random::random;
pub(crate) use shared::Shared;
pub use statistics::{DiskStatistics, EngineStatistics, HistoryStatistics, LoopStatistics, Statistics};

use crate::access::{Access, RateLimit};
use crate::event::ClientKey;
use crate::journal::durable::Work;
use crate::journal::{Delivery, Journal};
use crate::shard::{Admission, Others, Settings, Shard, ShardSender, StreamLimits};
use authentication::Authentication;
use descriptors::Reserve;
use inbox::{InboxLimits, InboxLoad, LoopInbox, Receiver, inbox};
use message::{ControlMessage, LoopMessage};
use meters::Meters;
use presence::LocalPresence;
use sockets::Sockets;
use worker::Worker;

/// Publications, and their bytes, that may wait for one event loop before publishing is refused.
const INBOX: InboxLimits = InboxLimits { records: 65_536, bytes: 64 * 1024 * 1024 };
/// How long requests in progress may take at the end of a shutdown.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Longest deadline of a shutdown. A longer one is cut to this.
const LONGEST_SHUTDOWN: Duration = Duration::from_secs(24 * 60 * 60);
/// Maximum number of listeners of an engine.
pub(crate) const MAX_LISTENERS: usize = worker::MAX_LISTENERS;

/// Makes the journal of an engine, given the key of client ids and the way into the shards, and what its threads do.
pub(crate) type OpenJournal =
    Box<dyn FnOnce(ClientKey, Delivery) -> (Box<dyn Journal>, Vec<Work>) + Send + Sync>;

/// Everything that an engine is started with.
pub(crate) struct Setup {
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) journal: OpenJournal,
    pub(crate) streams: StreamLimits,
    /// Maximum number of connections from one address that are not streams.
    pub(crate) others_per_address: usize,
    pub(crate) sockets: SocketOptions,
    pub(crate) access: Access,
    pub(crate) authentication: AuthenticationThreads,
    /// Maximum number of requests from one address that wait for these threads.
    pub(crate) undecided: usize,
    pub(crate) hooks: Hooks,
    pub(crate) rates: RateLimit,
    pub(crate) listeners: Vec<Listener>,
    /// For publishers and operators.
    pub(crate) control_listeners: Vec<Listener>,
    pub(crate) loops: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) log_lines_dropped: Option<LinesDropped>,
    /// Bytes that the bodies of requests in progress may take together.
    pub(crate) max_bodies: usize,
}

/// A started engine.
pub(crate) struct Running {
    pub(crate) shared: Arc<Shared>,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) control_addresses: Vec<SocketAddr>,
    loops: Vec<JoinHandle<()>>,
    control: Option<JoinHandle<()>>,
    journal: Vec<JoinHandle<()>>,
    authentication: Vec<JoinHandle<()>>,
    hooks: Option<JoinHandle<()>>,
}

type LoopEnds = (Poll, Receiver<LoopMessage>, Arc<InboxLoad>);

/// Starts all threads.
pub(crate) fn start(setup: Setup) -> io::Result<Running> {
    let Setup { clock, settings, journal, streams, sockets, access, hooks, rates, .. } = setup;
    let Setup { listeners, control_listeners, loops, max_bodies, log_lines_dropped, .. } = setup;
    let Setup { body_timeout, idle_timeout, others_per_address, authentication, undecided, .. } = setup;
    for listener in listeners.iter().chain(&control_listeners) {
        listener::prepare(&listener.socket, sockets)?;
    }
    let addresses = |of: &[Listener]| of.iter().map(|l| l.socket.local_addr()).collect::<io::Result<_>>();
    let (addresses, control_addresses) = (addresses(&listeners)?, addresses(&control_listeners)?);
    let ends = (0..loops).map(|_| loop_ends()).collect::<io::Result<Vec<_>>>()?;
    let (inboxes, ends): (Vec<Arc<LoopInbox>>, Vec<LoopEnds>) = ends.into_iter().unzip();
    let control_poll = Poll::new()?;
    let (control_inbox, control_messages) = inbox(control::waker(&control_poll)?);
    let (journal, journal_work) = journal(settings.ids, delivery(&inboxes));
    let others = Others::new(others_per_address, settings.proxies.clone());
    let admission = Arc::new(Admission::new(streams).with_others(others));
    let shared = Arc::new(Shared {
        clock,
        settings: Arc::new(settings),
        presence: Box::new(LocalPresence(admission.user_streams().clone())),
        admission,
        journal,
        loops: inboxes,
        control: control_inbox,
        reserve: Reserve::new(),
        // The loops, and the control thread.
        sockets: Sockets::new(loops + 1),
        access,
        authentication: Authentication::new(authentication.count(), undecided),
        max_connections: streams.total,
        shutdown_ms: OnceLock::new(),
        meters: Meters::new(clock.now().unix_ms, log_lines_dropped),
        body_timeout,
        idle_timeout,
        bodies: control::BodyTotal::new(max_bodies),
    });
    let (connection_events, hooks) = start_hooks(hooks)?;
    let mut running = Running {
        shared: shared.clone(),
        addresses,
        control_addresses,
        loops: Vec::new(),
        control: None,
        journal: Vec::new(),
        authentication: Vec::new(),
        hooks,
    };
    let (mut workers, newest) = (Vec::new(), shared.journal.newest());
    for (number, (poll, messages, load)) in ends.into_iter().enumerate() {
        let shard = Shard::new(number as u16, shared.settings.clone(), shared.admission.clone(), newest)
            .with_judge(shared.clone());
        let own = listeners.iter().map(Listener::try_clone).collect::<io::Result<_>>()?;
        let inbox = (messages, load);
        workers.push(Worker::new(
            number,
            poll,
            shard,
            own,
            inbox,
            shared.clone(),
            connection_events.clone(),
        )?);
    }
    let has_control_listeners = !control_listeners.is_empty();
    let control =
        control::Control::new(control_poll, control_messages, control_listeners, rates, shared.clone())?;
    shared.sockets.measure(has_control_listeners);
    // From here on, a failure must end the threads that have started.
    if let Err(error) = running.launch(workers, control, authentication, journal_work) {
        running.shut_down(Duration::ZERO, Duration::ZERO);
        return Err(error);
    }
    Ok(running)
}

fn delivery(inboxes: &[Arc<LoopInbox>]) -> Delivery {
    Delivery::new(inboxes.iter().map(|inbox| inbox.clone() as Arc<dyn ShardSender>).collect())
}

fn loop_ends() -> io::Result<(Arc<LoopInbox>, LoopEnds)> {
    let poll = Poll::new()?;
    let waker = mio::Waker::new(poll.registry(), worker::WAKER)?;
    let (inbox, messages) = inbox(waker);
    let load = Arc::new(InboxLoad::new(INBOX));
    Ok((Arc::new(LoopInbox::new(inbox, load.clone())), (poll, messages, load)))
}

type HooksThread = (Option<crossbeam_channel::Sender<hooks::ConnectionEvent>>, Option<JoinHandle<()>>);

fn start_hooks(hooks: Hooks) -> io::Result<HooksThread> {
    if hooks.is_empty() {
        return Ok((None, None));
    }
    // Unbounded: an event loop must not wait for the application, and no event may be lost.
    let (sender, connection_events) = crossbeam_channel::unbounded();
    let handle = spawn("fanfare-hooks".to_owned(), move || hooks.run(&connection_events))?;
    Ok((Some(sender), Some(handle)))
}

/// Starts a thread. If it panics, the process ends and names it: an engine that lost a loop cannot serve its streams,
/// and whoever restarts it must know why.
fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.clone()).spawn(move || {
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            tracing::error!(thread = %name, "a thread of the engine panicked; the process ends");
            say(format!("fanfare: thread {name} panicked; the process ends"));
            std::process::exit(101);
        }
    })
}

/// Writes to standard error, without waiting long if nobody reads it.
fn say(text: String) {
    let (done, said) = crossbeam_channel::bounded(1);
    let say = move || {
        // Not with eprintln!, which panics where nobody reads.
        let _ = writeln!(io::stderr(), "{text}");
        let _ = done.send(());
    };
    if thread::Builder::new().spawn(say).is_ok() {
        let _ = said.recv_timeout(LAST_WORDS);
    }
}

impl Running {
    fn wait_until(&self, at_ms: u64, is_over: impl Fn(&Self) -> bool) {
        loop {
            let left_ms = at_ms.saturating_sub(self.shared.clock.now().elapsed_ms);
            if left_ms == 0 || is_over(self) {
                return;
            }
            thread::park_timeout(Duration::from_millis(left_ms.min(5)));
        }
    }

    fn launch(
        &mut self,
        workers: Vec<Worker>,
        control: control::Control,
        authentication: AuthenticationThreads,
        journal: Vec<Work>,
    ) -> io::Result<()> {
        for work in journal {
            let (name, clock) = (format!("fanfare-{}", work.name), self.shared.clock);
            self.journal.push(spawn(name, move || work.run(Arc::new(clock)))?);
        }
        for number in 0..authentication.count() {
            let shared = self.shared.clone();
            let run = move || authentication.run(&shared);
            self.authentication.push(spawn(format!("fanfare-auth-{number}"), run)?);
        }
        for (number, worker) in workers.into_iter().enumerate() {
            self.loops.push(spawn(format!("fanfare-loop-{number}"), move || worker.run())?);
        }
        self.control = Some(spawn("fanfare-control".to_owned(), move || control.run())?);
        Ok(())
    }

    /// Reports not ready until `delay` after the shutdown began, then ends all streams, and finally everything: once
    /// the last stream is gone, or after `timeout`.
    pub(crate) fn shut_down(&mut self, delay: Duration, timeout: Duration) {
        let [delay_ms, timeout_ms] =
            [delay, timeout].map(|time| time.min(LONGEST_SHUTDOWN).as_millis() as u64);
        let drain_ms = self.shared.begin_shutdown() + delay_ms;
        self.wait_until(drain_ms, |_| false);
        self.shared.drain(timeout);
        let by_ms = self.shared.clock.now().elapsed_ms + timeout_ms;
        self.wait_until(by_ms, |running| running.loops.iter().all(JoinHandle::is_finished));
        for inbox in &self.shared.loops {
            inbox.send(LoopMessage::Stop);
        }
        // A thread that panicked has ended the process.
        self.loops.drain(..).for_each(|handle| drop(handle.join()));
        self.shared.control.send(ControlMessage::Stop(LAST_WORDS));
        // The control thread may need these threads to finish its requests.
        if let Some(control) = self.control.take() {
            let _ = control.join();
        }
        self.shared.journal.close();
        self.shared.authentication.close();
        let by_ms = self.shared.clock.now().elapsed_ms + LAST_WORDS.as_millis() as u64;
        let is_over = |running: &Self| {
            running.authentication.iter().chain(&running.journal).all(JoinHandle::is_finished)
        };
        self.wait_until(by_ms, is_over);
        // Do not wait for an application's hook that still blocks, or for a disk.
        self.authentication.clear();
        self.journal.clear();
        if let Some(hooks) = self.hooks.take() {
            let _ = hooks.join();
        }
    }
}
