//! What the log no longer holds, by whom it was for, over restarts.

use std::io;
use std::sync::Arc;

use super::disk::{Disk, File, read_most, write_all};
use super::input::{Input, checked, put_checksum};
use super::key::{KeyHasher, Query, is_everyone, is_topic};
use super::lock::FORMAT;
use crate::journal::loss_table::LossTable;

/// Places of the table, by default. 2 MiB in memory, and twice on disk.
pub(super) const PLACES: usize = 1 << 18;
/// Most removed segments that are remembered with their time; of more every second one goes.
const MAX_REMOVED: usize = 1_024;
const MAGIC: [u8; 8] = *b"FANFLOS\n";
/// The two files, which are written in turns.
pub(super) const FILES: [&str; 2] = ["losses.a", "losses.b"];

/// For everyone, and for each user, session, topic and client, the newest event that the log has lost.
///
/// The table has a fixed size, and so have its files: they are overwritten in place, in turns, so that a full disk does not
/// keep the log from removing what is old, and a crash leaves one of them whole. It is written before a segment is
/// removed, with the seq up to which everything is given up; what stands below that is removed at the next start if a crash
/// comes between.
///
/// Who was away for less than history is held is never told of a loss that was none, unless something was damaged. Of the
/// others, those whose places were all marked by strangers are.
#[derive(Clone, Debug)]
pub(super) struct Losses {
    /// Counts the writes.
    generation: u64,
    pub(super) hasher: KeyHasher,
    /// Everything before it was removed.
    pub(super) floor: u64,
    anybody: u64,
    any_topic: u64,
    /// Of all.
    newest: u64,
    table: LossTable,
    /// The segments that were removed: first seq, and when it was begun.
    removed: Vec<(u64, u64)>,
}

impl Losses {
    /// Nothing is lost yet; the hash has this key, which must be random.
    pub(super) fn new(key: [u64; 2], places: usize) -> Self {
        let (table, hasher) = (LossTable::new(places), KeyHasher(key));
        Self {
            generation: 0,
            hasher,
            floor: 1,
            anybody: 0,
            any_topic: 0,
            newest: 0,
            table,
            removed: Vec::new(),
        }
    }

    /// Notes the loss of all events of a key up to a seq.
    pub(super) fn add(&mut self, key: &[u8], seq: u64) {
        if seq == 0 {
            return;
        }
        self.newest = self.newest.max(seq);
        if is_everyone(key) {
            self.anybody = self.anybody.max(seq);
            return;
        }
        if is_topic(key) {
            self.any_topic = self.any_topic.max(seq);
        }
        for hash in self.hasher.losses_of(key) {
            self.table.mark(hash, seq);
        }
    }

    /// Notes that events up to a seq are lost, and nobody knows whom they were for.
    pub(super) fn add_unknown(&mut self, seq: u64) {
        self.anybody = self.anybody.max(seq);
        self.newest = self.newest.max(seq);
    }

    /// Notes that a segment is removed.
    pub(super) fn remove(&mut self, first: u64, unix_ms: u64, next: u64) {
        self.floor = self.floor.max(next);
        self.removed.push((first, unix_ms));
        if self.removed.len() > MAX_REMOVED {
            let mut number = 0;
            self.removed.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
    }

    /// The newest lost event that a query may have found; 0 where there is none.
    pub(super) fn newest(&self, query: &Query) -> u64 {
        if query.all {
            return self.newest;
        }
        let keyed =
            query.keys.iter().filter(|key| !is_everyone(key)).map(|key| self.table.at(self.hasher.hash(key)));
        let matched = query.patterns.iter().map(|pattern| match self.hasher.losses_matched(pattern) {
            Some(hash) => self.table.at(hash),
            None => self.any_topic,
        });
        keyed.chain(matched).max().unwrap_or(0).max(self.anybody)
    }

    /// A seq behind which everything stands that was appended at a time or later and was removed: the largest that is known,
    /// where no segment that was begun before that time is held. `None` where nothing was removed.
    pub(super) fn removed_at(&self, unix_ms: u64) -> Option<u64> {
        let behind = self.removed.partition_point(|(_, begun)| *begun < unix_ms);
        // The last one that was begun before went on until the next was begun.
        self.removed.get(behind.saturating_sub(1)).map(|(first, _)| first - 1)
    }

    /// Writes it to disk; what was written before stays until that is done.
    pub(super) fn write(&mut self, disk: &dyn Disk) -> io::Result<()> {
        self.generation += 1;
        let file = self.file(disk)?;
        write_all(&*file, &self.encode(), 0)?;
        file.sync()
    }

    /// A copy was written.
    pub(super) fn count_write(&mut self) {
        self.generation += 1;
    }

    /// Writes both files, so that there is room for them.
    pub(super) fn create(&mut self, disk: &dyn Disk) -> io::Result<()> {
        self.write(disk)?;
        self.write(disk)?;
        disk.sync()
    }

    fn file(&self, disk: &dyn Disk) -> io::Result<Arc<dyn File>> {
        let name = FILES[(self.generation % 2) as usize];
        match disk.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = disk.create(name)?;
                disk.sync()?;
                Ok(file)
            }
            opened => opened,
        }
    }

    /// Reads what was written last; `None` where neither file is whole.
    pub(super) fn read(disk: &dyn Disk) -> io::Result<Option<Self>> {
        let mut newest: Option<Self> = None;
        for name in FILES {
            let file = match disk.open(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            let mut bytes = vec![0; usize::try_from(file.size()?).unwrap_or(0).min(MAX_SIZE)];
            let count = read_most(&*file, &mut bytes, 0)?;
            let read = Self::decode(&bytes[..count]);
            newest = newest.into_iter().chain(read).max_by_key(|losses| losses.generation);
        }
        Ok(newest)
    }

    /// Of always the same size, whatever it holds, for a disk that is full.
    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.reserve(size_of_val(self.table.places()) + MAX_REMOVED * 16 + 100);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        let Self { generation, hasher: KeyHasher([low, high]), floor, anybody, any_topic, newest, .. } =
            *self;
        let counts = [self.table.places().len() as u64, self.removed.len() as u64];
        for number in [generation, low, high, floor, anybody, any_topic, newest].into_iter().chain(counts) {
            out.extend_from_slice(&number.to_le_bytes());
        }
        self.table.places().iter().for_each(|seq| out.extend_from_slice(&seq.to_le_bytes()));
        for at in 0..MAX_REMOVED {
            let (first, unix_ms) = self.removed.get(at).copied().unwrap_or_default();
            out.extend_from_slice(&first.to_le_bytes());
            out.extend_from_slice(&unix_ms.to_le_bytes());
        }
        put_checksum(&mut out);
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Input::new(checked(bytes)?);
        if input.array()? != MAGIC || input.u32()? != FORMAT {
            return None;
        }
        let mut numbers = [0; 9];
        for number in &mut numbers {
            *number = input.u64()?;
        }
        let [generation, low, high, floor, anybody, any_topic, newest, places, removed] = numbers;
        let count = usize::try_from(places).ok().filter(|places| *places <= input.len() / 8)?;
        let table = LossTable::from_places((0..count).map(|_| input.u64()).collect::<Option<_>>()?)?;
        let count = usize::try_from(removed).ok().filter(|count| *count <= MAX_REMOVED)?;
        let removed = (0..count).map(|_| Some((input.u64()?, input.u64()?))).collect::<Option<_>>()?;
        let hasher = KeyHasher([low, high]);
        Some(Self { generation, hasher, floor, anybody, any_topic, newest, table, removed })
    }
}

