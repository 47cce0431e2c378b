//! A disk that is simulated: it keeps apart what is synced and what is not, and loses at a power failure what it may.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fanfare::journal::log::{Disk, File};

use crate::content::{Content, SECTOR};

/// A folder on the simulated disk. Its clones are the same.
#[derive(Clone)]
pub(crate) struct SimulatedDisk(Arc<Mutex<State>>);

/// What the next operation that changes something does, instead of what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Everything ends in the midst of it.
    Crash,
    /// It fails.
    Error,
    /// It takes a part of what it is given; where that cannot be, it fails.
    Short,
}

/// How everything ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The process dies, the kernel does not.
    Kill,
    /// The kernel dies, too.
    PowerFailure,
}

struct State {
    random: fastrand::Rng,
    files: Vec<Content>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    /// Changes of names since the last sync of the folder.
    changes: Vec<Change>,
    boot: u64,
    /// Counts the processes; files of an earlier one are closed.
    process: u64,
    is_down: bool,
    is_locked: bool,
    operations: u64,
    faults: BTreeMap<u64, Fault>,
    /// Bytes by which files may still grow.
    room: u64,
    /// The name of each kind of operation that a fault has hit.
    hit: Vec<&'static str>,
}

enum Change {
    Create(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

/// What becomes of an operation.
enum Verdict {
    Done,
    /// It is done up to a part, and then everything ends, or it fails.
    Partly,
    Fails,
}

impl SimulatedDisk {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: fastrand::Rng::with_seed(seed),
            files: Vec::new(),
            names: BTreeMap::new(),
            synced_names: BTreeMap::new(),
            changes: Vec::new(),
            boot: 1,
            process: 0,
            is_down: false,
            is_locked: false,
            operations: 0,
            faults: BTreeMap::new(),
            room: u64::MAX,
            hit: Vec::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of operations so far that change something.
    pub(crate) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Lets the operation with a number fail.
    pub(crate) fn plan(&self, operation: u64, fault: Fault) {
        self.state().faults.insert(operation, fault);
    }

    pub(crate) fn clear_plans(&self) {
        self.state().faults.clear();
    }

    pub(crate) fn set_room(&self, bytes: u64) {
        self.state().room = bytes;
    }

    pub(crate) fn is_down(&self) -> bool {
        self.state().is_down
    }

    /// The kinds of operations that faults have hit.
    pub(crate) fn hit(&self) -> Vec<&'static str> {
        self.state().hit.clone()
    }

    /// Ends everything, and begins again.
    pub(crate) fn end(&self, ending: Ending) {
        let mut state = self.state();
        state.is_down = false;
        state.is_locked = false;
        state.process += 1;
        if ending == Ending::PowerFailure {
            state.boot += 1;
            state.lose();
        }
    }

    pub(crate) fn file_names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    pub(crate) fn content(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.names.get(name).map_or(Vec::new(), |file| state.files[*file].bytes.clone())
    }

    /// Changes what stands on the disk.
    pub(crate) fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let Some(file) = state.names.get(name).copied() else { return };
        let content = &mut state.files[file];
        change(&mut content.bytes);
        content.synced = content.bytes.clone();
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        let file = state.files.len();
        state.files.push(Content { bytes: bytes.to_vec(), synced: bytes.to_vec(), ..Content::default() });
        state.names.insert(name.to_owned(), file);
        state.synced_names.insert(name.to_owned(), file);
    }

    pub(crate) fn delete(&self, name: &str) {
        let mut state = self.state();
        state.names.remove(name);
        state.synced_names.remove(name);
    }

    fn handle(&self, state: &State, file: usize, is_lock: bool) -> Arc<dyn File> {
        Arc::new(SimulatedFile { disk: self.clone(), file, process: state.process, is_lock })
    }
}

impl State {
    /// Takes the next operation.
    fn operate(&mut self, what: &'static str) -> io::Result<Verdict> {
        if self.is_down {
            return Err(io::Error::other("everything has ended"));
        }
        self.operations += 1;
        let Some(fault) = self.faults.remove(&self.operations) else { return Ok(Verdict::Done) };
        self.hit.push(what);
        Ok(match fault {
            Fault::Crash => {
                self.is_down = true;
                Verdict::Partly
            }
            Fault::Error => Verdict::Fails,
            Fault::Short => Verdict::Partly,
        })
    }

    /// What an operation that cannot be done in part comes to.
    fn operate_whole(&mut self, what: &'static str, room: u64) -> io::Result<(bool, io::Result<()>)> {
        if self.room < room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let failed = || Err(io::Error::other("a fault"));
        Ok(match self.operate(what)? {
            Verdict::Done => (true, Ok(())),
            Verdict::Partly if self.is_down => (self.random.bool(), failed()),
            Verdict::Partly | Verdict::Fails => (false, failed()),
        })
    }

