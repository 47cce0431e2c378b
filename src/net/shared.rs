//! The state that all threads of an engine share.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::authentication::Authentication;
use super::clock::Clock;
use super::control::BodyTotal;
use super::descriptors::Reserve;
use super::gather::gather;
use super::inbox::{Inbox, LoopInbox};
use super::message::{ControlMessage, LoopMessage, LoopReport};
use super::meters::{KindCounts, Meters};
use super::presence::Presence;
use super::sockets::{Asked, Sockets};
use crate::access::Access;
use crate::event::{Draft, Drafts, Now, Publication};
use crate::journal::{Acknowledge, Append, AppendError, Appended, IdempotencyKey, Journal};
use crate::shard::{Admission, Command, DisconnectTarget, Settings};

/// The engine as its threads and the application see it.
pub(crate) struct Shared {
    pub(super) clock: Clock,
    pub(super) settings: Arc<Settings>,
    pub(super) admission: Arc<Admission>,
    pub(super) presence: Box<dyn Presence>,
    pub(super) journal: Box<dyn Journal>,
    pub(super) loops: Vec<Arc<LoopInbox>>,
    pub(super) control: Inbox<ControlMessage>,
    pub(super) reserve: Reserve,
    pub(super) sockets: Sockets,
    pub(super) access: Access,
    pub(super) authentication: Authentication,
    pub(super) max_connections: usize,
    pub(super) body_timeout: Duration,
    pub(super) idle_timeout: Duration,
    /// The memory that request bodies use.
    pub(super) bodies: Arc<BodyTotal>,
    /// When a shutdown began, in ms since the start.
    pub(super) shutdown_ms: OnceLock<u64>,
    pub(super) meters: Meters,
}

impl Shared {
    /// Publishes all, or none: now, or `later` is asked for what is to be called then. See [`Journal::append`].
    pub(crate) fn publish(
        self: &Arc<Self>,
        publications: impl IntoIterator<Item = Publication>,
        key: Option<Box<IdempotencyKey>>,
        later: &mut dyn FnMut() -> Acknowledge,
    ) -> Result<Option<Appended>, AppendError> {
        let appended = self.append(publications, key, self.clock.now(), later)?;
        self.journal.wake();
        Ok(appended)
    }

    /// Like [`publish`](Self::publish), but the loops are not woken yet, nor is who keeps it: the caller calls [`Journal::wake`], once
    /// for many publications.
    pub(super) fn append(
        self: &Arc<Self>,
        publications: impl IntoIterator<Item = Publication>,
        key: Option<Box<IdempotencyKey>>,
        now: Now,
        later: &mut dyn FnMut() -> Acknowledge,
    ) -> Result<Option<Appended>, AppendError> {
        let began = self.clock.elapsed();
        let drafts: Drafts = publications.into_iter().map(Draft::from).collect();
        let mut kinds = KindCounts::default();
        drafts.iter().for_each(|draft| kinds.count(draft.kind()));
        let appended = self.journal.append(Append { drafts, key }, now, &mut || {
            let (shared, kinds, acknowledge) = (self.clone(), kinds.clone(), later());
            Box::new(move |result| {
                if result.is_ok() {
                    shared.count_published(&kinds, began);
                }
                acknowledge(result);
            })
        })?;
        if appended.is_some_and(|appended| !appended.is_repeat) {
            self.count_published(&kinds, began);
        }
        Ok(appended)
    }

    fn count_published(&self, kinds: &KindCounts, began: Duration) {
        self.meters.count_published(kinds);
        self.meters.observe_publish(self.clock.elapsed().saturating_sub(began));
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.admission
    }

    pub(crate) fn presence(&self) -> &dyn Presence {
        &*self.presence
    }

    /// Asks every event loop for its statistics. A loop that has ended does not answer.
    pub(super) fn reports(&self, done: impl FnOnce(Vec<LoopReport>) + Send + 'static) {
        let shares = gather(self.loops.len(), Vec::new(), move |mut reports: Vec<LoopReport>| {
            reports.sort_by_key(|report| report.number);
            done(reports);
        });
        for (inbox, share) in self.loops.iter().zip(shares) {
            let reply = Box::new(move |report| share.add(|reports: &mut Vec<_>| reports.push(report)));
            inbox.send(LoopMessage::Report(reply));
        }
    }

    /// Asks a thread to close some of the connections that are not streams and have been idle for longest. True if that
    /// is in progress; false if there are none.
    pub(super) fn make_room(&self, now: Now) -> bool {
        let (holder, most) = match self.sockets.ask() {
            Asked::Nobody => return false,
            Asked::Already => return true,
            Asked::Holder(holder) => (holder, self.sockets.batch()),
        };
        self.sockets.tell_shortage(now);
        match self.loops.get(holder) {
            Some(inbox) => inbox.send(LoopMessage::Reclaim(most)),
            None => self.control.send(ControlMessage::Reclaim(most)),
        }
    }

    /// Number of publications that wait for an event loop.
    pub(super) fn inbox_events(&self, number: usize) -> usize {
        self.loops.get(number).map_or(0, |inbox| inbox.load.records())
    }

    /// Sends a heartbeat now to the streams of a user, or to all.
    pub(super) fn ping(&self, user: Option<&Arc<str>>) {
        for inbox in &self.loops {
            inbox.send(LoopMessage::Command(Command::Ping(user.cloned())));
        }
    }

    /// Ends streams on all event loops. Calls `done` with their number, on the thread of the last loop to answer.
    pub(crate) fn disconnect(&self, who: &DisconnectTarget, done: impl FnOnce(usize) + Send + 'static) {
        let shares = gather(self.loops.len(), 0, done);
        for (inbox, share) in self.loops.iter().zip(shares) {
            let reply = Box::new(move |count| share.add(|sum: &mut usize| *sum += count));
            inbox.send(LoopMessage::Command(Command::Disconnect(who.clone(), reply)));
        }
    }

    /// Begins a shutdown, unless it has begun: the engine reports that it is not ready, and otherwise works as before.
    /// Returns when the shutdown began, in ms since the start.
    pub(crate) fn begin_shutdown(&self) -> u64 {
        *self.shutdown_ms.get_or_init(|| self.clock.now().elapsed_ms)
    }

    /// Whether a shutdown has begun.
    pub(super) fn is_shutting_down(&self) -> bool {
        self.shutdown_ms.get().is_some()
    }

    /// Stops listening, admits no more streams, ends publishing and then all streams. Their clients reconnect spread
    /// over one second per 1,000 streams, but no longer than `most`.
    pub(super) fn drain(&self, most: Duration) {
        self.admission.drain();
        let spread = Duration::from_millis(self.admission.total() as u64).min(most);
        self.control.send(ControlMessage::Drain);
        self.journal.drain(spread);
    }
}
