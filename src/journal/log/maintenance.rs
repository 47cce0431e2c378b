//! What keeps a log in order: sealing, removing what is old, and noting what is damaged.

use std::io;
use std::sync::Arc;

use super::key::Key;
use super::losses::Losses;
use super::memory_index::{Mark, Newest};
use super::segment::Segment;
use super::shared::{DamagedPlace, Lookup, Shared};

/// Seals and removes segments. There is one for each log, for a thread that may wait for the disk: the one that reads, or
/// one of its own. To be run after each new segment and every minute or so.
#[derive(Debug)]
pub struct Maintenance {
    shared: Arc<Shared>,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Done {
    /// Segments that got their index.
    pub sealed: usize,
    /// Segments that were removed.
    pub removed: usize,
    /// Damaged places that are now known as losses of those concerned.
    pub damaged: usize,
    /// What went wrong; it is tried again at the next run.
    pub errors: Vec<(&'static str, io::Error)>,
}

impl Maintenance {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Does all that is to be done at this time, in ms since the Unix epoch.
    pub fn run(&mut self, unix_ms: u64) -> Done {
        let mut done = Done::default();
        loop {
            match self.shared.seal_next() {
                Ok(true) => done.sealed += 1,
                Ok(false) => break,
                Err(error) => {
                    done.errors.push(("seal a segment", error));
                    break;
                }
            }
        }
        match self.note_damage() {
            Ok(count) => done.damaged = count,
            Err(error) => done.errors.push(("note what is damaged", error)),
        }
        if let Err(error) = self.remove_old(unix_ms, &mut done) {
            done.errors.push(("remove old segments", error));
        }
        done
    }

    /// Removes the segments that are too old, or too much.
    fn remove_old(&mut self, unix_ms: u64, done: &mut Done) -> io::Result<()> {
        let old = self.old(unix_ms);
        if old.is_empty() {
            return Ok(());
        }
        // What is lost with them, so that it can be noted twice: for the disk, and when that is done in memory.
        let mut lost: Vec<(Key, u64)> = Vec::new();
        let mut unknown = 0;
        for (segment, next) in &old {
            let found = self.keys_of(segment, |key, newest| {
                lost.push((Key::from_slice(key), newest.lost_at(unix_ms)));
            });
            if found.is_err() {
                unknown = next - 1;
            }
        }
        let note = |losses: &mut Losses| {
            lost.iter().for_each(|(key, seq)| losses.add(key, *seq));
            losses.add_unknown(unknown);
            old.iter().for_each(|(segment, next)| losses.remove(segment.first, segment.unix_ms, *next));
        };
        self.write_losses(note)?;
        let count = old.len();
        self.shared.segments.write().drain(..count);
        done.removed = count;
        let _sealing = self.shared.sealing.lock();
        for (segment, _) in &old {
            for name in [segment.index_name(), segment.log_name()] {
                self.shared.forget_file(&name);
                // What stays is removed at the next start.
                match self.shared.disk.remove(&name) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        done.errors.push(("remove a file", error));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The segments to remove, each with the first seq of the one behind it.
    fn old(&self, unix_ms: u64) -> Vec<(Arc<Segment>, u64)> {
        let options = &self.shared.options;
        let segments = self.shared.segments.read();
        let mut bytes: u64 = segments.iter().map(|segment| segment.bytes()).sum();
        let mut old = Vec::new();
        for (segment, behind) in segments.iter().zip(segments.iter().skip(1)) {
            // All of it was appended before the next was begun.
            let is_old = behind.unix_ms.saturating_add(options.max_age_ms) <= unix_ms;
            if !is_old && bytes <= options.max_bytes {
                break;
            }
            bytes -= segment.bytes().min(bytes);
            old.push((segment.clone(), behind.first));
        }
        // One that has no index yet is sealed first.
        let unsealed = self.shared.unsealed.lock().front().map_or(u64::MAX, |segment| segment.first);
        old.retain(|(segment, _)| segment.first < unsealed);
        old
    }

    /// Every key of a segment, with its newest records.
    fn keys_of(&self, segment: &Arc<Segment>, mut visit: impl FnMut(&[u8], Newest)) -> io::Result<()> {
        let mut visit_all = || match self.shared.lookup(segment)? {
            Lookup::File(index, file) => index.each_key(&*file, &mut visit),
            Lookup::Memory(index) => {
                index.lock().each_key(|key, newest, _| visit(key, newest));
                Ok(())
            }
        };
        match visit_all() {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.shared.discard_index(segment);
                visit_all()
            }
            visited => visited,
        }
    }

    /// Finds out whom the damage concerns that was found since.
    fn note_damage(&mut self) -> io::Result<usize> {
        let places = std::mem::take(&mut self.shared.damage.lock().places);
        if places.is_empty() {
            return Ok(0);
        }
        let concerned: Vec<(Option<Key>, u64)> =
            places.iter().flat_map(|place| self.concerned_by(place)).collect();
        let written = self.write_losses(|losses| {
            for (key, seq) in &concerned {
                match key {
                    Some(key) => losses.add(key, *seq),
                    None => losses.add_unknown(*seq),
                }
            }
        });
        match written {
            Ok(()) => Ok(places.len()),
            Err(error) => {
                self.shared.damage.lock().places.extend(places);
                Err(error)
            }
        }
    }

    /// The keys of the records in a damaged place; `None` for anybody's.
    fn concerned_by(&self, place: &DamagedPlace) -> Vec<(Option<Key>, u64)> {
        let anybody = vec![(None, place.last)];
        let segment = self.shared.segment_of(place.segment).filter(|segment| segment.first == place.segment);
        // One that was removed meanwhile is noted already.
        let Some(segment) = segment else { return Vec::new() };
        if place.offsets.end == u64::MAX {
            return anybody;
        }
        let Ok(Lookup::File(index, file)) = self.shared.lookup(&segment) else { return anybody };
        let mut keys = Vec::new();
        let ranges = std::slice::from_ref(&place.offsets);
        match index.keys_within(&*file, ranges, |key| keys.push((Some(Key::from_slice(key)), place.last))) {
            Ok(()) => keys,
            Err(_) => anybody,
        }
    }

    /// Notes losses on disk, and then in memory.
    fn write_losses(&self, note: impl Fn(&mut Losses)) -> io::Result<()> {
        let mut next = self.shared.losses.lock().clone();
        note(&mut next);
        next.write(&*self.shared.disk)?;
        let mut losses = self.shared.losses.lock();
        note(&mut losses);
        losses.count_write();
        Ok(())
    }
}

/// The last seq before the first mark behind an offset: all records before that offset have no larger one.
pub(super) fn last_before(marks: &[Mark], offset: u64, last: u64) -> u64 {
    let behind = marks.partition_point(|mark| mark.offset <= offset);
    marks.get(behind).map_or(last, |mark| mark.seq - 1)
}
