//! A segment as it was found on disk when its log is opened.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::disk::{Disk, File, read_all, read_most, write_all};
use super::error::OpenError;
use super::index_file::IndexFile;
use super::lock::FORMAT;
use super::memory_index::MemoryIndex;
use super::scan::{Scan, Scanned};
use super::segment::{HeadFound, MAX_HEAD, Segment, SegmentHead, SegmentIndex, index_name, log_name};

/// Bytes that are read at once.
const STRETCH: usize = 64 << 10;

/// A segment on disk.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) first: u64,
    pub(super) epoch: u64,
    unix_ms: u64,
    /// `None` where it is damaged.
    pub(super) head: Option<SegmentHead>,
    begin: u64,
    /// Of its records, in bytes.
    pub(super) size: u64,
    /// Its index on disk, where it is sealed.
    pub(super) index: Option<IndexFile>,
    index_size: u64,
    /// The index that a scan has made.
    pub(super) memory: Option<MemoryIndex>,
    /// The seq behind its last record, if that is known.
    pub(super) next: Option<u64>,
}

impl Found {
    /// Reads its head, and the end of its index. Fails where it is of a newer format, or, if nothing says that the folder
    /// is of a history, where it is no segment at all.
    pub(super) fn read(disk: &dyn Disk, first: u64, is_new: bool) -> Result<Self, OpenError> {
        let name = log_name(first);
        let cannot = |error| OpenError::io("read", &name, error);
        let file = disk.open(&name).map_err(cannot)?;
        let size = file.size().map_err(cannot)?;
        let mut bytes = [0; MAX_HEAD];
        let count = read_most(&*file, &mut bytes, 0).map_err(cannot)?;
        let (head, begin) = match SegmentHead::decode(&bytes[..count], first) {
            HeadFound::Head(head, begin) => (Some(head), begin),
            HeadFound::Newer(format) => return Err(OpenError::Newer { format, known: FORMAT }),
            HeadFound::Foreign if is_new => return Err(OpenError::Foreign { name }),
            HeadFound::Foreign | HeadFound::Damaged => (None, 0),
        };
        let (index, index_size) = index(disk, first, size)?;
        let footer = index.as_ref().map(|index| index.footer);
        let next = footer.map(|footer| footer.next);
        let epoch = head.as_ref().map(SegmentHead::epoch).or(footer.map(|footer| footer.epoch)).unwrap_or(0);
        let unix_ms =
            head.as_ref().map(|head| head.unix_ms).or(footer.map(|footer| footer.unix_ms)).unwrap_or(0);
        let begin = footer.map_or(begin, |footer| footer.begin);
        Ok(Self { first, epoch, unix_ms, head, begin, size, index, index_size, memory: None, next })
    }

    /// Reads all of it. `behind` is the first seq of the segment that follows: what is missing before that is lost. Where a
    /// sync is known to have `failed`, all is written again.
    pub(super) fn scan(
        &mut self,
        disk: &dyn Disk,
        behind: Option<u64>,
        failed: bool,
    ) -> Result<Scanned, OpenError> {
        let name = log_name(self.first);
        let scan = || {
            let file = disk.open(&name)?;
            let mut index = MemoryIndex::new(self.begin, self.first, self.unix_ms);
            let epoch = self.head.as_ref().map(SegmentHead::epoch);
            let scanned = Scan::new(file.clone(), self.first, epoch, self.size)
                .run(self.begin, self.first, &mut index)?;
            index.end = scanned.end;
            let doubtful = if failed { self.begin } else { scanned.last_group };
            keep(&*file, doubtful..scanned.end)?;
            Ok((index, scanned))
        };
        let (mut index, mut scanned) =
            scan().map_err(|error: io::Error| OpenError::io("recover", &name, error))?;
        if self.head.is_none() {
            (self.epoch, self.unix_ms) = (scanned.epoch, scanned.last_ms);
        }
        if let Some(behind) = behind {
            scanned.skip_to(behind);
            // What is torn at the end stays there, and its index is of the whole.
            index.end = self.size;
        }
        self.memory = Some(index);
        self.next = Some(scanned.next);
        Ok(scanned)
    }

    /// Cuts off what a scan has found torn at the end. Returns the number of bytes, without the zeros that were written
    /// ahead.
    pub(super) fn cut(&mut self, disk: &dyn Disk, end: u64) -> Result<u64, OpenError> {
        if self.size <= end {
            return Ok(0);
        }
        let name = log_name(self.first);
        let cut = || {
            let file = disk.open(&name)?;
            let (mut bytes, mut torn, mut at) = (vec![0; STRETCH], 0, end);
            while let count @ 1.. = read_most(&*file, &mut bytes, at)? {
                let last = bytes[..count].iter().rposition(|byte| *byte != 0);
                torn = last.map_or(torn, |last| at + last as u64 + 1 - end);
                at += count as u64;
            }
            file.set_size(end)?;
            file.sync()?;
            Ok(torn)
        };
        let torn = cut().map_err(|error: io::Error| OpenError::io("cut", &name, error))?;
        self.size = end;
        Ok(torn)
    }

    /// Whether it has no record.
    pub(super) fn is_empty(&self) -> bool {
        self.next == Some(self.first)
    }

    /// Whether more may be appended to it.
    pub(super) fn may_grow(&self) -> bool {
        self.head.is_some() && self.memory.is_some()
    }

    /// When its last group was written, as far as that is known.
    pub(super) fn last_ms(&self) -> u64 {
        let scanned = self.memory.as_ref().map(|index| index.last_ms);
        scanned.or(self.index.as_ref().map(|index| index.footer.last_ms)).unwrap_or(self.unix_ms)
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.size + self.index_size
    }

    /// The segment, and its index if that is in memory.
    pub(super) fn open(self) -> (Arc<Segment>, Option<Arc<Mutex<MemoryIndex>>>) {
        let bytes = self.bytes();
        let memory = self.memory.map(|index| Arc::new(Mutex::new(index)));
        let index = match (&memory, self.index) {
            (Some(index), _) => SegmentIndex::Memory(index.clone()),
            (None, Some(index)) => SegmentIndex::File(Arc::new(index)),
            (None, None) => SegmentIndex::Missing,
        };
        let Self { first, epoch, unix_ms, begin, .. } = self;
        let index = RwLock::new(index);
        (Arc::new(Segment { first, epoch, unix_ms, begin, index, bytes: bytes.into() }), memory)
    }
}

/// Brings to the disk what the process before may not have. Where a sync has failed, the kernel takes for written what is
/// not, so it is written again: the last group always, for the process may not have been able to say that one has.
fn keep(file: &dyn File, doubtful: Range<u64>) -> io::Result<()> {
    let mut bytes = vec![0; (doubtful.end - doubtful.start) as usize];
    read_all(file, &mut bytes, doubtful.start)?;
    write_all(file, &bytes, doubtful.start)?;
    file.sync()
}

/// The index of a segment of that size, if it is a whole one, and its size.
fn index(disk: &dyn Disk, first: u64, size: u64) -> Result<(Option<IndexFile>, u64), OpenError> {
    let name = index_name(first);
    let read = || {
        let file: Arc<dyn File> = match disk.open(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, 0)),
            opened => opened?,
        };
        Ok((IndexFile::read(&*file, first)?, file.size()?))
    };
    let (index, bytes) = read().map_err(|error: io::Error| OpenError::io("read", &name, error))?;
    // It does not say what stands behind its end, if anything does.
    Ok((index.filter(|index| index.footer.end >= size), bytes))
}