    /// A power failure: of what was not synced, anything may be there.
    fn lose(&mut self) {
        let changes = std::mem::take(&mut self.changes);
        let manner = self.random.u32(..4);
        let prefix = self.random.usize(..=changes.len());
        let mut names = std::mem::take(&mut self.synced_names);
        for (at, change) in changes.into_iter().enumerate() {
            let stays = match manner {
                0 => false,
                1 => true,
                2 => at < prefix,
                _ => self.random.bool(),
            };
            match change {
                _ if !stays => {}
                Change::Create(name, file) => {
                    names.insert(name, file);
                }
                Change::Rename(from, to, file) => {
                    names.remove(&from);
                    names.insert(to, file);
                }
                Change::Remove(name) => {
                    names.remove(&name);
                }
            }
        }
        self.names = names.clone();
        self.synced_names = names;
        let mut files = std::mem::take(&mut self.files);
        files.iter_mut().for_each(|content| content.lose(&mut self.random));
        self.files = files;
    }
}

impl Disk for SimulatedDisk {
    fn lock(&self) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        if state.is_locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if state.is_down {
            return Err(io::Error::other("everything has ended"));
        }
        state.is_locked = true;
        let file = match state.names.get("LOCK").copied() {
            Some(file) => file,
            None => {
                let file = state.files.len();
                state.files.push(Content::default());
                state.names.insert("LOCK".to_owned(), file);
                state.changes.push(Change::Create("LOCK".to_owned(), file));
                file
            }
        };
        Ok(self.handle(&state, file, true))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.file_names())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let state = self.state();
        let file = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(&state, file, false))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        let (is_done, result) = state.operate_whole("create", 1)?;
        let file = state.files.len();
        if is_done {
            state.files.push(Content::default());
            state.names.insert(name.to_owned(), file);
            state.changes.push(Change::Create(name.to_owned(), file));
        }
        result.map(|()| self.handle(&state, file, false))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let file = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        let (is_done, result) = state.operate_whole("rename", 0)?;
        if is_done {
            state.names.remove(from);
            state.names.insert(to.to_owned(), file);
            state.changes.push(Change::Rename(from.to_owned(), to.to_owned(), file));
        }
        result
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        if !state.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let (is_done, result) = state.operate_whole("remove", 0)?;
        if is_done {
            state.names.remove(name);
            state.changes.push(Change::Remove(name.to_owned()));
        }
        result
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        let (is_done, result) = state.operate_whole("sync the folder", 0)?;
        if is_done {
            state.changes.clear();
            state.synced_names = state.names.clone();
        }
        result
    }

    fn boot_id(&self) -> Option<String> {
        Some(format!("boot-{}", self.state().boot))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.state().room)
    }
}

impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimulatedDisk")
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    file: usize,
    process: u64,
    is_lock: bool,
}

impl SimulatedFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.process == self.process { Ok(state) } else { Err(io::Error::other("of an earlier process")) }
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        if let Ok(mut state) = self.state() {
            state.is_locked &= !self.is_lock;
        }
    }
}

impl File for SimulatedFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.state()?.files[self.file].bytes.len() as u64)
    }

    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state()?;
        let limit = if state.random.u32(..8) == 0 { 1 + state.random.usize(..64) } else { out.len() };
        let bytes = &state.files[self.file].bytes;
        let start = bytes.len().min(offset as usize);
        let count = out.len().min(bytes.len() - start).min(limit);
        out[..count].copy_from_slice(&bytes[start..start + count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state()?;
        let verdict = state.operate("write")?;
        let end = offset as usize + bytes.len();
        let growth = (end as u64).saturating_sub(state.files[self.file].bytes.len() as u64);
        let fits = bytes.len() - growth.saturating_sub(state.room) as usize;
        let count = match verdict {
            Verdict::Done => fits,
            Verdict::Partly => state.random.usize(..=fits),
            Verdict::Fails => 0,
        };
        let content = &mut state.files[self.file].bytes;
        let before = content.len();
        let end = offset as usize + count;
        if content.len() < end {
            content.resize(end, 0);
        }
        content[offset as usize..end].copy_from_slice(&bytes[..count]);
        let grown = (content.len() - before) as u64;
        let sectors = offset as usize / SECTOR..=end / SECTOR;
        state.files[self.file].forgotten.retain(|sector| !sectors.contains(sector));
        if state.room != u64::MAX {
            state.room -= grown.min(state.room);
        }
        match verdict {
            _ if state.is_down => Err(io::Error::other("everything has ended")),
            Verdict::Fails => Err(io::Error::other("a fault")),
            Verdict::Done if count == 0 => Err(io::ErrorKind::StorageFull.into()),
            Verdict::Partly if count == 0 => Err(io::Error::other("a fault")),
            _ => Ok(count),
        }
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let mut state = self.state()?;
        let (is_done, result) = state.operate_whole("set the size", 0)?;
        if is_done {
            state.files[self.file].bytes.resize(size as usize, 0);
        }
        result
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state()?;
        let (is_done, result) = state.operate_whole("sync", 0)?;
        match (is_done, &result) {
            (true, _) => state.files[self.file].sync(),
            (false, Err(_)) if !state.is_down => state.files[self.file].forget(),
            _ => {}
        }
        result
    }
}
