//! The journal that lives in memory: a history that ends with the process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;

use super::history::{Found, History, HistoryLimits};
use super::{AppendError, Appended, Journal, JournalReport};
use crate::shard::{Command, Join, Outlet, Resume};
use crate::wire::{ClientId, ClientKey, Continuity, Draft, Drafts, EventId, Gap, Now, Profile, Record};

/// A [`Journal`] in memory.
pub struct MemoryJournal {
    epoch: u64,
    ids: ClientKey,
    outlets: Vec<Arc<dyn Outlet>>,
    state: Mutex<State>,
    nobody: Profile,
}

struct State {
    newest: u64,
    history: History,
}

impl MemoryJournal {
    /// An empty history that began at `epoch`, before the shards behind `outlets`. Client ids are
    /// made with `ids`.
    pub fn new(epoch: u64, ids: ClientKey, limits: HistoryLimits, outlets: Vec<Arc<dyn Outlet>>) -> Self {
        let state = Mutex::new(State { newest: 0, history: History::new(limits) });
        Self { epoch, ids, outlets, state, nobody: Profile::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock can panic half way through a change that matters.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn id(&self, seq: u64) -> EventId {
        EventId { epoch: self.epoch, seq }
    }

    /// Where a client goes on, and whether that is where it left off.
    fn place(&self, state: &State, after: EventId, profile: &Profile, client: ClientId) -> (u64, Continuity) {
        if after.epoch != self.epoch {
            (0, Continuity::Lost(Gap::Epoch))
        } else if after.seq > state.newest {
            (0, Continuity::Lost(Gap::Future))
        } else if state.history.has_lost(after.seq, profile, client) {
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
        let mut state = self.lock();
        if !self.outlets.iter().all(|outlet| outlet.has_room(drafts.len(), bytes)) {
            return Err(AppendError::Full);
        }
        let first = state.newest + 1;
        state.newest += count;
        let seal = |(seq, draft): (u64, Draft)| Arc::new(draft.seal(self.id(seq)));
        let records: SmallVec<[Arc<Record>; 1]> = (first..).zip(drafts).map(seal).collect();
        for record in &records {
            state.history.insert(record.clone(), now.elapsed_ms);
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

    fn resume(&self, resume: &Resume, now: Now) {
        let Resume { token, after, profile, budget } = resume;
        let Some(outlet) = self.outlets.get(token.shard as usize) else { return };
        let profile = profile.as_deref().unwrap_or(&self.nobody);
        let client = self.ids.seal(*token);
        let mut state = self.lock();
        state.history.expire(now.elapsed_ms);
        let (after, continuity) = self.place(&state, *after, profile, client);
        let Found { records, more_after } = state.history.after(after, profile, client, *budget);
        let (position, last) = (more_after.unwrap_or(state.newest), more_after.is_none());
        outlet.send(Command::Join(Join { token: *token, records, position, last, continuity }));
    }

    fn report(&self, now: Now) -> JournalReport {
        let mut state = self.lock();
        state.history.expire(now.elapsed_ms);
        let (newest, history) = (state.newest, &state.history);
        let age_ms = history.age_at(now.elapsed_ms);
        JournalReport { newest, events: history.events() as u64, bytes: history.bytes() as u64, age_ms }
    }
}
