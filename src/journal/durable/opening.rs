//! Opening a durable journal.

use std::fmt;
use std::io;
use std::sync::Arc;

use crossbeam_channel::{bounded, unbounded};

use super::committer::Committer;
use super::hot::Hot;
use super::journal::DurableJournal;
use super::options::DurableOptions;
use super::queue::Queue;
use super::replayer::Replayer;
use super::shared::Shared;
use super::syncer::Syncer;
use super::upkeep::Upkeep;
use super::work::Work;
use crate::event::ClientKey;
use crate::journal::delivery::Delivery;
use crate::journal::history::History;
use crate::journal::idempotency::{Answer, IdempotencyKeys};
use crate::journal::log::{Disk, KeptKey, Log, LogOptions, OpenError, Opening, Recovery};
use crate::journal::wanted::Hasher;

/// A log that is open, for a journal.
pub struct DurableLog {
    log: Log,
    options: DurableOptions,
    keys: Vec<KeptKey>,
}

/// A journal that is open, and what is to be done for it, each by a thread of its own.
#[derive(Debug)]
pub struct Opened {
    /// The journal.
    pub journal: DurableJournal,
    /// Commits.
    pub committer: Committer,
    /// Reads.
    pub replayer: Replayer,
    /// Seals and removes.
    pub upkeep: Upkeep,
    /// Syncs.
    pub syncer: Syncer,
}

impl fmt::Debug for DurableLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableLog").field("options", &self.options).finish_non_exhaustive()
    }
}

impl DurableLog {
    /// Opens the log of a folder, or begins one there.
    pub fn open(
        disk: Arc<dyn Disk>,
        log: LogOptions,
        options: DurableOptions,
        opening: Opening,
    ) -> Result<Self, OpenError> {
        let log = Log::open(disk, log, opening)?;
        let since = opening.unix_ms.saturating_sub(options.window_ms);
        let keys = match options.window_ms {
            0 => Ok(Vec::new()),
            _ => log.reader.keys_since(since, options.keys),
        };
        let keys = keys.unwrap_or_else(|error: io::Error| {
            tracing::error!(%error, "the idempotency keys of before the start cannot be read");
            Vec::new()
        });
        Ok(Self { log, options, keys })
    }

    /// What was found.
    pub fn recovery(&self) -> &Recovery {
        &self.log.recovery
    }

    /// The journal that delivers to these shards. Client ids are made with `ids`.
    pub fn start(self, ids: ClientKey, delivery: Delivery) -> Opened {
        let Self { log: Log { appender, reader, maintenance, recovery }, options, keys } = self;
        let hasher = Hasher::default();
        let hot = Hot::new(History::new(options.memory, hasher.clone()), recovery.newest);
        let queue = Queue::new(IdempotencyKeys::new(options.window_ms, options.keys));
        for KeptKey { scope, key, body, first, count, unix_ms } in keys.into_iter().rev() {
            let id = |seq| reader.epochs().id(seq);
            let answer = Answer { first: id(first), last: id(first + count.max(1) - 1) };
            queue.restore(&scope, &key, body, answer, unix_ms);
        }
        let shared = Arc::new(Shared::new(ids, options, delivery, queue, reader, (hot, hasher)));
        shared.counters.damaged_at_start.add(usize::try_from(recovery.damaged).unwrap_or(usize::MAX));
        shared.look_at_room();
        let (questions, asked) = unbounded();
        // One waits while one is synced.
        let (to_sync, syncs) = bounded(1);
        let (running, end) = bounded(0);
        Opened {
            committer: Committer::new(shared.clone(), appender, to_sync, running),
            replayer: Replayer::new(shared.clone(), asked),
            upkeep: Upkeep::new(shared.clone(), maintenance, end),
            syncer: Syncer::new(syncs),
            journal: DurableJournal::new(shared, questions),
        }
    }
}

impl Opened {
    /// The journal, and what is to be done for it on threads.
    pub fn on_threads(self) -> (DurableJournal, Vec<Work>) {
        let Self { journal, committer, replayer, upkeep, syncer } = self;
        let work = vec![
            Work::new("commit", move |clock| committer.run(&*clock)),
            Work::new("replay", move |clock| replayer.run(&*clock)),
            Work::new("upkeep", move |clock| upkeep.run(&*clock)),
            Work::new("sync", move |_| syncer.run()),
        ];
        (journal, work)
    }
}
