//! The journal that lives in memory: a history that ends with the process.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::delivery::{Delivery, Records};
use super::epochs::Epochs;
use super::history::{Found, Gone, History, HistoryLimits, Portion};
use super::idempotency::{Answer, IdempotencyKeys, MOST};
use super::wanted::{Hasher, Wanted};
use super::{
    Acknowledge, Append, AppendError, Appended, Journal, JournalReport, Page, Published, Reading, Told,
};
use crate::event::{ClientKey, Continuity, Draft, Drafts, Gap, Now, Profile, StreamToken};
use crate::shard::{After, Join, Missed, Newest, Resume};

/// A [`Journal`] in memory.
pub struct MemoryJournal {
    ids: ClientKey,
    delivery: Delivery,
    state: Mutex<State>,
    hasher: Hasher,
    nobody: Profile,
}

/// How long an idempotency key is remembered, unless somebody says otherwise.
const WINDOW_MS: u64 = 24 * 60 * 60 * 1000;

struct State {
    epochs: Epochs,
    /// The position of the newest event.
    newest: u64,
    history: History,
    keys: IdempotencyKeys,
    /// Nothing more is published.
    ended: bool,
}

impl fmt::Debug for MemoryJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryJournal").finish_non_exhaustive()
    }
}

impl MemoryJournal {
    /// An empty history that begins with `epoch`. Client ids are made with `ids`.
    pub fn new(epoch: u64, ids: ClientKey, limits: HistoryLimits, delivery: Delivery) -> Self {
        let hasher = Hasher::default();
        let history = History::new(limits, hasher.clone());
        let keys = IdempotencyKeys::new(WINDOW_MS, MOST);
        let state = State { epochs: Epochs::new(epoch), newest: 0, history, keys, ended: false };
        Self { ids, delivery, state: Mutex::new(state), hasher, nobody: Profile::default() }
    }

    /// Remembers idempotency keys for so long, in ms, instead of a day.
    #[must_use]
    pub fn with_window(self, window_ms: u64) -> Self {
        self.state.lock().keys = IdempotencyKeys::new(window_ms, MOST);
        self
    }
}

impl State {
    /// Gives the events their places.
    fn sequence(&mut self, drafts: Drafts) -> Records {
        let first = self.newest + 1;
        self.newest += drafts.len() as u64;
        let seal = |(position, draft): (u64, Draft)| Arc::new(draft.seal(position, self.epochs.id(position)));
        (first..).zip(drafts).map(seal).collect()
    }

    /// The position that a stream goes on after, and whether that is where its client left off.
    fn place(&self, after: After, wanted: &Wanted, now: Now) -> (u64, Continuity) {
        let position = match after {
            After::Position(position) => Ok(position),
            After::Earliest => Ok(0),
            After::Since(unix_ms) => Ok(self.history.before_time(elapsed_at(unix_ms, now), self.newest)),
            After::Id(id) => self.epochs.position(id, self.newest),
        };
        match position {
            Err(gap) => (0, Continuity::Lost(gap)),
            Ok(position) if self.history.has_lost(position, wanted, now.elapsed_ms) => {
                (position, Continuity::Lost(Gap::Expired))
            }
            Ok(position) => (position, Continuity::Recovered),
        }
    }

    /// What a stream missed, up to the limits of an answer.
    fn missed(&self, after: After, wanted: &Wanted, portion: Portion, now: Now) -> Missed {
        let (position, continuity) = self.place(after, wanted, now);
        let Found { records, more_after } = self.history.after(position, wanted, portion, now.elapsed_ms);
        let (position, last) = (more_after.unwrap_or(self.newest), more_after.is_none());
        let id = match (after, continuity, records.first()) {
            (After::Id(id), Continuity::Recovered, _) => id,
            (_, Continuity::Recovered, Some(first)) => first.id.preceding(),
            _ => self.epochs.id(position),
        };
        Missed { records, position, id, last, continuity }
    }
}

impl State {
    /// What is held of what is asked for, up to the limits of a page.
    fn page(&self, reading: &Reading, wanted: &Wanted, now: Now) -> Page {
        let (position, mut continuity) = self.place(reading.after, wanted, now);
        if reading.is_everything()
            && continuity == Continuity::Recovered
            && self.history.has_dropped(position)
        {
            continuity = Continuity::Lost(Gap::Expired);
        }
        let (mut events, mut bytes, mut more_after) = (Vec::new(), 0_usize, None);
        let mut looked_at = position;
        for (looks, (record, since_ms)) in self.history.held_after(position, now.elapsed_ms).enumerate() {
            let is_wanted = reading.wants(&record.target.to);
            let is_full = events.len() >= reading.limit || bytes.saturating_add(record.size()) > PAGE_BYTES;
            if looks >= PAGE_LOOKS || (is_wanted && is_full && !events.is_empty()) {
                more_after = Some(looked_at);
                break;
            }
            looked_at = record.position;
            if is_wanted {
                bytes = bytes.saturating_add(record.size());
                let unix_ms = now.unix_ms.saturating_sub(now.elapsed_ms.saturating_sub(since_ms));
                events.push(Published { record: record.clone(), unix_ms });
            }
        }
        Page { events, next: more_after.map(|position| self.epochs.id(position)), continuity }
    }
}

