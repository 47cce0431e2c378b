//! Reading: where ids stand, what is lost, and where to begin.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use super::input::Input;
use super::key::Query;
use super::record::RawRecord;
use super::replay::Replay;
use super::scan::{Scan, Visit};
use super::shared::Shared;
use crate::event::{EventId, Gap};
use crate::journal::Epochs;

/// Reads a log, on any thread: what looks up ids and losses takes a short lock, what reads events waits for the disk.
#[derive(Clone, Debug)]
pub struct Reader {
    shared: Arc<Shared>,
}

/// What a log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogReport {
    /// The oldest event that is held, or would be the next.
    pub oldest: u64,
    /// When the segment was begun that holds it, in ms since the Unix epoch.
    pub oldest_ms: u64,
    /// The newest event; 0 before any.
    pub newest: u64,
    /// Segments.
    pub segments: usize,
    /// Bytes on disk.
    pub bytes: u64,
    /// Damaged places that were found while reading.
    pub damaged: u64,
    /// Whether a sync has failed, so that nothing more is appended until the log is opened again.
    pub has_failed: bool,
}

/// The key of an append that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptKey {
    /// Whose key it is.
    pub scope: Box<str>,
    /// The key.
    pub key: Box<str>,
    /// The hash of what was published with it.
    pub body: [u8; 32],
    /// The seq of its first event.
    pub first: u64,
    /// Number of its events.
    pub count: u64,
    /// When it was appended, in ms since the Unix epoch.
    pub unix_ms: u64,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The newest event that can be read; 0 before any.
    pub fn newest(&self) -> u64 {
        self.shared.newest()
    }

    /// The chain of epochs, which does not change while the log is open.
    pub fn epochs(&self) -> &Epochs {
        self.shared.chain.epochs()
    }

    /// The seq that an id means: of an event of the log, which may have been removed since, or of what stands before the
    /// first.
    pub fn position(&self, id: EventId) -> Result<u64, Gap> {
        self.epochs().position(id, self.newest())
    }

    /// Whether something behind a seq is lost that a query may have found: removed as too old, or damaged.
    pub fn has_lost(&self, query: &Query, after: u64) -> bool {
        self.shared.losses.lock().newest(query) > after
    }

    /// Reads what a query finds behind a seq, in pieces.
    pub fn replay(&self, query: Query, after: u64) -> Replay {
        Replay::new(self.shared.clone(), query, after)
    }

    /// The seq behind which everything was appended at a time or later, in ms since the Unix epoch. Where that was removed,
    /// it is one behind which it began, and [`has_lost`](Self::has_lost) says whether something is missing.
    pub fn before_time(&self, unix_ms: u64) -> io::Result<u64> {
        let segment = {
            let segments = self.shared.segments.read();
            let behind = segments.partition_point(|segment| segment.unix_ms < unix_ms);
            behind.checked_sub(1).and_then(|at| segments.get(at)).cloned()
        };
        let Some(segment) = segment else {
            // Where nobody knows when what is gone was appended, all of it may have been since.
            return Ok(self.shared.losses.lock().removed_at(unix_ms).unwrap_or(0));
        };
        let lookup = self.shared.lookup(&segment)?;
        let (marks, (end, last)) = (lookup.marks()?, lookup.end());
        let earlier = marks.partition_point(|mark| mark.unix_ms < unix_ms);
        let mark = earlier.checked_sub(1).map(|at| marks[at]);
        let (offset, seq) = mark.map_or((segment.begin, segment.first), |mark| (mark.offset, mark.seq));
        let file = self.shared.file(&segment.log_name())?;
        let mut until = Until { unix_ms, found: None };
        Scan::new(file, segment.first, Some(segment.epoch), end).run(offset, seq, &mut until)?;
        Ok(until.found.map_or(last.max(seq - 1), |seq| seq - 1))
    }

    /// The keys of appends since a time, the newest first, and at most so many: each pair of scope and key once. Reads the
    /// indexes of the segments, not their events.
    pub fn keys_since(&self, unix_ms: u64, most: usize) -> io::Result<Vec<KeptKey>> {
        let segments: Vec<_> = self.shared.segments.read().iter().cloned().collect();
        let (mut kept, mut known) = (Vec::new(), HashSet::new());
        for segment in segments.iter().rev() {
            let bytes = self.shared.lookup(segment)?.append_keys()?;
            let mut input = Input::new(&bytes);
            let mut keys = Vec::new();
            while !input.is_empty() {
                keys.push(KeptKey::take(&mut input).ok_or(io::ErrorKind::InvalidData)?);
            }
            for key in keys.into_iter().rev().filter(|key| key.unix_ms >= unix_ms) {
                if kept.len() == most {
                    return Ok(kept);
                }
                if known.insert((key.scope.clone(), key.key.clone())) {
                    kept.push(key);
                }
            }
            // All that is before was appended before.
            if segment.unix_ms < unix_ms {
                break;
            }
        }
        Ok(kept)
    }

    /// What is held.
    pub fn report(&self) -> LogReport {
        let segments = self.shared.segments.read();
        let front = segments.front();
        LogReport {
            oldest: front.map_or(1, |segment| segment.first),
            oldest_ms: front.map_or(0, |segment| segment.unix_ms),
            newest: self.newest(),
            segments: segments.len(),
            bytes: segments.iter().map(|segment| segment.bytes()).sum(),
            damaged: self.shared.damage.lock().count,
            has_failed: self.shared.has_failed(),
        }
    }

    /// Whether a sync has failed, so that nothing more is appended until the log is opened again.
    pub fn has_failed(&self) -> bool {
        self.shared.has_failed()
    }

    /// Bytes that can still be written to the disk.
    pub fn free_bytes(&self) -> io::Result<u64> {
        self.shared.disk.free_bytes()
    }
}

impl KeptKey {
    fn take(input: &mut Input<'_>) -> Option<Self> {
        Some(Self {
            scope: input.text()?.into(),
            key: input.text()?.into(),
            body: input.array()?,
            first: input.number()?,
            count: input.number()?,
            unix_ms: input.number()?,
        })
    }
}

/// Looks for the first record of a time or later.
struct Until {
    unix_ms: u64,
    found: Option<u64>,
}

impl Visit for Until {
    fn group(&mut self, _offset: u64, _head: &super::group::GroupHead) {}

    fn record(&mut self, _offset: u64, record: RawRecord<'_>) -> bool {
        let is_found = record.unix_ms >= self.unix_ms;
        if is_found {
            self.found = Some(record.seq);
        }
        !is_found
    }
}
