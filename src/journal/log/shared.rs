//! What the threads of a log have in common.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::disk::{Disk, File};
use super::epochs::EpochChain;
use super::index_file::IndexFile;
use super::key::Query;
use super::lock::{End, LockState};
use super::losses::Losses;
use super::memory_index::{Mark, MemoryIndex, Offsets};
use super::options::LogOptions;
use super::segment::{Segment, SegmentIndex};

/// An open log.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) options: LogOptions,
    /// In order; the last one is being written to.
    pub(super) segments: RwLock<VecDeque<Arc<Segment>>>,
    pub(super) chain: EpochChain,
    pub(super) losses: Mutex<Losses>,
    /// Segments that have no index on disk yet, the oldest first.
    pub(super) unsealed: Mutex<VecDeque<Arc<Segment>>>,
    /// Held by who writes or removes an index.
    pub(super) sealing: Mutex<()>,
    pub(super) damage: Mutex<DamageNotes>,
    files: Mutex<OpenFiles>,
    lock: Arc<dyn File>,
    boot: Option<String>,
    /// The newest event that can be read; 0 before any.
    newest: AtomicU64,
    /// A sync has failed.
    failed: AtomicBool,
}

/// Damage that was found and not yet noted among the losses.
#[derive(Debug, Default)]
pub(super) struct DamageNotes {
    pub(super) places: Vec<DamagedPlace>,
    /// Number of damaged places that were found since the start.
    pub(super) count: u64,
}

/// A part of a segment whose records cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DamagedPlace {
    /// The first seq of the segment.
    pub(super) segment: u64,
    pub(super) offsets: Range<u64>,
    /// All records behind it have larger seqs.
    pub(super) last: u64,
}

/// The index of a segment, ready to be asked.
#[derive(Clone, Debug)]
pub(super) enum Lookup {
    Memory(Arc<Mutex<MemoryIndex>>),
    File(Arc<IndexFile>, Arc<dyn File>),
}

/// Files that are open for reading, the one that was used last at the end.
#[derive(Debug, Default)]
struct OpenFiles(VecDeque<(String, Arc<dyn File>)>);

/// Most damaged places that wait to be noted.
const MAX_NOTES: usize = 1_024;

impl Shared {
    #[expect(clippy::too_many_arguments, reason = "they are its parts")]
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        options: LogOptions,
        segments: VecDeque<Arc<Segment>>,
        chain: EpochChain,
        losses: Losses,
        unsealed: VecDeque<Arc<Segment>>,
        lock: Arc<dyn File>,
        newest: u64,
    ) -> Self {
        let boot = disk.boot_id();
        Self {
            disk,
            options,
            segments: RwLock::new(segments),
            chain,
            losses: Mutex::new(losses),
            unsealed: Mutex::new(unsealed),
            sealing: Mutex::new(()),
            damage: Mutex::default(),
            files: Mutex::default(),
            lock,
            boot,
            newest: AtomicU64::new(newest),
            failed: AtomicBool::new(false),
        }
    }

    pub(super) fn newest(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    pub(super) fn set_newest(&self, seq: u64) {
        self.newest.store(seq, Ordering::Release);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Ends all appending, and says so to the next start if that is still possible.
    pub(super) fn fail(&self) {
        if !self.failed.swap(true, Ordering::AcqRel) {
            let _ = self.write_lock(End::Doubt);
        }
    }

    pub(super) fn write_lock(&self, end: End) -> io::Result<()> {
        LockState { boot: self.boot.clone(), always: self.options.always_sync, end }.write(&*self.lock)
    }

    /// The segment that has an event, or would have it; else the first one behind it.
    pub(super) fn segment_of(&self, seq: u64) -> Option<Arc<Segment>> {
        let segments = self.segments.read();
        let behind = segments.partition_point(|segment| segment.first <= seq);
        segments.get(behind.saturating_sub(1)).cloned()
    }

    /// The segment that follows one.
    pub(super) fn segment_behind(&self, first: u64) -> Option<Arc<Segment>> {
        let segments = self.segments.read();
        let behind = segments.partition_point(|segment| segment.first <= first);
        segments.get(behind).cloned()
    }

    pub(super) fn is_listed(&self, segment: &Segment) -> bool {
        let segments = self.segments.read();
        segments.binary_search_by_key(&segment.first, |segment| segment.first).is_ok()
    }

    /// Opens a file, unless it is open.
    pub(super) fn file(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut files = self.files.lock();
        let at = files.0.iter().position(|(known, _)| known == name);
        if let Some(known) = at.and_then(|at| files.0.remove(at)) {
            files.0.push_back(known.clone());
            return Ok(known.1);
        }
        let file = self.disk.open(name)?;
        if files.0.len() >= self.options.open_files {
            files.0.pop_front();
        }
        files.0.push_back((name.to_owned(), file.clone()));
        Ok(file)
    }

    /// Closes a file as soon as nobody reads it.
    pub(super) fn forget_file(&self, name: &str) {
        self.files.lock().0.retain(|(known, _)| known != name);
    }

    /// The index of a segment, which is made where it is missing.
    pub(super) fn lookup(&self, segment: &Arc<Segment>) -> io::Result<Lookup> {
        let index = segment.index.read().clone();
        match index {
            SegmentIndex::Memory(index) => Ok(Lookup::Memory(index)),
            SegmentIndex::File(index) => match self.file(&segment.index_name()) {
                Ok(file) => Ok(Lookup::File(index, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.rebuild(segment),
                Err(error) => Err(error),
            },
            SegmentIndex::Missing => self.rebuild(segment),
        }
    }

    pub(super) fn note_damage(&self, place: DamagedPlace) {
        let mut damage = self.damage.lock();
        if damage.places.contains(&place) {
            return;
        }
        damage.count += 1;
        if damage.places.len() < MAX_NOTES {
            damage.places.push(place);
        } else if let Some(last) = damage.places.last_mut() {
            // Too many to tell apart: whoever may be concerned is.
            let segment = last.segment.min(place.segment);
            *last = DamagedPlace { segment, offsets: 0..u64::MAX, last: last.last.max(place.last) };
        }
    }
}

impl Lookup {
    pub(super) fn offsets(&self, query: &Query, from: u64, limit: usize) -> io::Result<Offsets> {
        match self {
            Self::Memory(index) => Ok(index.lock().offsets(query, from, limit)),
            Self::File(index, file) => index.offsets(&**file, query, from, limit),
        }
    }

    pub(super) fn marks(&self) -> io::Result<Vec<Mark>> {
        match self {
            Self::Memory(index) => Ok(index.lock().marks().to_vec()),
            Self::File(index, file) => index.marks(&**file),
        }
    }

    pub(super) fn append_keys(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::Memory(index) => Ok(index.lock().append_keys.clone()),
            Self::File(index, file) => index.append_keys(&**file),
        }
    }

    /// Where the part of the segment ends that may be read, and the last seq of it; 0 where it has none.
    pub(super) fn end(&self) -> (u64, u64) {
        match self {
            Self::Memory(index) => {
                let index = index.lock();
                (index.end, index.next - 1)
            }
            Self::File(index, _) => (index.footer.end, index.footer.next - 1),
        }
    }
}
