//! Counters outside of the shards.

mod prometheus;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::event::{Refusal, TargetKind};
use crate::metrics::{Histogram, Label, Tally};

/// Returns how many lines the log has dropped.
pub(crate) type LinesDropped = Box<dyn Fn() -> u64 + Send + Sync>;

/// The counters and durations of an engine.
pub(super) struct Meters {
    start_unix_ms: u64,
    log_lines_dropped: Option<LinesDropped>,
    published: Tally<TargetKind>,
    pub(super) refused: Tally<Refusal>,
    /// Connections that were closed to make room.
    pub(super) reclaimed: Tally<Awaited>,
    over_limit: AtomicU64,
    /// By route and status.
    responses: Mutex<BTreeMap<(&'static str, u16), u64>>,
    /// Connections that are not streams, or not known to be.
    pub(super) control_connections: AtomicU64,
    /// From a publication to its handover to the event loops.
    publish_duration: Mutex<Histogram>,
}

impl Meters {
    pub(super) fn new(start_unix_ms: u64, log_lines_dropped: Option<LinesDropped>) -> Self {
        Self {
            start_unix_ms,
            log_lines_dropped,
            published: Tally::default(),
            refused: Tally::default(),
            reclaimed: Tally::default(),
            over_limit: AtomicU64::new(0),
            responses: Mutex::default(),
            control_connections: AtomicU64::new(0),
            publish_duration: Mutex::default(),
        }
    }

    pub(super) fn count_published(&self, kinds: &KindCounts) {
        for (kind, count) in TargetKind::ALL.into_iter().zip(kinds.0) {
            self.published.add(kind, count);
        }
    }

    /// Events published since the start.
    pub(super) fn events_published(&self) -> u64 {
        self.published.iter().map(|(_, count)| count).sum()
    }

    /// Notes that a publication was handed to every event loop, and how long that took.
    pub(super) fn observe_publish(&self, duration: Duration) {
        lock(&self.publish_duration).observe(duration);
    }

    /// Notes a connection beyond the limit of its address.
    pub(super) fn count_over_limit(&self) {
        self.over_limit.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_response(&self, route: &'static str, status: u16) {
        *lock(&self.responses).entry((route, status)).or_default() += 1;
    }
}

/// What an idle connection that is not a stream has yet to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Awaited {
    /// Send a first or a next request.
    Request,
    /// Send the rest of a head.
    Head,
    /// Send the rest of a body.
    Body,
    /// Nothing: it is not decided yet who its request is from.
    Decision,
    /// Read its answer, or close after the last one.
    Taking,
}

impl Label for Awaited {
    const VALUES: &'static [Self] = &[Self::Request, Self::Head, Self::Body, Self::Decision, Self::Taking];

    fn index(self) -> usize {
        self as usize
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Head => "head",
            Self::Body => "body",
            Self::Decision => "decision",
            Self::Taking => "taking",
        }
    }
}

impl Label for TargetKind {
    const VALUES: &'static [Self] = &Self::ALL;

    fn index(self) -> usize {
        self.index()
    }

    fn as_str(self) -> &'static str {
        self.as_str()
    }
}

impl Label for Refusal {
    const VALUES: &'static [Self] = &Self::ALL;

    fn index(self) -> usize {
        self.index()
    }

    fn as_str(self) -> &'static str {
        self.as_str()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Number of publications by kind of target, kept while the publications themselves are moved away.
#[derive(Clone, Default)]
pub(super) struct KindCounts([u64; TargetKind::ALL.len()]);

impl KindCounts {
    pub(super) fn count(&mut self, kind: TargetKind) {
        self.0[kind.index()] += 1;
    }
}
