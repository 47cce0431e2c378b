//! The newest events, in memory.

use std::sync::Arc;

use crate::event::{Now, Record};
use crate::journal::history::{Found, Gone, History, Portion};
use crate::journal::wanted::Wanted;

/// The newest events, up to the limits of memory. What it drops is still on disk.
#[derive(Debug)]
pub(super) struct Hot {
    history: History,
    /// The newest event that was delivered.
    newest: u64,
    /// The newest event that was published before this process began, and is not here.
    before: u64,
}

/// The end of an answer, or all of it.
#[derive(Debug)]
pub(super) struct Portioned {
    pub(super) records: Vec<Arc<Record>>,
    /// Everything up to this position has been considered.
    pub(super) position: u64,
    /// Whether that is the newest event.
    pub(super) last: bool,
}

impl Hot {
    /// Nothing in memory, behind the newest event on disk.
    pub(super) fn new(history: History, newest: u64) -> Self {
        Self { history, newest, before: newest }
    }

    /// The newest event that was delivered. The disk may have newer ones.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// Bytes of memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.history.bytes()
    }

    /// Takes an event that is being delivered.
    pub(super) fn insert(&mut self, record: Arc<Record>, now: Now, gone: &mut Gone) {
        self.newest = record.position;
        self.history.insert(record, now.elapsed_ms, gone);
    }

    /// Removes events that have expired.
    pub(super) fn expire(&mut self, now: Now, gone: &mut Gone) {
        self.history.expire(now.elapsed_ms, gone);
    }

    /// The events after a position, up to the limits of an answer; `None` where some that may be for the client are not here.
    pub(super) fn after(
        &self,
        position: u64,
        wanted: &Wanted,
        portion: Portion,
        now: Now,
    ) -> Option<Portioned> {
        if position < self.before || self.history.has_lost(position, wanted, now.elapsed_ms) {
            return None;
        }
        let Found { records, more_after } = self.history.after(position, wanted, portion, now.elapsed_ms);
        Some(Portioned { records, position: more_after.unwrap_or(self.newest), last: more_after.is_none() })
    }
}
