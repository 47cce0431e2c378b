//! The progress of all workers, and ways to wait for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use mio::Waker;

use super::message::Report;
use super::tally::Tally;
use crate::clock;
use crate::stop::{self, Stop};

/// Memory is at rest once no stream has received anything for this time.
const QUIET: Duration = Duration::from_millis(500);
/// Limit of that wait: heartbeats may keep arriving.
const QUIET_AT_MOST: Duration = Duration::from_secs(10);

pub(crate) struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    workers: Vec<Worker>,
    /// Wakes a publisher that waits for settled events.
    waker: Option<Arc<Waker>>,
    failure: Option<String>,
    /// Number of reports so far.
    pulse: u64,
}

#[derive(Clone, Default)]
struct Worker {
    opened: u64,
    refused: u64,
    ended: u64,
    closings: u64,
    settled: u64,
    received: u64,
    marked: Option<Tally>,
    is_finished: bool,
}

/// Sums over all workers at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct View {
    pub(crate) opened: u64,
    /// Streams that failed before their first event.
    pub(crate) refused: u64,
    /// Streams that have ended and do not reconnect.
    pub(crate) ended: u64,
    /// Number of times that the server closed an open stream.
    pub(crate) closings: u64,
    /// The last event of series 0 that every stream has received, with all before it.
    pub(crate) settled: u64,
    pub(crate) received: u64,
}

impl View {
    /// How many of `streams` have not received a first event, whether they failed or are still opening.
    pub(crate) fn unopened(&self, streams: usize) -> u64 {
        (streams as u64).saturating_sub(self.opened + self.ended)
    }
}

impl Progress {
    pub(super) fn new(workers: usize) -> Self {
        let state = State { workers: vec![Worker::default(); workers], ..State::default() };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self, worker: usize, report: Report) -> Result<()> {
        let mut state = self.lock();
        state.pulse += 1;
        let Some(entry) = state.workers.get_mut(worker) else {
            bail!("a report of an unknown worker, {worker}")
        };
        match report {
            Report::Opened { opened, refused, ended, closings } => {
                (entry.opened, entry.refused, entry.ended) = (opened, refused, ended);
                entry.closings = closings;
            }
            Report::Settled(n) => {
                entry.settled = n;
                if let Some(waker) = &state.waker {
                    waker.wake()?;
                }
            }
            Report::Received(received) => entry.received = received,
            Report::Marked(tally) => entry.marked = Some(*tally),
            Report::Finished(tally) => {
                entry.marked = Some(*tally);
                entry.is_finished = true;
            }
            Report::Failed(why) => drop(state.failure.get_or_insert(why)),
        }
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// A process with these workers has ended.
    pub(super) fn lost(&self, workers: std::ops::Range<usize>) {
        let mut state = self.lock();
        if state.workers[workers].iter().any(|worker| !worker.is_finished) {
            state.failure.get_or_insert_with(|| "a process of the swarm ended".to_owned());
        }
        drop(state);
        self.changed.notify_all();
    }

    pub(crate) fn set_waker(&self, waker: Option<Arc<Waker>>) {
        self.lock().waker = waker;
    }

    pub(crate) fn view(&self) -> View {
        self.lock().view()
    }

    pub(crate) fn check(&self) -> Result<()> {
        match &self.lock().failure {
            Some(why) => bail!("{why}"),
            None => Ok(()),
        }
    }

    /// Waits until `is_so` holds. False if no report arrives for `patience`, or the run is to stop.
    pub(crate) fn wait(&self, stop: &Stop, patience: Duration, is_so: impl Fn(View) -> bool) -> Result<bool> {
        self.wait_state(Some(stop), patience, |state| is_so(state.view()))
    }

    /// Waits for the tally of every worker, and returns their sum. A run that is to stop waits as well: it needs the results
    /// so far, and workers answer at once.
    pub(super) fn wait_marked(&self, patience: Duration) -> Result<Tally> {
        self.wait_state(None, patience, |state| state.workers.iter().all(|worker| worker.marked.is_some()))?;
        let mut sum = Tally::default();
        for worker in &mut self.lock().workers {
            match worker.marked.take() {
                Some(tally) => sum.add(&tally)?,
                None => bail!("a worker of the swarm does not answer"),
            }
        }
        Ok(sum)
    }

    fn wait_state(
        &self,
        stop: Option<&Stop>,
        patience: Duration,
        is_so: impl Fn(&State) -> bool,
    ) -> Result<bool> {
        let mut state = self.lock();
        let (mut pulse, mut since) = (state.pulse, clock::now());
        loop {
            if let Some(why) = &state.failure {
                bail!("{why}");
            }
            if is_so(&state) {
                return Ok(true);
            }
            if state.pulse != pulse {
                (pulse, since) = (state.pulse, clock::now());
            }
            let is_stopped = stop.is_some_and(|stop| stop.reason().is_some());
            if is_stopped || clock::since(since) >= patience {
                return Ok(false);
            }
            let waited = self.changed.wait_timeout(state, stop::CHECK_EVERY);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until no stream has received anything for `QUIET`, or for `QUIET_AT_MOST`.
    pub(crate) fn wait_quiet(&self, stop: &Stop) {
        let begin = clock::now();
        let (mut pulse, mut since) = (self.lock().pulse, begin);
        while clock::since(since) < QUIET && clock::since(begin) < QUIET_AT_MOST && stop.reason().is_none() {
            std::thread::sleep(stop::CHECK_EVERY);
            let now = self.lock().pulse;
            if now != pulse {
                (pulse, since) = (now, clock::now());
            }
        }
    }
}

impl State {
    fn view(&self) -> View {
        let sum = |of: fn(&Worker) -> u64| self.workers.iter().map(of).sum();
        View {
            opened: sum(|worker| worker.opened),
            refused: sum(|worker| worker.refused),
            ended: sum(|worker| worker.ended),
            closings: sum(|worker| worker.closings),
            settled: self.workers.iter().map(|worker| worker.settled).min().unwrap_or_default(),
            received: sum(|worker| worker.received),
        }
    }
}
