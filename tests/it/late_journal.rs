//! A journal that acknowledges later, as one on a disk does: when the test commits.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fanfare::event::{ClientKey, Drafts, Now};
use fanfare::journal::{
    Acknowledge, Append, Appended, Delivery, HistoryLimits, Journal, JournalReport, MemoryJournal, Reading,
    Told,
};
use fanfare::shard::{Newest, Resume};
use fanfare::{AppendError, EngineBuilder};

use crate::server::Server;

/// What becomes of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fortune {
    Kept,
    /// It is refused at once.
    Refused,
    /// It turns out later that it cannot be kept.
    Lost,
}

/// What is before the journal, for the test that commits it.
pub(crate) struct Commits {
    /// Of the publication of this number, from 0.
    fortune: fn(u64) -> Fortune,
    state: Mutex<State>,
    memory: OnceLock<MemoryJournal>,
    /// Held while something is committed, so that what two threads commit stays in order.
    committing: Mutex<()>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// Publications so far.
    publications: u64,
    ended: bool,
    closed: bool,
}

enum Waiting {
    Publication(Fortune, Box<Drafts>, Now, Acknowledge),
    Drain(Duration),
}

struct LateJournal(Arc<Commits>);

impl fmt::Debug for Commits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commits").finish_non_exhaustive()
    }
}

/// A server over such a journal.
pub(crate) fn late(fortune: fn(u64) -> Fortune) -> (Server, Arc<Commits>) {
    late_with(fortune, |builder| builder)
}

pub(crate) fn late_with(
    fortune: fn(u64) -> Fortune,
    configure: impl FnOnce(EngineBuilder) -> EngineBuilder,
) -> (Server, Arc<Commits>) {
    let commits = Arc::new(Commits {
        fortune,
        state: Mutex::default(),
        memory: OnceLock::new(),
        committing: Mutex::new(()),
    });
    let own = commits.clone();
    let open = move |ids: ClientKey, delivery: Delivery| {
        let limits = HistoryLimits { events: 100_000, bytes: 64 << 20, age: Duration::from_secs(3600) };
        assert!(own.memory.set(MemoryJournal::new(1_700_000_000_000, ids, limits, delivery)).is_ok());
        LateJournal(own)
    };
    (Server::with(|builder| configure(builder.journal(open))), commits)
}

impl Commits {
    /// Publications that are not acknowledged yet.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.state();
        state.waiting.iter().filter(|waiting| matches!(waiting, Waiting::Publication(..))).count()
    }

    /// Whether publishing has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.state().ended
    }

    /// Commits so much of what waits, and acknowledges it. Returns how many publications that were.
    pub(crate) fn commit(&self, most: usize) -> usize {
        let _one_after_another = self.committing.lock().expect("a lock");
        let batch: Vec<Waiting> = {
            let mut state = self.state();
            let count = most.min(state.waiting.len());
            state.waiting.drain(..count).collect()
        };
        let mut publications = 0;
        for waiting in batch {
            match waiting {
                Waiting::Publication(fortune, drafts, now, acknowledge) => {
                    publications += 1;
                    acknowledge(match fortune {
                        Fortune::Lost => Err(AppendError::Full),
                        _ => self.append(*drafts, now),
                    });
                }
                Waiting::Drain(spread) => self.memory().drain(spread),
            }
        }
        self.memory().wake();
        publications
    }

    /// Commits from a thread of its own, so much at a time and with pauses, until the journal is closed. The thread returns
    /// how many commits had something to keep.
    pub(crate) fn keep_committing(
        self: &Arc<Self>,
        mut next: impl FnMut() -> (usize, Duration) + Send + 'static,
    ) -> JoinHandle<usize> {
        let commits = self.clone();
        thread::spawn(move || {
            let mut count = 0;
            while !commits.state().closed {
                let (most, pause) = next();
                count += usize::from(commits.commit(most) > 0);
                thread::sleep(pause);
            }
            count
        })
    }

    fn append(&self, drafts: Drafts, now: Now) -> Result<Appended, AppendError> {
        let later = &mut || -> Acknowledge { panic!("a journal in memory acknowledges at once") };
        self.memory().append(drafts.into(), now, later).map(|appended| appended.expect("acknowledged"))
    }

    fn memory(&self) -> &MemoryJournal {
        self.memory.get().expect("it is open")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a lock")
    }
}

impl Journal for LateJournal {
    fn append(
        &self,
        append: Append,
        now: Now,
        later: &mut dyn FnMut() -> Acknowledge,
    ) -> Result<Option<Appended>, AppendError> {
        let mut state = self.0.state();
        if state.ended {
            return Err(AppendError::Ended);
        }
        let fortune = (self.0.fortune)(state.publications);
        state.publications += 1;
        if fortune == Fortune::Refused {
            return Err(AppendError::Full);
        }
        state.waiting.push_back(Waiting::Publication(fortune, Box::new(append.drafts), now, later()));
        Ok(None)
    }

    fn wake(&self) {}

    fn drain(&self, spread: Duration) {
        let mut state = self.0.state();
        state.ended = true;
        state.waiting.push_back(Waiting::Drain(spread));
    }

    fn resume(&self, resume: &Resume, now: Now) {
        self.0.memory().resume(resume, now);
    }

    fn read(&self, reading: Reading, now: Now, done: Told) {
        self.0.memory().read(reading, now, done);
    }

    fn newest(&self) -> Newest {
        self.0.memory().newest()
    }

    fn report(&self, now: Now) -> JournalReport {
        self.0.memory().report(now)
    }

    fn close(&self) {
        self.0.state().closed = true;
        self.0.commit(usize::MAX);
    }
}
