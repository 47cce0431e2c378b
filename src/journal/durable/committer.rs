//! The committer: writes what waits, then delivers and acknowledges it.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use parking_lot::MutexGuard;

use super::queue::{Item, Taken, Waiting};
use super::shared::Shared;
use super::work::Clock;
use crate::event::{Draft, Now};
use crate::journal::delivery::Records;
use crate::journal::history::Gone;
use crate::journal::idempotency::Answer;
use crate::journal::log::{self, AppendKey, Appender, Entry, RefusedAppend, Unsynced};
use crate::journal::{AppendError, Appended};

/// The one that writes to the log. When it is dropped, nothing more is published.
#[derive(Debug)]
pub struct Committer {
    shared: Arc<Shared>,
    /// Until it is closed.
    appender: Option<Appender>,
    /// Takes what is to be synced while more is committed.
    to_sync: Sender<Unsynced>,
    /// Since when something has been handed to the kernel and to nobody who syncs it, in ms since the start.
    unsynced_ms: Option<u64>,
    /// Dropped at the end, which tells the upkeep.
    _running: Sender<()>,
}

/// A publication whose events have their ids.
#[derive(Debug)]
struct Sealed {
    records: Records,
    waiting: Waiting,
}

/// Publications that are delivered under one lock.
const DELIVERED: usize = 64;
/// How long room in the inboxes is waited for before the committer looks whether it is to end.
const PATIENCE: Duration = Duration::from_millis(100);

impl Committer {
    pub(super) fn new(
        shared: Arc<Shared>,
        appender: Appender,
        to_sync: Sender<Unsynced>,
        running: Sender<()>,
    ) -> Self {
        Self { shared, appender: Some(appender), to_sync, unsynced_ms: None, _running: running }
    }

    pub(super) fn run(mut self, clock: &dyn Clock) {
        let shared = self.shared.clone();
        loop {
            let taken = shared.queue.take(self.next_sync(clock.now()));
            let (began, is_empty) = (clock.elapsed(), taken.items.is_empty());
            if !self.commit(taken, clock.now()) {
                return;
            }
            if !is_empty {
                let took = clock.elapsed().saturating_sub(began);
                shared.counters.commit_duration.lock().observe(took);
            }
        }
    }

    /// Commits what waits, up to a group of it. False once the journal is closed and all is done.
    pub fn turn(&mut self, now: Now) -> bool {
        let taken = self.shared.queue.try_take();
        self.commit(taken, now)
    }

    /// How long until something is to be synced.
    fn next_sync(&self, now: Now) -> Option<Duration> {
        let since_ms = self.unsynced_ms?;
        let due_ms = since_ms + self.shared.options.sync.interval_ms()?;
        Some(Duration::from_millis(due_ms.saturating_sub(now.elapsed_ms)))
    }

    fn commit(&mut self, taken: Taken, now: Now) -> bool {
        let mut publications = Vec::with_capacity(taken.items.len());
        for item in taken.items {
            match item {
                Item::Publication(waiting) => publications.push(*waiting),
                Item::Drain(spread) => {
                    self.publish(std::mem::take(&mut publications), now);
                    let _ordered = self.shared.hot.lock();
                    self.shared.delivery.drain(spread);
                }
            }
        }
        self.publish(publications, now);
        if self.next_sync(now).is_some_and(|time| time.is_zero()) {
            self.hand_over(now);
        }
        if taken.is_end {
            self.close();
        }
        !taken.is_end
    }

    /// Gives what the kernel holds to the one who syncs, or later, if that is still busy with what it had before.
    fn hand_over(&mut self, now: Now) {
        if self.to_sync.is_full() {
            self.unsynced_ms = Some(now.elapsed_ms);
            return;
        }
        self.unsynced_ms = None;
        if let Some(unsynced) = self.appender.as_mut().and_then(Appender::unsynced) {
            // It ends only after this.
            let _ = self.to_sync.send(unsynced);
        }
    }

    /// Writes publications as one group, then delivers and acknowledges them; or refuses them all.
    fn publish(&mut self, publications: Vec<Waiting>, now: Now) {
        if publications.is_empty() {
            return;
        }
        let Some(first) = self.appender.as_ref().map(Appender::next_seq) else { return };
        let sealed = self.seal(publications, first);
        if !self.wait_for_room(&sealed) {
            return self.refuse(sealed, AppendError::Ended, now);
        }
        match self.write(&sealed, now) {
            Ok(()) => self.deliver(sealed, now),
            Err(error) => self.refuse(sealed, refusal(&error), now),
        }
    }