/// Most bytes of a file that are read: of a table that is sixteen times the default.
const MAX_SIZE: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Pattern, Profile, Target, Topic};
    use crate::journal::log::key::keys_of;

    fn user(name: &str) -> Query {
        Query::of(&Profile { user: Some(name.into()), ..Profile::default() }, None)
    }

    fn follower(pattern: &str) -> Query {
        let topics = [Pattern::parse(pattern).unwrap()].into();
        Query::of(&Profile { topics, ..Profile::default() }, None)
    }

    fn lose(losses: &mut Losses, target: &Target, seq: u64) {
        keys_of(&target.to).for_each(|key| losses.add(&key, seq));
    }

    #[test]
    fn a_loss_is_never_missed_hardly_ever_made_up_and_the_same_when_read_again() {
        let mut losses = Losses::new([3, 4], PLACES);
        for n in 0..20_000 {
            lose(&mut losses, &Target::user(format!("busy-{n}")), n + 1);
        }
        losses.remove(1, 100, 20_001);
        let read = Losses::decode(&losses.encode()).expect("what was written");
        for losses in [&losses, &read] {
            assert!((0..20_000).all(|n| losses.newest(&user(&format!("busy-{n}"))) > n));
            let false_alarms =
                (0..10_000).filter(|n| losses.newest(&user(&format!("quiet-{n}"))) > 0).count();
            assert!(false_alarms < 300, "{false_alarms} of 10,000 that lost nothing are told that they did");
            assert_eq!((losses.newest(&Query::all()), losses.floor), (20_000, 20_001));
        }
    }

    #[test]
    fn wildcards_are_told_of_losses_below_their_first_two_tokens() {
        let mut losses = Losses::new([3, 4], PLACES);
        lose(&mut losses, &Target::topic(Topic::parse("a.b.c").unwrap()), 7);
        let newest = |pattern: &str| losses.newest(&follower(pattern));
        assert_eq!(["a.b.c", "a.*.c", "a.>", "a.b.*", "*.b", ">"].map(newest), [7; 6]);
        assert_eq!(["a.c", "b.*", "c.>", "a.c.*", "a.b"].map(newest), [0; 5]);
        lose(&mut losses, &Target::all(), 9);
        assert_eq!(losses.newest(&user("anybody")), 9);
    }

    #[test]
    fn times_before_what_is_held_lead_to_what_was_removed() {
        let mut losses = Losses::new([3, 4], 1);
        assert_eq!(losses.removed_at(50), None);
        [(1, 100), (11, 200), (21, 300)]
            .iter()
            .for_each(|(first, ms)| losses.remove(*first, *ms, first + 10));
        assert_eq!(
            [50, 100, 101, 200, 250, 300].map(|ms| losses.removed_at(ms)),
            [Some(0), Some(0), Some(0), Some(0), Some(10), Some(10)]
        );
        // The last one went on, nobody knows until when.
        assert_eq!(losses.removed_at(301), Some(20));
        for first in 0..3 * MAX_REMOVED as u64 {
            losses.remove(31 + first, 400 + first, 32 + first);
        }
        assert!(losses.removed.len() <= MAX_REMOVED && losses.removed[0] == (1, 100));
        assert!(losses.encode().len() < MAX_REMOVED * 16 + 200);
    }

    #[test]
    fn damage_is_recognised() {
        let mut random = fastrand::Rng::with_seed(5);
        let bytes = Losses::new([3, 4], 16).encode();
        for _ in 0..300 {
            let mut torn = bytes.clone();
            torn[random.usize(..bytes.len())] ^= random.u8(1..);
            assert!(Losses::decode(&torn).is_none());
            assert!(Losses::decode(&bytes[..random.usize(..bytes.len())]).is_none());
        }
    }
}
