//! What the threads of a durable journal have in common.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::counters::Counters;
use super::hot::Hot;
use super::options::DurableOptions;
use super::queue::Queue;
use crate::event::{ClientId, ClientKey, Draft, Profile, Record};
use crate::journal::delivery::Delivery;
use crate::journal::log::{Reader, Stored};
use crate::journal::wanted::{Hasher, Wanted};

pub(super) struct Shared {
    pub(super) ids: ClientKey,
    pub(super) options: DurableOptions,
    pub(super) delivery: Delivery,
    pub(super) queue: Queue,
    /// Held while events are delivered, and while streams are told the end of what they missed.
    pub(super) hot: Mutex<Hot>,
    pub(super) reader: Reader,
    pub(super) counters: Counters,
    pub(super) hasher: Hasher,
    pub(super) nobody: Profile,
    /// Bytes that can still be written to the disk, as they were seen last.
    free_bytes: AtomicU64,
}

/// Stands for a number of free bytes that is not known.
const UNKNOWN: u64 = u64::MAX;

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(
        ids: ClientKey,
        options: DurableOptions,
        delivery: Delivery,
        queue: Queue,
        reader: Reader,
        (hot, hasher): (Hot, Hasher),
    ) -> Self {
        Self {
            ids,
            options,
            delivery,
            queue,
            hot: Mutex::new(hot),
            reader,
            counters: Counters::default(),
            hasher,
            nobody: Profile::default(),
            free_bytes: UNKNOWN.into(),
        }
    }

    /// What may be for a client.
    pub(super) fn wanted(&self, profile: &Profile, client: ClientId) -> Wanted {
        Wanted::new(profile, client, &self.hasher)
    }

    /// The record of an event that was read from disk.
    pub(super) fn record(&self, stored: Stored) -> Arc<Record> {
        let seq = stored.seq;
        Arc::new(Draft::from(stored).seal(seq, self.reader.epochs().id(seq)))
    }

    pub(super) fn free_bytes(&self) -> Option<u64> {
        Some(self.free_bytes.load(Ordering::Relaxed)).filter(|bytes| *bytes != UNKNOWN)
    }

    /// Looks how much room the disk has.
    pub(super) fn look_at_room(&self) {
        self.free_bytes.store(self.reader.free_bytes().unwrap_or(UNKNOWN), Ordering::Relaxed);
    }
}
