//! The publications that wait to be committed.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::event::{Draft, Drafts, Now};
use crate::journal::idempotency::{Answer, BodyHash, IdempotencyKeys, Ticket};
use crate::journal::{Acknowledge, Append, AppendError, Appended, IdempotencyKey};

/// What waits for the committer, in order, and the idempotency keys of what waits and of what was published.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Notified when there is something to do for the committer.
    work: Condvar,
    /// Notified when the committer has ended.
    end: Condvar,
}

#[derive(Debug)]
struct State {
    items: VecDeque<Item>,
    events: usize,
    bytes: usize,
    keys: IdempotencyKeys,
    /// Nothing more is published.
    ended: bool,
    /// The committer ends when nothing waits.
    closed: bool,
    /// It has ended.
    finished: bool,
    /// Whether the committer waits, and has not been woken.
    idle: bool,
}

/// One thing for the committer to do.
#[derive(Debug)]
pub(super) enum Item {
    Publication(Box<Waiting>),
    /// All streams are ended, behind what was published.
    Drain(Duration),
}

/// A publication that waits.
pub(super) struct Waiting {
    pub(super) drafts: Drafts,
    pub(super) key: Option<(Box<IdempotencyKey>, Ticket)>,
    pub(super) acknowledge: Acknowledge,
    pub(super) bytes: usize,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting")
            .field("drafts", &self.drafts)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// What the committer takes at once.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) items: Vec<Item>,
    /// The queue is closed, and nothing is left in it.
    pub(super) is_end: bool,
}

/// Maximum number of events that wait.
const MAX_EVENTS: usize = 65_536;
/// Maximum number of their bytes.
const MAX_BYTES: usize = 64 << 20;
/// Events, and bytes, that are committed at once. One publication may have more.
const GROUP_EVENTS: usize = 4_096;
const GROUP_BYTES: usize = 4 << 20;

impl Queue {
    pub(super) fn new(keys: IdempotencyKeys) -> Self {
        let state = State {
            items: VecDeque::new(),
            events: 0,
            bytes: 0,
            keys,
            ended: false,
            closed: false,
            finished: false,
            idle: false,
        };
        Self { state: Mutex::new(state), work: Condvar::new(), end: Condvar::new() }
    }

    /// Takes a publication, unless it is known by its key. The committer does not learn of it before it is woken.
    pub(super) fn push(
        &self,
        append: Append,
        now: Now,
        later: &mut dyn FnMut() -> Acknowledge,
    ) -> Result<Option<Appended>, AppendError> {
        let Append { drafts, key } = append;
        let bytes: usize = drafts.iter().map(Draft::size).sum();
        let mut state = self.state.lock();
        if state.ended {
            return Err(AppendError::Ended);
        }
        let is_full = state.events + drafts.len() > MAX_EVENTS || state.bytes + bytes > MAX_BYTES;
        // There is always room for one batch, however large, if nothing waits.
        if is_full && state.events > 0 {
            return Err(AppendError::Full);
        }
        let key = match key {
            None => None,
            Some(key) => match state.keys.begin(&key.scope, &key.key, key.body, now.unix_ms).into_ticket()? {
                Ok(ticket) => Some((key, ticket)),
                Err(appended) => return Ok(Some(appended)),
            },
        };
        state.events += drafts.len();
        state.bytes += bytes;
        let waiting = Waiting { drafts, key, acknowledge: later(), bytes };
        state.items.push_back(Item::Publication(Box::new(waiting)));
        Ok(None)
    }

    /// Ends publishing; what waits is committed before streams are drained.
    pub(super) fn drain(&self, spread: Duration) {
        let mut state = self.state.lock();
        state.ended = true;
        state.items.push_back(Item::Drain(spread));
        drop(state);
        self.wake();
    }

    /// Wakes the committer, if something waits for it.
    pub(super) fn wake(&self) {
        let mut state = self.state.lock();
        let has_work = state.closed || !state.items.is_empty();
        if state.idle && has_work {
            state.idle = false;
            drop(state);
            self.work.notify_one();
        }
    }

    /// Waits until there is something to commit, or until `at_most` is over, and takes up to a group of it.
    pub(super) fn take(&self, at_most: Option<Duration>) -> Taken {
        let mut state = self.state.lock();
        if state.items.is_empty() && !state.closed {
            state.idle = true;
            match at_most {
                Some(time) => drop(self.work.wait_for(&mut state, time)),
                None => self.work.wait(&mut state),
            }
            state.idle = false;
        }
        state.take()
    }

    /// Like [`take`](Self::take), without waiting.
    pub(super) fn try_take(&self) -> Taken {
        self.state.lock().take()
    }

    /// Says how publications with a key ended, before they are acknowledged.
    pub(super) fn settle(&self, settled: impl Iterator<Item = (Ticket, Option<Answer>)>, now: Now) {
        let mut settled = settled.peekable();
        if settled.peek().is_none() {
            return;
        }
        let mut state = self.state.lock();
        for (ticket, answer) in settled {
            match answer {
                Some(answer) => state.keys.answered(ticket, answer, now.unix_ms),
                None => state.keys.refused(ticket),
            }
        }
    }

    /// Takes up a key of what was published before a restart. Of two that are equal, the first given counts.
    pub(super) fn restore(&self, scope: &str, key: &str, body: BodyHash, answer: Answer, unix_ms: u64) {
        self.state.lock().keys.restore(scope, key, body, answer, unix_ms);
    }

    /// Ends publishing, and the committer once nothing waits.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        (state.ended, state.closed) = (true, true);
        drop(state);
        self.wake();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// The committer has ended. What still waits is not published.
    pub(super) fn finish(&self) {
        let mut state = self.state.lock();
        (state.ended, state.finished) = (true, true);
        let left = std::mem::take(&mut state.items);
        drop(state);
        self.end.notify_all();
        for item in left {
            if let Item::Publication(waiting) = item {
                (waiting.acknowledge)(Err(AppendError::Ended));
            }
        }
    }

    /// Waits until the committer has ended, for so long at most; whether it has.
    pub(super) fn wait_for_end(&self, at_most: Duration) -> bool {
        let mut state = self.state.lock();
        self.end.wait_while_for(&mut state, |state| !state.finished, at_most);
        state.finished
    }
}

impl State {
    fn take(&mut self) -> Taken {
        let (mut items, mut events, mut bytes) = (Vec::new(), 0, 0);
        while let Some(item) = self.items.front() {
            if let Item::Publication(next) = item {
                let is_full = events + next.drafts.len() > GROUP_EVENTS || bytes + next.bytes > GROUP_BYTES;
                if is_full && !items.is_empty() {
                    break;
                }
                events += next.drafts.len();
                bytes += next.bytes;
            }
            items.extend(self.items.pop_front());
        }
        self.events -= events;
        self.bytes -= bytes;
        let is_end = items.is_empty() && self.closed;
        Taken { items, is_end }
    }
}