/// Bytes of the events on one page.
const PAGE_BYTES: usize = 1 << 20;
/// Maximum number of events that are looked at for one page, under the lock that publishers wait for.
const PAGE_LOOKS: usize = 1_024;
/// The token of no stream.
const NOBODY: StreamToken = StreamToken { shard: u16::MAX, slot: u32::MAX, serial: u32::MAX };

/// What the clock that counts from the start showed at a time in Unix ms; 0 before the start.
fn elapsed_at(unix_ms: u64, now: Now) -> u64 {
    now.elapsed_ms.saturating_sub(now.unix_ms.saturating_sub(unix_ms))
}

impl Journal for MemoryJournal {
    fn append(
        &self,
        append: Append,
        now: Now,
        _: &mut dyn FnMut() -> Acknowledge,
    ) -> Result<Option<Appended>, AppendError> {
        let drafts = append.drafts;
        let bytes = drafts.iter().map(Draft::size).sum();
        let mut gone = Gone::new();
        let mut state = self.state.lock();
        if state.ended {
            return Err(AppendError::Ended);
        }
        let ticket = match &append.key {
            None => None,
            Some(key) => match state.keys.begin(&key.scope, &key.key, key.body, now.unix_ms).into_ticket()? {
                Ok(ticket) => Some(ticket),
                Err(appended) => return Ok(Some(appended)),
            },
        };
        if !self.delivery.has_room(drafts.len(), bytes) {
            ticket.into_iter().for_each(|ticket| state.keys.refused(ticket));
            return Err(AppendError::Full);
        }
        let records = state.sequence(drafts);
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(None) };
        let (first, last) = (first.id, last.id);
        let appended = Appended { first, last, is_repeat: false };
        if let Some(ticket) = ticket {
            state.keys.answered(ticket, Answer { first, last }, now.unix_ms);
        }
        for record in &records {
            state.history.insert(record.clone(), now.elapsed_ms, &mut gone);
        }
        self.delivery.publish(records);
        Ok(Some(appended))
    }

    fn wake(&self) {
        self.delivery.wake();
    }

    fn drain(&self, spread: Duration) {
        let mut state = self.state.lock();
        state.ended = true;
        self.delivery.drain(spread);
    }

    fn resume(&self, resume: &Resume, now: Now) {
        let Resume { token, after, profile, budget, effort } = resume;
        let profile = profile.as_deref().unwrap_or(&self.nobody);
        let client = self.ids.seal(*token);
        let wanted = Wanted::new(profile, client, &self.hasher);
        let portion = Portion { bytes: *budget, effort: *effort, patterns: profile.topics.len() };
        let mut gone = Gone::new();
        let mut state = self.state.lock();
        state.history.expire(now.elapsed_ms, &mut gone);
        let missed = state.missed(*after, &wanted, portion, now);
        self.delivery.join(Join { token: *token, missed: Some(missed) });
        // Otherwise a loop that resumes many streams would take the lock again before a waiting publisher wakes up.
        MutexGuard::unlock_fair(state);
    }

    fn read(&self, reading: Reading, now: Now, done: Told) {
        let (profile, nobody) = (reading.profile(), self.ids.seal(NOBODY));
        let wanted = Wanted::new(&profile, nobody, &self.hasher);
        let mut gone = Gone::new();
        let mut state = self.state.lock();
        state.history.expire(now.elapsed_ms, &mut gone);
        let page = state.page(&reading, &wanted, now);
        drop(state);
        done(Ok(page));
    }

    fn newest(&self) -> Newest {
        let state = self.state.lock();
        Newest { position: state.newest, id: state.epochs.id(state.newest) }
    }

    fn report(&self, now: Now) -> JournalReport {
        let mut gone = Gone::new();
        let mut state = self.state.lock();
        state.history.expire(now.elapsed_ms, &mut gone);
        let (epoch, history) = (state.epochs.current(), &state.history);
        let age_ms = history.age_at(now.elapsed_ms);
        JournalReport {
            epoch,
            events: history.events() as u64,
            bytes: history.bytes() as u64,
            age_ms,
            disk: None,
        }
    }

    /// It ends with the process, and nothing of it is kept.
    fn close(&self) {}
}