    /// Gives the events their places and ids, from the next seq of the log on.
    fn seal(&self, publications: Vec<Waiting>, first: u64) -> Vec<Sealed> {
        let (mut seq, epochs) = (first, self.shared.reader.epochs());
        let mut seal = |draft: Draft| {
            let record = draft.seal(seq, epochs.id(seq));
            seq += 1;
            Arc::new(record)
        };
        let seal_all = |mut waiting: Waiting| {
            let records = std::mem::take(&mut waiting.drafts).into_iter().map(&mut seal).collect();
            Sealed { records, waiting }
        };
        publications.into_iter().map(seal_all).collect()
    }

    /// Waits until the loops can take it. False if the journal is closed before that.
    fn wait_for_room(&self, sealed: &[Sealed]) -> bool {
        let events = sealed.iter().map(|one| one.records.len()).sum();
        let bytes = sealed.iter().map(|one| one.waiting.bytes).sum();
        while !self.shared.delivery.wait_for_room(events, bytes, PATIENCE) {
            if self.shared.queue.is_closed() {
                return false;
            }
        }
        true
    }

    fn write(&mut self, sealed: &[Sealed], now: Now) -> Result<(), RefusedAppend> {
        let Some(appender) = &mut self.appender else { return Err(RefusedAppend::Failed) };
        let entries: Vec<Vec<Entry<'_>>> =
            sealed.iter().map(|one| one.records.iter().map(|record| Entry::of(record)).collect()).collect();
        let appends: Vec<log::Append<'_>> = sealed
            .iter()
            .zip(&entries)
            .map(|(one, entries)| log::Append {
                entries,
                key: one.waiting.key.as_ref().map(|(key, _)| AppendKey {
                    scope: &key.scope,
                    key: &key.key,
                    body: key.body,
                }),
            })
            .collect();
        appender.append(&appends, now.unix_ms)?;
        if self.shared.options.sync.interval_ms().is_some() {
            self.unsynced_ms.get_or_insert(now.elapsed_ms);
        }
        let counters = &self.shared.counters;
        counters.commits.add(1);
        counters.committed_bytes.add(sealed.iter().map(|one| one.waiting.bytes).sum());
        Ok(())
    }

    fn deliver(&self, sealed: Vec<Sealed>, now: Now) {
        let (mut answers, mut gone) = (Vec::with_capacity(sealed.len()), Gone::new());
        let mut left = sealed.into_iter().peekable();
        while left.peek().is_some() {
            let mut hot = self.shared.hot.lock();
            for Sealed { records, waiting } in left.by_ref().take(DELIVERED) {
                let ends = records.first().zip(records.last());
                let Some((first, last)) = ends.map(|(first, last)| (first.id, last.id)) else { continue };
                for record in &records {
                    hot.insert(record.clone(), now, &mut gone);
                }
                self.shared.delivery.publish(records);
                answers.push((waiting, Answer { first, last }));
            }
            MutexGuard::unlock_fair(hot);
            gone.clear();
        }
        self.shared.delivery.wake();
        let ticket = |(waiting, answer): &(Waiting, Answer)| Some((waiting.key.as_ref()?.1, Some(*answer)));
        self.shared.queue.settle(answers.iter().filter_map(ticket), now);
        for (waiting, Answer { first, last }) in answers {
            (waiting.acknowledge)(Ok(Appended { first, last, is_repeat: false }));
        }
    }

    fn refuse(&self, sealed: Vec<Sealed>, error: AppendError, now: Now) {
        let counters = &self.shared.counters;
        match error {
            AppendError::DiskFull => counters.refused_full.add(sealed.len()),
            AppendError::Disk | AppendError::Failed => counters.refused_failed.add(sealed.len()),
            _ => {}
        }
        let ticket = |one: &Sealed| Some((one.waiting.key.as_ref()?.1, None));
        self.shared.queue.settle(sealed.iter().filter_map(ticket), now);
        for one in sealed {
            (one.waiting.acknowledge)(Err(error));
        }
    }

    /// Ends the log cleanly.
    fn close(&mut self) {
        if let Some(Err(error)) = self.appender.take().map(Appender::close) {
            tracing::error!(%error, "the history was not closed cleanly");
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.shared.queue.finish();
    }
}

fn refusal(error: &RefusedAppend) -> AppendError {
    match error {
        RefusedAppend::Full => AppendError::DiskFull,
        RefusedAppend::Unstorable(why) => AppendError::Unstorable(*why),
        RefusedAppend::Io(error) => {
            tracing::error!(%error, "the history cannot be written");
            AppendError::Disk
        }
        _ => AppendError::Failed,
    }
}
