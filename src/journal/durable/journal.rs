//! A journal on disk, as the engine sees it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use parking_lot::MutexGuard;

use super::hot::Portioned;
use super::replayer::Question;
use super::report::DiskReport;
use super::shared::Shared;
use crate::event::{Continuity, Draft, Now};
use crate::journal::history::{Gone, Portion};
use crate::journal::log::storable;
use crate::journal::{
    Acknowledge, Append, AppendError, Appended, Journal, JournalReport, ReadError, Reading, Told,
};
use crate::shard::{After, Join, Missed, Newest, Resume};

/// A [`Journal`] on disk.
pub struct DurableJournal {
    shared: Arc<Shared>,
    questions: Sender<Question>,
}

/// Maximum number of readings that wait.
const READINGS: usize = 64;
/// How long a close waits for what is being written.
const PATIENCE: Duration = Duration::from_secs(10);

impl fmt::Debug for DurableJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableJournal").finish_non_exhaustive()
    }
}

impl DurableJournal {
    pub(super) fn new(shared: Arc<Shared>, questions: Sender<Question>) -> Self {
        Self { shared, questions }
    }

    /// Answers a stream from memory, if what it missed is there. Whether it did.
    fn answer(&self, resume: &Resume, now: Now) -> bool {
        let Resume { token, after, profile, budget, effort } = resume;
        let profile = profile.as_deref().unwrap_or(&self.shared.nobody);
        let wanted = self.shared.wanted(profile, self.shared.ids.seal(*token));
        let portion = Portion { bytes: *budget, effort: *effort, patterns: profile.topics.len() };
        let epochs = self.shared.reader.epochs();
        let mut gone = Gone::new();
        let mut hot = self.shared.hot.lock();
        hot.expire(now, &mut gone);
        let position = match *after {
            After::Position(position) => position,
            After::Id(id) => match epochs.position(id, hot.newest()) {
                Ok(position) => position,
                Err(_) => return false,
            },
            After::Earliest | After::Since(_) => return false,
        };
        let Some(found) = hot.after(position, &wanted, portion, now) else { return false };
        let Portioned { records, position, last } = found;
        let id = match *after {
            After::Id(id) => id,
            _ => epochs.id(position),
        };
        let missed = Missed { records, position, id, last, continuity: Continuity::Recovered };
        self.shared.delivery.join(Join { token: *token, missed: Some(missed) });
        // Otherwise a loop that resumes many streams would take the lock again before the committer wakes up.
        MutexGuard::unlock_fair(hot);
        true
    }
}

impl Journal for DurableJournal {
    fn append(
        &self,
        append: Append,
        now: Now,
        later: &mut dyn FnMut() -> Acknowledge,
    ) -> Result<Option<Appended>, AppendError> {
        // What is not kept can have any target.
        let is_kept = |draft: &&Draft| draft.ttl != Some(Duration::ZERO);
        append.drafts.iter().filter(is_kept).try_for_each(|draft| storable(&draft.target))?;
        if append.drafts.is_empty() {
            return Ok(None);
        }
        self.shared.queue.push(append, now, later)
    }

    fn wake(&self) {
        self.shared.queue.wake();
    }

    fn drain(&self, spread: Duration) {
        self.shared.queue.drain(spread);
    }

    fn resume(&self, resume: &Resume, now: Now) {
        if self.answer(resume, now) {
            return;
        }
        if self.questions.send(Question::Resume(resume.clone())).is_err() {
            self.shared.delivery.join(Join { token: resume.token, missed: None });
        }
    }

    fn read(&self, reading: Reading, _: Now, done: Told) {
        if self.questions.len() > READINGS {
            return done(Err(ReadError::Busy));
        }
        if let Err(error) = self.questions.send(Question::Read(reading, done))
            && let Question::Read(_, done) = error.into_inner()
        {
            done(Err(ReadError::Unreadable));
        }
    }

    fn newest(&self) -> Newest {
        let position = self.shared.hot.lock().newest();
        Newest { position, id: self.shared.reader.epochs().id(position) }
    }

    fn report(&self, now: Now) -> JournalReport {
        let (log, counters) = (self.shared.reader.report(), &self.shared.counters);
        let bytes = self.shared.hot.lock().bytes() as u64;
        let events = (log.newest + 1).saturating_sub(log.oldest);
        let age_ms = if events > 0 { now.unix_ms.saturating_sub(log.oldest_ms) } else { 0 };
        let disk = DiskReport {
            segments: log.segments as u64,
            bytes: log.bytes,
            free_bytes: self.shared.free_bytes(),
            commits: counters.commits.get(),
            commit_duration: counters.commit_duration.lock().clone(),
            committed_bytes: counters.committed_bytes.get(),
            refused_full: counters.refused_full.get(),
            refused_failed: counters.refused_failed.get(),
            read_events: counters.read_events.get(),
            read_bytes: counters.read_bytes.get(),
            reads_waiting: self.questions.len() as u64,
            damaged: log.damaged + counters.damaged_at_start.get(),
            has_failed: log.has_failed,
        };
        let epoch = self.shared.reader.epochs().current();
        JournalReport { epoch, events, bytes, age_ms, disk: Some(disk) }
    }

    fn has_failed(&self) -> bool {
        self.shared.reader.has_failed()
    }

    fn close(&self) {
        self.shared.queue.close();
        if !self.shared.queue.wait_for_end(PATIENCE) {
            tracing::error!("the disk takes too long: the history is not closed cleanly");
        }
        // Where the replayer has ended, nobody takes it.
        let _ = self.questions.send(Question::End);
    }
}
