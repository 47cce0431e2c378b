//! The threads that say who requests are from, where that takes long: signatures of tokens that nobody has verified
//! before, and the application's own hook, which may block.
//!
//! Event loops and the control thread judge what they can at once ([`Access::judge_at_once`]) and put the rest in here.
//! Each connection has one request waiting at most: its next one is not looked at before. The answer comes back as a
//! message, to where the connection is.
//!
//! A decision that another server is asked for would be one more kind of [`Job`] here.

mod queue;

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use super::message::{Asker, ControlMessage, LoopMessage};
use super::shared::Shared;
use crate::access::{Access, Identity};
use crate::api::{Problem, Scope, Subscription};
use crate::event::{Now, Refusal};
use crate::http::client_network;
use crate::http::{Head, KeptHead};
use crate::metrics::{Histogram, Label, Tally};
use crate::shard::{Command, Decision, Judge, StreamToken};
use queue::{Queue, QueueLimits};

/// So many times as many requests may wait as from one address.
const ADDRESSES: usize = 4;
/// Bytes of heads that may wait.
const BYTES: usize = 64 * 1024 * 1024;
/// One part in so many of the threads is left to others by an address, however much it asks for.
const LEFT_TO_OTHERS: usize = 4;
/// How much more willing than other threads these are to wait for a processor, between 0 and 19: a third of what others
/// get where all are busy. With forged tokens from 16 connections, the median of publishes is a tenth of what it is at 0.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// The threads that an engine has for it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AuthenticationThreads {
    /// None: nobody need be asked.
    None,
    /// So many, which call a hook and may block.
    Hook(usize),
    /// Those that verify signatures take a processor each, of which half are for others.
    Signatures,
}

impl AuthenticationThreads {
    pub(super) fn count(self) -> usize {
        match self {
            Self::None => 0,
            Self::Hook(count) => count,
            Self::Signatures => (thread::available_parallelism().map_or(1, usize::from) / 2).max(1),
        }
    }

    /// One of them, until the end.
    pub(super) fn run(self, shared: &Shared) {
        // They wait for a processor while event loops and the control thread need it. On Linux this is of the thread
        // that calls, and of no other.
        #[cfg(target_os = "linux")]
        if let Self::Signatures = self
            && let Err(error) = rustix::process::setpriority_process(None, NICE)
        {
            tracing::debug!(%error, "signatures are verified at the priority of all else");
        }
        run(shared);
    }
}

/// A request that waits for a decision.
pub(super) struct Job {
    /// It is gone once nobody waits for the answer any more.
    pub(super) request: Weak<KeptHead>,
    /// The address of the client.
    pub(super) peer: IpAddr,
    /// Who waits for the answer.
    pub(super) asker: Waiting,
}

/// Who waits for an answer.
#[derive(Clone, Copy)]
pub(super) enum Waiting {
    /// A stream on an event loop.
    Stream(StreamToken),
    /// A request on the control thread, for something of that scope.
    HttpConnection(Asker, Scope),
}

/// What is said of a request.
pub(super) enum Verdict {
    /// Who it is from, or why it is refused.
    Judged(Result<Identity, Problem>),
    /// Nobody could say.
    Undecided(Undecided),
}

/// Why nobody could say who a request is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undecided {
    /// As many wait as may.
    Full,
    /// It took too long.
    Late,
    /// Whoever should say so has panicked.
    Failed,
}

/// What came of requests that were not judged at once.
#[derive(Clone, Copy)]
enum Outcome {
    Verified,
    Denied,
    Full,
    Failed,
    Abandoned,
}

impl Label for Outcome {
    const VALUES: &'static [Self] =
        &[Self::Verified, Self::Denied, Self::Full, Self::Failed, Self::Abandoned];

    fn index(self) -> usize {
        self as usize
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Denied => "denied",
            Self::Full => "full",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// What all these threads have in common, and the way to them.
pub(super) struct Authentication {
    state: Mutex<State>,
    work: Condvar,
    outcomes: Tally<Outcome>,
    waited: Mutex<Histogram>,
}

struct State {
    queue: Queue<(Job, Duration)>,
    closed: bool,
}

impl Authentication {
    /// For so many threads; so many requests of one address may wait.
    pub(super) fn new(threads: usize, per_address: usize) -> Self {
        let under_way = (threads - threads / LEFT_TO_OTHERS).max(1);
        let total = per_address.saturating_mul(ADDRESSES);
        let limits = QueueLimits { total, per_address, bytes: BYTES, under_way };
        Self {
            state: Mutex::new(State { queue: Queue::new(limits), closed: false }),
            work: Condvar::new(),
            outcomes: Tally::default(),
            waited: Mutex::default(),
        }
    }

    /// Puts a request in at that time since the start; false where no more may wait.
    pub(super) fn put(&self, job: Job, elapsed: Duration) -> bool {
        let bytes = job.request.upgrade().map_or(0, |request| request.bytes().len());
        let network = client_network(job.peer);
        let mut state = self.state();
        let taken = !state.closed && state.queue.push(network, (job, elapsed), bytes);
        drop(state);
        match taken {
            true => self.work.notify_one(),
            false => self.outcomes.count(Outcome::Full),
        }
        taken
    }

    /// Lets the threads end once they are done with what they have under way.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.queue.clear();
        drop(state);
        self.work.notify_all();
    }

    /// Requests that wait for a thread.
    pub(super) fn waiting(&self) -> usize {
        self.state().queue.waiting()
    }

    /// How often what came of a request.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.outcomes.iter()
    }

