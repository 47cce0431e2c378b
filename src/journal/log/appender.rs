//! Appending: the end of the log that one thread writes to.

use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};

use super::address::storable;
use super::disk::{File, is_full, put_in_place, write_all};
use super::error::{RefusedAppend, Unstorable};
use super::group::{GroupBuffer, GroupHead};
use super::lock::End;
use super::memory_index::MemoryIndex;
use super::record::{AppendKey, Entry, Part};
use super::segment::{Segment, SegmentHead, SegmentIndex};
use super::shared::Shared;

/// One publication, or one batch.
#[derive(Clone, Copy, Debug)]
pub struct Append<'a> {
    /// Its events, in order.
    pub entries: &'a [Entry<'a>],
    /// What makes repeating it safe.
    pub key: Option<AppendKey<'a>>,
}

/// Writes to a log. There is one for each log, for a thread of its own: it waits for the disk.
#[derive(Debug)]
pub struct Appender {
    shared: Arc<Shared>,
    segment: Arc<Segment>,
    index: Arc<Mutex<MemoryIndex>>,
    file: Arc<dyn File>,
    /// Where the next group begins in the segment.
    end: u64,
    /// Where the file ends at the latest: up to there may be zeros.
    size: u64,
    /// The seq of the next event.
    next: u64,
    last_ms: u64,
    /// Other files that have something unsynced.
    unsynced: Vec<Arc<dyn File>>,
    /// What others are to sync, as long as they have not.
    handed_over: Vec<Weak<[Arc<dyn File>]>>,
    is_synced: bool,
    buffer: GroupBuffer,
}

/// What has been handed to the kernel, so that a thread of its own can wait until it is on the disk while more is appended.
#[derive(Debug)]
pub struct Unsynced {
    shared: Arc<Shared>,
    files: Arc<[Arc<dyn File>]>,
    through: u64,
}

/// Written ahead of the groups, at once.
static AHEAD: [u8; 256 << 10] = [0; 256 << 10];
/// Segments that may wait for their index before an append makes one itself.
const MAX_UNSEALED: usize = 2;

impl Appender {
    pub(super) fn new(
        shared: Arc<Shared>,
        segment: Arc<Segment>,
        index: Arc<Mutex<MemoryIndex>>,
        file: Arc<dyn File>,
    ) -> Self {
        let (end, next, last_ms) = {
            let index = index.lock();
            (index.end, index.next, index.last_ms)
        };
        let buffer = GroupBuffer::default();
        Self {
            shared,
            segment,
            index,
            file,
            end,
            size: end,
            next,
            last_ms,
            unsynced: Vec::new(),
            handed_over: Vec::new(),
            is_synced: true,
            buffer,
        }
    }

    /// The seq that the next event gets.
    pub fn next_seq(&self) -> u64 {
        self.next
    }

    /// The epoch of the events that it appends.
    pub fn epoch(&self) -> u64 {
        self.segment.epoch
    }

