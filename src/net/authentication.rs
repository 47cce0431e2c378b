//! The requests that wait for a thread to find out who they are from, where that takes long: signatures of tokens that
//! have not been verified before, and the application's own hook, which may block.
//!
//! Event loops and the control thread decide what they can at once
//! ([`judge_at_once`](crate::access::Access::judge_at_once)) and put the rest in here. Each connection has at most one
//! request waiting: its next one is not read before. The answer is sent as a message to the thread that has the
//! connection.
//!
//! To ask another server for decisions, add one more kind of [`Job`].

mod queue;
mod threads;

use std::net::IpAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::message::Asker;
use crate::api::Scope;
use crate::http::{KeptHead, client_network};
use crate::metrics::{Histogram, Label, Tally};
use crate::shard::StreamToken;
use queue::{Queue, QueueLimits};

pub(crate) use threads::AuthenticationThreads;

/// In total, this many times as many requests may wait as from one address.
const ADDRESSES: usize = 4;
/// Bytes of heads that may wait.
const BYTES: usize = 64 * 1024 * 1024;
/// One part in this many of the threads is never used for one address alone.
const LEFT_TO_OTHERS: usize = 4;

/// A request that waits for a decision.
pub(super) struct Job {
    /// Gone once nobody waits for the answer.
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
    /// A request on the control thread that needs this scope.
    HttpConnection(Asker, Scope),
}

/// The outcome of a request that could not be decided at once.
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

/// The state that these threads share.
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
    /// For this many threads, with this many requests of one address waiting at most.
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

    /// Queues a request, at this time since the start; false if no more may wait.
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

    /// Makes the threads end once they have finished their current requests.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.queue.clear();
        drop(state);
        self.work.notify_all();
    }

    /// Number of requests that wait for a thread.
    pub(super) fn waiting(&self) -> usize {
        self.state().queue.waiting()
    }

    /// Number of requests by outcome.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.outcomes.iter()
    }

    /// How long requests have waited for a thread.
    pub(super) fn waited(&self) -> Histogram {
        self.waited.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the next request; `None` when closed. `done` is the address of the caller's last one.
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