    /// How long requests have waited for a thread.
    pub(super) fn waited(&self) -> Histogram {
        self.waited.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next request, once there is one; `None` at the end. `done` is the address of the last one.
    fn next(&self, done: Option<IpAddr>) -> Option<(IpAddr, (Job, Duration))> {
        let mut state = self.state();
        if let Some(address) = done {
            state.queue.done(address);
        }
        loop {
            if state.closed {
                return None;
            }
            if let Some(next) = state.queue.pop() {
                return Some(next);
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run(shared: &Shared) {
    let authentication = &shared.authentication;
    let mut done = None;
    while let Some((address, (job, since))) = authentication.next(done) {
        done = Some(address);
        // Whoever has gone costs nothing more.
        let Some(request) = job.request.upgrade() else {
            authentication.outcomes.count(Outcome::Abandoned);
            continue;
        };
        let waited = shared.clock.elapsed().saturating_sub(since);
        authentication.waited.lock().unwrap_or_else(PoisonError::into_inner).observe(waited);
        let unix_ms = shared.clock.now().unix_ms;
        match job.asker {
            Waiting::Stream(token) => {
                let decision = decide_stream(shared, &request, job.peer, unix_ms);
                let command = Command::Decided(token, decision);
                if let Some(inbox) = shared.loops.get(usize::from(token.shard)) {
                    inbox.send(LoopMessage::Command(command));
                }
            }
            Waiting::HttpConnection(asker, scope) => {
                let verdict = judge(shared, &request, job.peer, scope, unix_ms);
                shared.control.send(ControlMessage::Identified(asker, Box::new(verdict)));
            }
        }
    }
}

fn judge(shared: &Shared, request: &KeptHead, peer: IpAddr, scope: Scope, unix_ms: u64) -> Verdict {
    let judged = catch_unwind(AssertUnwindSafe(|| {
        let head =
            request.head().map_err(|rejection| Problem::new(rejection.status, rejection.to_string()))?;
        shared.access.judge(&head, peer, scope, unix_ms)
    }));
    let (verdict, outcome) = match judged {
        Ok(judged) => {
            let outcome = if judged.is_ok() { Outcome::Verified } else { Outcome::Denied };
            (Verdict::Judged(judged), outcome)
        }
        Err(_) => {
            tracing::error!("an authenticate hook panicked; its request is refused");
            (Verdict::Undecided(Undecided::Failed), Outcome::Failed)
        }
    };
    shared.authentication.outcomes.count(outcome);
    verdict
}

fn decide_stream(shared: &Shared, request: &KeptHead, peer: IpAddr, unix_ms: u64) -> Decision {
    let identity = match judge(shared, request, peer, Scope::Subscribe, unix_ms) {
        Verdict::Judged(identity) => identity,
        Verdict::Undecided(_) => return Decision::Refused(Refusal::Auth),
    };
    let Ok(head) = request.head() else { return Decision::Refused(Refusal::Auth) };
    match Subscription::from_head(&head, shared.access.parameters(), &shared.settings.topics) {
        Ok(asked) => permit(&shared.access, identity, &head, peer, &asked),
        Err(problem) => Decision::Denied(problem),
    }
}

fn permit(
    access: &Access,
    identity: Result<Identity, Problem>,
    head: &Head<'_>,
    peer: IpAddr,
    asked: &Subscription,
) -> Decision {
    match identity.and_then(|identity| access.permit(identity, asked)) {
        Ok(grant) => {
            // Whoever is refused is told, and logged, by the control thread.
            tracing::debug!(%peer, method = ?head.method, path = ?head.path, "request");
            Decision::Permitted(grant)
        }
        Err(problem) => Decision::Denied(problem),
    }
}

impl Judge for Shared {
    fn judge(&self, head: &Head<'_>, peer: IpAddr, asked: &Subscription, now: Now) -> Option<Decision> {
        let identity = self.access.judge_at_once(head, peer, Scope::Subscribe, now.unix_ms)?;
        Some(permit(&self.access, identity, head, peer, asked))
    }
}