    /// Appends all of these, or nothing: whatever comes, after a crash they are there together or not at all. Returns the
    /// seqs of their events, in order.
    ///
    /// When it returns they can be read. With [`always_sync`](super::LogOptions::always_sync) they are then on the disk,
    /// and could not be read before. A time before that of the last append counts as that.
    pub fn append(&mut self, appends: &[Append<'_>], unix_ms: u64) -> Result<Range<u64>, RefusedAppend> {
        if self.shared.has_failed() {
            return Err(RefusedAppend::Failed);
        }
        let first = self.next;
        let unix_ms = unix_ms.max(self.last_ms);
        let next = self.encode(appends, unix_ms)?;
        if next == first {
            return Ok(first..first);
        }
        self.make_room(unix_ms)?;
        let head = self.buffer.seal(self.segment.epoch, first, unix_ms, self.segment.first, self.end);
        if let Err(error) = write_all(&*self.file, self.buffer.bytes(), self.end) {
            return Err(self.undo(error));
        }
        if self.shared.options.always_sync {
            self.write_ahead();
            self.file.sync().map_err(|_| self.fail())?;
        } else {
            self.is_synced = false;
        }
        self.publish(appends, &head);
        Ok(first..next)
    }

    /// Writes zeros behind what is there, for the groups that follow. A sync of a file that has not grown need not write the
    /// file system's journal, and takes about half the time.
    fn write_ahead(&mut self) {
        let end = self.end + self.buffer.size();
        if end <= self.size {
            return;
        }
        let most = self.shared.options.segment_bytes.saturating_sub(end).min(AHEAD.len() as u64);
        // Where there is no room for them, there is for the group itself, and a part of them may be there.
        let _ = write_all(&*self.file, &AHEAD[..most as usize], end);
        self.size = end + most;
    }

    /// Makes the group. Returns the seq behind its last event.
    fn encode(&mut self, appends: &[Append<'_>], unix_ms: u64) -> Result<u64, RefusedAppend> {
        self.buffer.clear();
        let mut seq = self.next;
        for Append { entries, key } in appends {
            let mut key = key.map(|key| (key, entries.len() as u64));
            for (at, entry) in entries.iter().enumerate() {
                if entry.ttl_ms != Some(0) {
                    storable(entry.target)?;
                }
                let part = Part { is_first: at == 0, is_last: at + 1 == entries.len() };
                self.buffer.put(seq, unix_ms, entry, part, key.take());
                seq += 1;
                if self.buffer.is_too_large() {
                    return Err(Unstorable::Size.into());
                }
            }
        }
        Ok(seq)
    }

    /// Begins a new segment if the group does not belong into this one.
    fn make_room(&mut self, unix_ms: u64) -> Result<(), RefusedAppend> {
        let options = &self.shared.options;
        let is_full = self.end + self.buffer.size() > options.segment_bytes;
        let is_old = unix_ms.saturating_sub(self.segment.unix_ms) >= options.segment_age_ms;
        if self.next == self.segment.first || !(is_full || is_old) {
            return Ok(());
        }
        let begun = begin_segment(&self.shared, self.next, unix_ms, self.shared.chain.list());
        let (segment, index, file) = begun.map_err(refused)?;
        // Until this is on the disk, a crash might take what is appended behind it.
        self.shared.disk.sync().map_err(|_| self.fail())?;
        self.shared.segments.write().push_back(segment.clone());
        if self.size > self.end {
            // What stays of the zeros is no harm.
            let _ = self.file.set_size(self.end).and_then(|()| self.file.sync());
        }
        let full = std::mem::replace(&mut self.segment, segment);
        full.bytes.store(self.end, Ordering::Relaxed);
        let file = std::mem::replace(&mut self.file, file);
        if !self.is_synced {
            self.unsynced.push(file);
        }
        self.index = index;
        (self.end, self.size) = (self.segment.begin, self.segment.begin);
        let mut unsealed = self.shared.unsealed.lock();
        unsealed.push_back(full);
        let is_behind = unsealed.len() > MAX_UNSEALED;
        drop(unsealed);
        if is_behind {
            // If it fails, it is tried again with the next.
            let _ = self.shared.seal_next();
        }
        Ok(())
    }

    /// Takes back what a failed write may have left.
    fn undo(&mut self, error: io::Error) -> RefusedAppend {
        self.size = self.end;
        let undone = self.file.set_size(self.end).and_then(|()| self.file.sync());
        match undone {
            Ok(()) => refused(error),
            Err(_) => self.fail(),
        }
    }

    fn fail(&self) -> RefusedAppend {
        self.shared.fail();
        RefusedAppend::Failed
    }

    /// Lets the group be read.
    fn publish(&mut self, appends: &[Append<'_>], head: &GroupHead) {
        let mut index = self.index.lock();
        index.mark(self.end, head.first, head.unix_ms);
        let mut records = (head.first..).zip(self.buffer.records());
        for Append { entries, key } in appends {
            let mut key = *key;
            for entry in *entries {
                let Some((seq, offset)) = records.next() else { break };
                if let Some(key) = key.take() {
                    index.insert_append(key, seq, entries.len() as u64, head.unix_ms);
                }
                if entry.ttl_ms != Some(0) {
                    let expires_ms = entry.ttl_ms.map(|ttl| head.unix_ms.saturating_add(ttl));
                    index.insert(self.end + u64::from(*offset), seq, &entry.target.to, expires_ms);
                }
            }
        }
        self.end += self.buffer.size();
        self.next = head.next();
        self.last_ms = head.unix_ms;
        (index.end, index.next) = (self.end, self.next);
        drop(index);
        self.segment.bytes.store(self.end, Ordering::Relaxed);
        self.shared.set_newest(self.next - 1);
    }

    /// Returns when everything appended before is on the disk.
    pub fn sync(&mut self) -> Result<(), RefusedAppend> {
        match self.unsynced() {
            Some(unsynced) => unsynced.sync().map(|_| ()),
            None if self.shared.has_failed() => Err(RefusedAppend::Failed),
            None => Ok(()),
        }
    }

    /// What is not known to be on the disk, to be synced on another thread; `None` where there is nothing. Whoever takes it
    /// must sync it.
    pub fn unsynced(&mut self) -> Option<Unsynced> {
        let mut files = std::mem::take(&mut self.unsynced);
        if !self.is_synced {
            files.push(self.file.clone());
            self.is_synced = true;
        }
        if files.is_empty() {
            return None;
        }
        let files: Arc<[_]> = files.into();
        self.handed_over.retain(|files| files.strong_count() > 0);
        self.handed_over.push(Arc::downgrade(&files));
        Some(Unsynced { shared: self.shared.clone(), files, through: self.next - 1 })
    }

    /// Ends the log cleanly: everything is on the disk, and the next start knows it.
    pub fn close(mut self) -> Result<(), RefusedAppend> {
        // Those who have it may not have come to it yet.
        for files in self.handed_over.drain(..).filter_map(|files| files.upgrade()) {
            files.iter().try_for_each(|file| file.sync()).map_err(|_| RefusedAppend::Failed)?;
        }
        if self.size > self.end {
            self.file.set_size(self.end).and_then(|()| self.file.sync()).map_err(|_| self.fail())?;
        }
        self.sync()?;
        self.shared.write_lock(End::Clean { next: self.next }).map_err(refused)
    }
}

impl Unsynced {
    /// Returns when it is on the disk, with the newest seq that is. A failure ends all appending.
    pub fn sync(self) -> Result<u64, RefusedAppend> {
        for file in &*self.files {
            if file.sync().is_err() {
                self.shared.fail();
            }
        }
        if self.shared.has_failed() { Err(RefusedAppend::Failed) } else { Ok(self.through) }
    }
}

/// A segment, its index, and its file.
pub(super) type Begun = (Arc<Segment>, Arc<Mutex<MemoryIndex>>, Arc<dyn File>);

/// Creates a segment. The folder is not synced yet.
fn begin_segment(shared: &Shared, first: u64, unix_ms: u64, epochs: &[(u64, u64)]) -> io::Result<Begun> {
    create_segment(&*shared.disk, SegmentHead { first, unix_ms, epochs: epochs.to_vec() })
}

pub(super) fn create_segment(disk: &dyn super::disk::Disk, head: SegmentHead) -> io::Result<Begun> {
    let bytes = head.encode();
    let file = put_in_place(disk, &super::segment::log_name(head.first), &bytes)?;
    let begin = bytes.len() as u64;
    let index = Arc::new(Mutex::new(MemoryIndex::new(begin, head.first, head.unix_ms)));
    let segment = Segment {
        first: head.first,
        epoch: head.epoch(),
        unix_ms: head.unix_ms,
        begin,
        index: RwLock::new(SegmentIndex::Memory(index.clone())),
        bytes: begin.into(),
    };
    Ok((Arc::new(segment), index, file))
}

fn refused(error: io::Error) -> RefusedAppend {
    if is_full(&error) { RefusedAppend::Full } else { RefusedAppend::Io(error) }
}
