//! The history of an engine: in memory, or in a folder.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::StartError;
use super::epoch::next_epoch;
use crate::config::Config;
use crate::journal::durable::{DurableLog, DurableOptions, SyncPolicy};
use crate::journal::log::{Disk, Folder, LogOptions, OpenError, Opening};
use crate::journal::{HistoryLimits, MemoryJournal, idempotency};
use crate::net::{OpenJournal, random};

/// The journal that the options name. `disk` takes the place of the folder.
pub(super) fn open_journal(
    config: &Config,
    disk: Option<Arc<dyn Disk>>,
    unix_ms: u64,
) -> Result<OpenJournal, StartError> {
    let epoch = next_epoch(unix_ms, random()?);
    match &config.history_dir {
        Some(folder) => {
            let opened = on_disk(config, folder, disk, unix_ms, epoch);
            opened.map_err(|error| StartError::History { folder: folder.clone(), error })
        }
        None => Ok(in_memory(config, epoch)),
    }
}

/// A history that begins with this epoch and ends with the process.
fn in_memory(config: &Config, epoch: u64) -> OpenJournal {
    let limits =
        HistoryLimits { events: config.held_events(), bytes: config.held_bytes(), age: config.held_age() };
    let window_ms = config.idempotency_window.as_millis() as u64;
    Box::new(move |ids, delivery| {
        let journal = MemoryJournal::new(epoch, ids, limits, delivery).with_window(window_ms);
        (Box::new(journal), Vec::new())
    })
}

fn on_disk(
    config: &Config,
    folder: &Path,
    disk: Option<Arc<dyn Disk>>,
    unix_ms: u64,
    epoch: u64,
) -> Result<OpenJournal, OpenError> {
    let cannot = |error: io::Error| OpenError::folder(error);
    let disk = match disk {
        Some(disk) => disk,
        None => Arc::new(Folder::open(folder).map_err(cannot)?),
    };
    let age = config.held_age();
    let memory = HistoryLimits { events: usize::MAX, bytes: config.history_memory, age };
    let options = DurableOptions {
        sync: config.history_sync,
        memory,
        window_ms: config.idempotency_window.as_millis() as u64,
        keys: idempotency::MOST,
    };
    let is_always = options.sync == SyncPolicy::Always;
    let log = LogOptions::new(is_always, age.as_millis() as u64, config.held_bytes() as u64);
    let hash_key = [random().map_err(cannot)?, random().map_err(cannot)?];
    let log = DurableLog::open(disk, log, options, Opening { unix_ms, epoch, hash_key })?;
    tell(folder, &log);
    Ok(Box::new(move |ids, delivery| {
        let (journal, work) = log.start(ids, delivery).on_threads();
        (Box::new(journal), work)
    }))
}

/// Says what was found.
fn tell(folder: &Path, log: &DurableLog) {
    let found = log.recovery();
    let (events, bytes) = (found.newest, found.bytes);
    tracing::info!(folder = %folder.display(), newest = events, bytes, "history opened");
    if found.torn_bytes > 0 {
        tracing::warn!(
            bytes = found.torn_bytes,
            "history: the end of a write that was not finished is cut off"
        );
    }
    if found.damaged > 0 {
        tracing::error!(events = found.damaged, "history is damaged; clients that it concerns are told");
    }
    if found.is_new_epoch {
        tracing::warn!("history may have lost its newest events; clients that have seen them are told");
    }
}
