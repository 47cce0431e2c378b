//! Opening a log: what is there, what of it is sound, and where it goes on.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::appender::{Appender, Begun, create_segment};
use super::disk::{DRAFT, Disk, File};
use super::epochs::EpochChain;
use super::error::OpenError;
use super::found::Found;
use super::lock::{End, LOCK, Previous};
use super::losses::{FILES, Losses};
use super::maintenance::Maintenance;
use super::options::LogOptions;
use super::reader::Reader;
use super::segment::{SegmentHead, first_of, log_name};
use super::shared::Shared;

/// What a log is opened with.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// The time, in ms since the Unix epoch.
    pub unix_ms: u64,
    /// The epoch to begin if one is begun. Where an earlier one is not less, the next greater number is taken.
    pub epoch: u64,
    /// Random bits, for the hash of a new log's table of losses.
    pub hash_key: [u64; 2],
}

/// An open log: its end, its past, and what keeps it in order, each for a thread of its own.
#[derive(Debug)]
pub struct Log {
    /// Writes.
    pub appender: Appender,
    /// Reads.
    pub reader: Reader,
    /// Seals and removes segments.
    pub maintenance: Maintenance,
    /// What was found.
    pub recovery: Recovery,
}

/// What was found when a log was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The newest event; 0 where there is none.
    pub newest: u64,
    /// Whether a new epoch has begun, because events may have been lost behind the newest.
    pub is_new_epoch: bool,
    /// Bytes of an append that was not finished, which were cut off.
    pub torn_bytes: u64,
    /// Events that are damaged, or whose segments are missing, as far as that was looked at.
    pub damaged: u64,
    /// Segments.
    pub segments: usize,
    /// Bytes on disk.
    pub bytes: u64,
}

/// Segments before the newest that may not have been on the disk when the kernel ended, since their indexes are not.
const RECENT: usize = 3;

struct Opener {
    disk: Arc<dyn Disk>,
    options: LogOptions,
    opening: Opening,
    losses: Losses,
    has_lost: bool,
    recovery: Recovery,
}

impl Log {
    /// Opens the log of a folder, or begins one there. Reads names, heads and the ends of indexes, and the whole of no more
    /// than the newest four segments.
    ///
    /// A torn end is cut off. Damage with something valid behind it stays as it is, and counts as lost. The epoch goes on
    /// where nothing can have been lost that anybody has seen: after a clean end, after a crash of the process alone, and
    /// where everything was synced before it was seen.
    pub fn open(disk: Arc<dyn Disk>, options: LogOptions, opening: Opening) -> Result<Self, OpenError> {
        let options = options.bounded();
        let lock = disk.lock().map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::Locked,
            _ => OpenError::io("lock", LOCK, error),
        })?;
        let previous = Previous::read(&*lock)?;
        let names = disk.names().map_err(|error| OpenError::io("list", "the folder", error))?;
        let is_new = previous == Previous::New;
        if is_new && let Some(name) = names.iter().find(|name| !is_ours(name)) {
            return Err(OpenError::Foreign { name: name.clone() });
        }
        let mut firsts: Vec<u64> = names.iter().filter_map(|name| first_of(name, ".log")).collect();
        firsts.sort_unstable();
        // Is all of this ours? Only then is anything written or removed.
        let found = firsts.iter().map(|first| Found::read(&*disk, *first, is_new));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        let losses = losses(&*disk, &options, opening, firsts.first().copied())
            .map_err(|error| OpenError::io("read or write", FILES[0], error))?;
        let opener =
            Opener { disk, options, opening, losses, has_lost: false, recovery: Recovery::default() };
        opener.open(found, &names, lock, &previous)
    }
}

impl Opener {
    fn open(
        mut self,
        mut found: Vec<Found>,
        names: &[String],
        lock: Arc<dyn File>,
        previous: &Previous,
    ) -> Result<Log, OpenError> {
        self.clean_up(&mut found, names)?;
        let failed = match previous {
            Previous::Known(state) => state.end == End::Doubt,
            Previous::Unreadable => true,
            Previous::New => false,
        };
        let mut next = self.look_through(&mut found, failed)?;
        let is_doubtful = self.is_doubtful(previous, &mut next, found.last());
        if found.last().is_some_and(|newest| newest.is_empty() && (is_doubtful || newest.head.is_none())) {
            // The one that is begun takes its place.
            let epochs = found.pop().and_then(|newest| newest.head).map_or(Vec::new(), |head| head.epochs);
            let chain = chain_of(&found, &epochs);
            return self.begin(found, chain, next, true, lock);
        }
        let chain = chain_of(&found, &[]);
        let goes_on = !is_doubtful && found.last().is_some_and(Found::may_grow);
        if goes_on {
            return self.go_on(found, chain, lock);
        }
        let is_new_epoch = is_doubtful || chain.is_none();
        self.begin(found, chain, next, is_new_epoch, lock)
    }

