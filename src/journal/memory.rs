//! The journal that lives in memory: a history that ends with the process.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;

use super::history::{Found, Gone, History, HistoryLimits, Portion};
use super::wanted::{Hasher, Wanted};
use super::{AppendError, Appended, Journal, JournalReport};
use crate::shard::{Command, Join, Outlet, Resume};
use crate::wire::{ClientKey, Continuity, Draft, Drafts, EventId, Gap, Now, Profile, Record};

/// A [`Journal`] in memory.
pub struct MemoryJournal {
    epoch: u64,
    ids: ClientKey,
    outlets: Vec<Arc<dyn Outlet>>,
    state: Mutex<State>,
    hasher: Hasher,
    nobody: Profile,
}

struct State {
    newest: u64,
    history: History,
    /// Nothing more is published.
    ended: bool,
}

impl fmt::Debug for MemoryJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryJournal").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl MemoryJournal {
    /// An empty history that began at `epoch`, before the shards behind `outlets`. Client ids are
    /// made with `ids`.
    pub fn new(epoch: u64, ids: ClientKey, limits: HistoryLimits, outlets: Vec<Arc<dyn Outlet>>) -> Self {
        let hasher = Hasher::default();
        let state =
            Mutex::new(State { newest: 0, history: History::new(limits, hasher.clone()), ended: false });
        Self { epoch, ids, outlets, state, hasher, nobody: Profile::default() }
    }

    fn id(&self, seq: u64) -> EventId {
        EventId { epoch: self.epoch, seq }
    }

    /// Where a client goes on, and whether that is where it left off.
    fn place(&self, state: &State, after: EventId, wanted: &Wanted, now: Now) -> (u64, Continuity) {
        if after.epoch != self.epoch {
            (0, Continuity::Lost(Gap::Epoch))
        } else if after.seq > state.newest {
            (0, Continuity::Lost(Gap::Future))
        } else if state.history.has_lost(after.seq, wanted, now.elapsed_ms) {
            (after.seq, Continuity::Lost(Gap::Expired))
        } else {
            (after.seq, Continuity::Recovered)
        }
    }
}

impl Journal for MemoryJournal {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn append(&self, drafts: Drafts, now: Now) -> Result<Appended, AppendError> {
        let count = drafts.len() as u64;
        let bytes = drafts.iter().map(Draft::size).sum();
        let mut gone = Gone::new();
        let mut state = self.state.lock();
        if state.ended {
            return Err(AppendError::Ended);
        }
        if !self.outlets.iter().all(|outlet| outlet.has_room(drafts.len(), bytes)) {
            return Err(AppendError::Full);
        }
        let first = state.newest + 1;
        state.newest += count;
        let seal = |(seq, draft): (u64, Draft)| Arc::new(draft.seal(self.id(seq)));
        let records: SmallVec<[Arc<Record>; 1]> = (first..).zip(drafts).map(seal).collect();
        for record in &records {
            state.history.insert(record.clone(), now.elapsed_ms, &mut gone);
        }
        match &*records {
            [record] => self.outlets.iter().for_each(|outlet| outlet.send(Command::Publish(record.clone()))),
            _ => {
                let batch: Arc<[Arc<Record>]> = records.into_iter().collect();
                self.outlets.iter().for_each(|outlet| outlet.send(Command::PublishBatch(batch.clone())));
            }
        }
        Ok(Appended { first: self.id(first), last: self.id(state.newest) })
    }

    fn drain(&self, spread: Duration) {
        let mut state = self.state.lock();
        state.ended = true;
        self.outlets.iter().for_each(|outlet| outlet.send(Command::Drain(spread)));
    }

    fn resume(&self, resume: &Resume, now: Now) {
        let Resume { token, after, profile, budget, effort } = resume;
        let Some(outlet) = self.outlets.get(token.shard as usize) else { return };
        let profile = profile.as_deref().unwrap_or(&self.nobody);
        let client = self.ids.seal(*token);
        let wanted = Wanted::new(profile, client, &self.hasher);
        let portion = Portion { bytes: *budget, effort: *effort, patterns: profile.topics.len() };
        let mut gone = Gone::new();
        let mut state = self.state.lock();
        state.history.expire(now.elapsed_ms, &mut gone);
        let (after, continuity) = self.place(&state, *after, &wanted, now);
        let Found { records, more_after } = state.history.after(after, &wanted, portion, now.elapsed_ms);
        let (position, last) = (more_after.unwrap_or(state.newest), more_after.is_none());
        outlet.send(Command::Join(Join { token: *token, records, position, last, continuity }));
        // Otherwise a loop that resumes many streams would take the lock again before a waiting publisher wakes up.
        MutexGuard::unlock_fair(state);
    }

    fn report(&self, now: Now) -> JournalReport {
        let mut gone = Gone::new();
        let mut state = self.state.lock();
        state.history.expire(now.elapsed_ms, &mut gone);
        let (newest, history) = (state.newest, &state.history);
        let age_ms = history.age_at(now.elapsed_ms);
        JournalReport { newest, events: history.events() as u64, bytes: history.bytes() as u64, age_ms }
    }
}
