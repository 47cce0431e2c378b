//! What is known of all crews, and the waiting for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use mio::Waker;

use super::message::Report;
use super::tally::Tally;
use crate::clock;
use crate::stop::{self, Stop};

/// Until no stream has received anything for so long, memory is not at rest.
const QUIET: Duration = Duration::from_millis(500);
/// Heartbeats can keep streams from ever being quiet.
const QUIET_AT_MOST: Duration = Duration::from_secs(10);

pub(crate) struct Board {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    crews: Vec<Crew>,
    /// Woken at every settled event: a publisher that waits for it.
    waker: Option<Arc<Waker>>,
    failure: Option<String>,
    /// Counts the reports.
    pulse: u64,
}

#[derive(Clone, Default)]
struct Crew {
    opened: u64,
    refused: u64,
    ended: u64,
    closings: u64,
    settled: u64,
    received: u64,
    marked: Option<Tally>,
    is_finished: bool,
}

/// The sum over all crews at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct View {
    pub(crate) opened: u64,
    /// Streams that never got a first event.
    pub(crate) refused: u64,
    /// Streams that were open and do not come back.
    pub(crate) ended: u64,
    /// How often the server closed a stream that was open.
    pub(crate) closings: u64,
    /// Every stream has this event of series 0, and all before it.
    pub(crate) settled: u64,
    pub(crate) received: u64,
}

impl View {
    /// Of so many streams, the ones that have not got a first event, whether or not they still may.
    pub(crate) fn unopened(&self, streams: usize) -> u64 {
        (streams as u64).saturating_sub(self.opened + self.ended)
    }
}

impl Board {
    pub(super) fn new(crews: usize) -> Self {
        let state = State { crews: vec![Crew::default(); crews], ..State::default() };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self, crew: usize, report: Report) -> Result<()> {
        let mut state = self.lock();
        state.pulse += 1;
        let Some(entry) = state.crews.get_mut(crew) else {
            bail!("a report of crew {crew}, which is not there")
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

    /// A process that had crews is gone.
    pub(super) fn lost(&self, crews: std::ops::Range<usize>) {
        let mut state = self.lock();
        if state.crews[crews].iter().any(|crew| !crew.is_finished) {
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

    /// Whether it comes to be, before nothing at all has been reported for `patience`, and before the run is to stop.
    pub(crate) fn wait(&self, stop: &Stop, patience: Duration, is_so: impl Fn(View) -> bool) -> Result<bool> {
        self.wait_state(Some(stop), patience, |state| is_so(state.view()))
    }

    /// The tallies of all crews since the last mark, once each has given it. A run that is to stop waits, too: it wants
    /// what there is, and the crews answer at once.
    pub(super) fn wait_marked(&self, patience: Duration) -> Result<Tally> {
        self.wait_state(None, patience, |state| state.crews.iter().all(|crew| crew.marked.is_some()))?;
        let mut sum = Tally::default();
        for crew in &mut self.lock().crews {
            match crew.marked.take() {
                Some(tally) => sum.add(&tally)?,
                None => bail!("a part of the swarm does not answer"),
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

    /// Waits until no stream receives anything.
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
        let sum = |of: fn(&Crew) -> u64| self.crews.iter().map(of).sum();
        View {
            opened: sum(|crew| crew.opened),
            refused: sum(|crew| crew.refused),
            ended: sum(|crew| crew.ended),
            closings: sum(|crew| crew.closings),
            settled: self.crews.iter().map(|crew| crew.settled).min().unwrap_or_default(),
            received: sum(|crew| crew.received),
        }
    }
}