    /// Removes drafts, and what was to be removed already.
    fn clean_up(&self, found: &mut Vec<Found>, names: &[String]) -> Result<(), OpenError> {
        let floor = self.losses.floor;
        found.retain(|found| found.first >= floor);
        for name in names {
            let is_listed = |first: u64| found.iter().any(|found| found.first == first);
            let is_old_log = first_of(name, ".log").is_some_and(|first| first < floor);
            let is_stray_index = first_of(name, ".idx").is_some_and(|first| !is_listed(first));
            let is_draft = name.ends_with(DRAFT) && is_ours(name);
            if is_draft || is_old_log || is_stray_index {
                self.disk.remove(name).map_err(|error| OpenError::io("remove", name, error))?;
            }
        }
        Ok(())
    }

    /// Finds out where each segment ends, as far as that is needed. Returns the seq that goes on behind them.
    fn look_through(&mut self, found: &mut [Found], failed: bool) -> Result<u64, OpenError> {
        let firsts: Vec<u64> = found.iter().map(|found| found.first).collect();
        let mut next = Some(self.losses.floor);
        for (at, found) in found.iter_mut().enumerate() {
            if let Some(next) = next.filter(|next| *next < found.first) {
                self.lose(next..found.first);
            }
            if found.index.is_none() && at + 1 + RECENT >= firsts.len() {
                let behind = firsts.get(at + 1).copied();
                let scanned = found.scan(&*self.disk, behind, failed)?;
                scanned.lost.iter().for_each(|lost| self.lose(lost.clone()));
                if behind.is_none() && (found.head.is_some() || !found.is_empty()) {
                    self.recovery.torn_bytes = found.cut(&*self.disk, scanned.end)?;
                }
            }
            next = found.next;
        }
        Ok(next.unwrap_or(self.losses.floor))
    }

    /// Nobody knows whom these were for.
    fn lose(&mut self, lost: Range<u64>) {
        self.recovery.damaged += lost.end - lost.start;
        self.losses.add_unknown(lost.end - 1);
        self.has_lost = true;
    }

    /// Whether events may be lost that somebody has seen, behind the newest that is there.
    fn is_doubtful(&mut self, previous: &Previous, next: &mut u64, newest: Option<&Found>) -> bool {
        let Some(newest) = newest else { return true };
        let is_damaged = newest.head.is_none() && newest.is_empty();
        let Previous::Known(state) = previous else { return true };
        let is_same_boot = state.boot.is_some() && state.boot == self.disk.boot_id();
        let is_open_ended = match state.end {
            End::Doubt => true,
            End::Open => !(state.always || is_same_boot),
            End::Clean { next: clean } if clean > *next => {
                self.lose(*next..clean);
                *next = clean;
                true
            }
            End::Clean { .. } => false,
        };
        is_open_ended || is_damaged
    }

    /// Goes on in the newest segment.
    fn go_on(
        self,
        mut found: Vec<Found>,
        chain: Option<EpochChain>,
        lock: Arc<dyn File>,
    ) -> Result<Log, OpenError> {
        let begun = found.pop().and_then(|newest| {
            let name = log_name(newest.first);
            let (segment, index) = newest.open();
            Some((name, segment, index?))
        });
        let (Some((name, segment, index)), Some(chain)) = (begun, chain) else {
            return Err(OpenError::io("open", "the newest segment", io::ErrorKind::NotFound.into()));
        };
        let file = self.disk.open(&name).map_err(|error| OpenError::io("open", &name, error))?;
        self.finish(found, chain, (segment, index, file), lock)
    }

