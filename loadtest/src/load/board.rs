//! What the client threads and the publisher share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::plan::Plan;
use crate::clock;
use crate::stop::{self, Stop};

/// Until no stream has received anything for so long, memory is not at rest.
const QUIET: Duration = Duration::from_millis(500);
/// Heartbeats can keep streams from ever being quiet.
const QUIET_AT_MOST: Duration = Duration::from_secs(10);

/// What a client thread says to the conductor.
#[derive(Debug, PartialEq)]
pub(super) enum News {
    /// All its streams are open or refused: so many are open.
    Opened(u64),
    /// Each of its streams has event `n`, or will never get it.
    Settled(u64),
}

pub(super) struct Board {
    epoch: Instant,
    /// When each event was published or due, in nanoseconds after `epoch`; 0 for not yet.
    due: Vec<AtomicU64>,
    /// Turns in which a client thread received something.
    pulse: AtomicU64,
    /// The load is over: the client threads give their tallies.
    over: AtomicBool,
}

impl Board {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            epoch: clock::now(),
            due: (0..=plan.last()).map(|_| AtomicU64::new(0)).collect(),
            pulse: AtomicU64::new(0),
            over: AtomicBool::new(false),
        }
    }

    pub(super) fn set_due(&self, n: u64, at: Instant) {
        let nanos = u64::try_from((at - self.epoch).as_nanos()).unwrap_or(u64::MAX);
        self.due[n as usize].store(nanos.max(1), Ordering::Release);
    }

    /// Since event `n` was due; `None` for an event that was never published.
    pub(super) fn latency(&self, n: u64, now: Instant) -> Option<Duration> {
        match self.due.get(usize::try_from(n).ok()?)?.load(Ordering::Acquire) {
            0 => None,
            due => Some((now - self.epoch).saturating_sub(Duration::from_nanos(due))),
        }
    }

    pub(super) fn beat(&self) {
        self.pulse.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn pulse(&self) -> u64 {
        self.pulse.load(Ordering::Relaxed)
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Waits until no stream receives anything.
    pub(super) fn wait_quiet(&self, stop: &Stop) {
        let begin = clock::now();
        let (mut pulse, mut since) = (self.pulse(), begin);
        while clock::since(since) < QUIET && clock::since(begin) < QUIET_AT_MOST && stop.reason().is_none() {
            std::thread::sleep(stop::CHECK_EVERY);
            if self.pulse() != pulse {
                (pulse, since) = (self.pulse(), clock::now());
            }
        }
    }
}

/// The next news, or `None` once there was none and no pulse for `patience`, or the run is to stop.
pub(super) fn next_news(
    news: &Receiver<News>,
    board: &Board,
    stop: &Stop,
    patience: Duration,
) -> Option<News> {
    let (mut pulse, mut since) = (board.pulse(), clock::now());
    loop {
        match news.recv_timeout(stop::CHECK_EVERY) {
            Ok(item) => return Some(item),
            Err(RecvTimeoutError::Timeout) => {}
            // The client threads have failed, and say so when they are joined.
            Err(RecvTimeoutError::Disconnected) => return None,
        }
        if board.pulse() != pulse {
            (pulse, since) = (board.pulse(), clock::now());
        }
        if stop.reason().is_some() || clock::since(since) >= patience {
            return None;
        }
    }
}
