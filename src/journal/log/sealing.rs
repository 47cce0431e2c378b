//! Sealing: writing the index of a segment that is no longer written to, and making it again where it is missing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use super::disk::put_in_place;
use super::index_file::IndexFile;
use super::index_format::index_bytes;
use super::memory_index::MemoryIndex;
use super::scan::Scan;
use super::segment::{Segment, SegmentIndex};
use super::shared::{DamagedPlace, Lookup, Shared};

impl Shared {
    /// Seals the oldest segment that waits for it. Whether there was one.
    pub(super) fn seal_next(&self) -> io::Result<bool> {
        let Some(segment) = self.unsealed.lock().pop_front() else { return Ok(false) };
        let sealed = self.seal(&segment);
        if sealed.is_err() {
            self.unsealed.lock().push_front(segment);
        }
        sealed.map(|()| true)
    }

    fn seal(&self, segment: &Arc<Segment>) -> io::Result<()> {
        let SegmentIndex::Memory(index) = segment.index.read().clone() else { return Ok(()) };
        // An index says that its segment is whole, so that must be on the disk first.
        let log = self.file(&segment.log_name())?;
        // After a sync has failed, one that succeeds says nothing.
        if self.has_failed() {
            return Err(io::Error::other("a sync has failed"));
        }
        if let Err(error) = log.sync() {
            self.fail();
            return Err(error);
        }
        let _sealing = self.sealing.lock();
        self.write_index(segment, &index)
    }

    fn write_index(&self, segment: &Segment, index: &Mutex<MemoryIndex>) -> io::Result<()> {
        let made = index_bytes(&index.lock(), segment.first, segment.epoch, segment.begin, segment.unix_ms);
        let name = segment.index_name();
        put_in_place(&*self.disk, &name, &made.bytes)?;
        self.disk.sync()?;
        self.forget_file(&name);
        segment.bytes.store(made.footer.end + made.bytes.len() as u64, Ordering::Relaxed);
        if let Some(file) = IndexFile::of(made.footer, &made.fences) {
            *segment.index.write() = SegmentIndex::File(Arc::new(file));
        }
        Ok(())
    }

    /// Makes the index of a segment again, from what can be read of it. Where the index cannot be written, it is used
    /// once.
    pub(super) fn rebuild(&self, segment: &Arc<Segment>) -> io::Result<Lookup> {
        let _sealing = self.sealing.lock();
        // Somebody else may have made it meanwhile.
        if let SegmentIndex::File(index) = segment.index.read().clone()
            && let Ok(file) = self.disk.open(&segment.index_name())
        {
            return Ok(Lookup::File(index, file));
        }
        let log = self.file(&segment.log_name())?;
        let size = log.size()?;
        let mut index = MemoryIndex::new(segment.begin, segment.first, segment.unix_ms);
        let scan = Scan::new(log, segment.first, Some(segment.epoch), size);
        let mut scanned = scan.run(segment.begin, segment.first, &mut index)?;
        index.end = size;
        if let Some(behind) = self.segment_behind(segment.first) {
            scanned.skip_to(behind.first);
        }
        for lost in &scanned.lost {
            let offsets = 0..u64::MAX;
            self.note_damage(DamagedPlace { segment: segment.first, offsets, last: lost.end - 1 });
        }
        if index.next == segment.first {
            // Nothing of it can be read: there is nothing to make an index of.
            return Ok(Lookup::Memory(Arc::new(Mutex::new(index))));
        }
        let index = Arc::new(Mutex::new(index));
        if self.write_index(segment, &index).is_ok()
            && let SegmentIndex::File(index) = segment.index.read().clone()
        {
            return Ok(Lookup::File(index, self.file(&segment.index_name())?));
        }
        Ok(Lookup::Memory(index))
    }

    /// An index on disk has turned out to be damaged.
    pub(super) fn discard_index(&self, segment: &Segment) {
        let mut index = segment.index.write();
        if matches!(*index, SegmentIndex::File(_)) {
            *index = SegmentIndex::Missing;
        }
        self.forget_file(&segment.index_name());
    }
}