    /// Begins a segment behind all others.
    fn begin(
        mut self,
        found: Vec<Found>,
        chain: Option<EpochChain>,
        next: u64,
        is_new_epoch: bool,
        lock: Arc<dyn File>,
    ) -> Result<Log, OpenError> {
        let Opening { unix_ms, epoch, .. } = self.opening;
        self.recovery.is_new_epoch = is_new_epoch && chain.is_some();
        let chain = match chain {
            Some(chain) if is_new_epoch => chain.and(epoch, next),
            Some(chain) => chain,
            None => EpochChain::new(vec![(epoch, next)]),
        };
        // Time does not go back in a log.
        let unix_ms = found.iter().map(Found::last_ms).fold(unix_ms, u64::max);
        let head = SegmentHead { first: next, unix_ms, epochs: chain.list().to_vec() };
        let begun = create_segment(&*self.disk, head)
            .map_err(|error| OpenError::io("create", &log_name(next), error))?;
        self.finish(found, chain, begun, lock)
    }

    fn finish(
        mut self,
        found: Vec<Found>,
        chain: EpochChain,
        begun: Begun,
        lock: Arc<dyn File>,
    ) -> Result<Log, OpenError> {
        let (mut segments, mut unsealed) = (VecDeque::new(), VecDeque::new());
        for found in found {
            let (segment, index) = found.open();
            if index.is_some() {
                unsealed.push_back(segment.clone());
            }
            segments.push_back(segment);
        }
        let (segment, index, file) = begun;
        segments.push_back(segment.clone());
        // The process before may have died between a rename and this.
        self.disk.sync().map_err(|error| OpenError::io("sync", "the folder", error))?;
        if self.has_lost {
            let written = self.losses.write(&*self.disk);
            written.map_err(|error| OpenError::io("write", FILES[0], error))?;
        }
        let newest = index.lock().next - 1;
        let bytes = segments.iter().map(|segment| segment.bytes()).sum();
        self.recovery = Recovery { newest, segments: segments.len(), bytes, ..self.recovery };
        let Self { disk, options, losses, recovery, .. } = self;
        let shared = Shared::new(disk, options, segments, chain, losses, unsealed, lock, newest);
        // Last: until then the next start must judge by how the log was left before.
        shared.write_lock(End::Open).map_err(|error| OpenError::io("write", LOCK, error))?;
        let shared = Arc::new(shared);
        let appender = Appender::new(shared.clone(), segment, index, file);
        let (reader, maintenance) = (Reader::new(shared.clone()), Maintenance::new(shared));
        Ok(Log { appender, reader, maintenance, recovery })
    }
}

/// Whether a name may be in the folder of a history.
fn is_ours(name: &str) -> bool {
    let whole = name.strip_suffix(DRAFT).unwrap_or(name);
    let is_segment = first_of(whole, ".log").is_some() || first_of(whole, ".idx").is_some();
    is_segment || whole == LOCK || FILES.contains(&whole) || name.starts_with('.') || name == "lost+found"
}

/// All epochs that the heads name, and these; `None` where there is none.
fn chain_of(found: &[Found], more: &[(u64, u64)]) -> Option<EpochChain> {
    let named = found.iter().filter_map(|found| found.head.as_ref()).flat_map(|head| head.epochs.iter());
    let mut epochs: BTreeMap<u64, u64> = named.chain(more).copied().collect();
    // Those whose heads are damaged.
    for found in found.iter().filter(|found| found.epoch > 0) {
        epochs.entry(found.epoch).or_insert(found.first);
    }
    let mut least = 0;
    let rising = epochs.into_iter().map(|(epoch, first)| {
        least = first.max(least);
        (epoch, least)
    });
    let epochs: Vec<_> = rising.collect();
    (!epochs.is_empty()).then(|| EpochChain::new(epochs))
}

/// What is lost, as it was written last; of a new log nothing is.
fn losses(disk: &dyn Disk, options: &LogOptions, opening: Opening, first: Option<u64>) -> io::Result<Losses> {
    if let Some(losses) = Losses::read(disk)? {
        return Ok(losses);
    }
    let mut losses = Losses::new(opening.hash_key, options.loss_places);
    if let Some(first) = first.filter(|first| *first > 1) {
        // They were there, and are damaged: whatever was removed may have been anybody's.
        losses.floor = first;
        losses.add_unknown(first - 1);
    }
    losses.create(disk)?;
    Ok(losses)
}
