//! The threads that say who requests are from, where that takes long: signatures of tokens that nobody has verified
//! before, and the application's own hook, which may block.
//!
//! Event loops and the control thread judge what they can at once
//! ([`judge_at_once`](crate::access::Access::judge_at_once)) and put the rest in here. Each connection has one request
//! waiting at most: its next one is not looked at before. The answer comes back as a message, to where the connection is.
//!
//! A decision that another server is asked for would be one more kind of [`Job`] here.

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

/// So many times as many requests may wait as from one address.
const ADDRESSES: usize = 4;
/// Bytes of heads that may wait.
const BYTES: usize = 64 * 1024 * 1024;
/// One part in so many of the threads is left to others by an address, however much it asks for.
const LEFT_TO_OTHERS: usize = 4;

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
