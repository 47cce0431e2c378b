//! The index of a sealed segment: a file that is written once.
//!
//! ```text
//! magic, format
//! postings      of keys with many records: offsets in ascending order, each as the distance from the one before
//! blocks        of about 16 KiB: keys in order, each with its newest records and its postings, or where those are
//! append keys   with the body's hash, the first seq, the number of records and the time of each
//! marks         groups at which a scan may begin
//! fences        for each block: what its keys begin with, where it is, and its checksum
//! footer        what the segment holds, where these parts are, and their checksums
//! ```
//!
//! In memory are the footer and the fences only. To look for a key costs one read of a block, and one of the postings if they
//! do not fit into it.

use std::io;
use std::ops::Range;

use super::disk::{File, read_all};
use super::index_format::{FOOTER, Fence, Footer, Part, postings_from};
use super::input::Input;
use super::key::{Query, is_matched, prefix};
use super::memory_index::{Mark, Newest, Offsets};

/// What is held in memory of an index on disk.
#[derive(Debug)]
pub(super) struct IndexFile {
    pub(super) footer: Footer,
    fences: Box<[Fence]>,
    /// The keys of the fences one behind the other.
    text: Box<[u8]>,
}

/// One key of an index.
#[derive(Clone, Copy, Debug)]
struct IndexEntry<'b> {
    key: &'b [u8],
    newest: Newest,
    postings: Postings<'b>,
}

#[derive(Clone, Copy, Debug)]
enum Postings<'b> {
    Here(&'b [u8]),
    At(Part),
}

impl IndexFile {
    /// Reads what is held in memory; `None` where the file is not a whole index of that segment.
    pub(super) fn read(file: &dyn File, first: u64) -> io::Result<Option<Self>> {
        let size = file.size()?;
        let Some(at) = size.checked_sub(FOOTER as u64) else { return Ok(None) };
        let mut footer = [0; FOOTER];
        read_all(file, &mut footer, at)?;
        let Some(footer) = Footer::decode(&footer).filter(|footer| footer.first == first) else {
            return Ok(None);
        };
        match part(file, footer.fences) {
            Ok(bytes) => Ok(Self::of(footer, &bytes)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The index that these are of.
    pub(super) fn of(footer: Footer, fences: &[u8]) -> Option<Self> {
        let mut input = Input::new(fences);
        let count = input.count(1)?;
        let (mut text, mut list) = (Vec::new(), Vec::with_capacity(count));
        for _ in 0..count {
            let key = input.block()?;
            let block = Part::take(&mut input)?;
            text.extend_from_slice(key);
            list.push(Fence { key_end: u32::try_from(text.len()).ok()?, block });
        }
        input.is_empty().then(|| Self { footer, fences: list.into(), text: text.into() })
    }

    /// Bytes of memory, about.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.fences) + self.text.len()
    }

    fn fence(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.fences[before].key_end);
        &self.text[start as usize..self.fences[at].key_end as usize]
    }

    /// The first block that may hold a key.
    fn block_of(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.fences.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.fence(middle) <= key { low = middle + 1 } else { high = middle }
        }
        low.saturating_sub(1)
    }

    /// Visits the entries of the blocks from one on, until `visit` says that it was enough.
    fn each_entry(
        &self,
        file: &dyn File,
        from: usize,
        mut visit: impl FnMut(IndexEntry<'_>) -> io::Result<bool>,
    ) -> io::Result<()> {
        for fence in &self.fences[from.min(self.fences.len())..] {
            let bytes = part(file, fence.block)?;
            let mut input = Input::new(&bytes);
            while !input.is_empty() {
                let entry = IndexEntry::take(&mut input).ok_or_else(damaged)?;
                if !visit(entry)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Where the records of a query are, from an offset on: the first of them, about `limit`. Fails with
    /// [`InvalidData`](io::ErrorKind::InvalidData) where the file is damaged.
    pub(super) fn offsets(
        &self,
        file: &dyn File,
        query: &Query,
        from: u64,
        limit: usize,
    ) -> io::Result<Offsets> {
        let (mut offsets, mut more) = (Vec::new(), false);
        let mut add = |entry: IndexEntry<'_>| {
            more |= entry.offsets(file, from, limit, &mut offsets)?;
            Ok::<_, io::Error>(())
        };
        for key in &query.keys {
            self.each_entry(file, self.block_of(key), |entry| {
                if entry.key == &**key {
                    add(entry)?;
                }
                Ok(entry.key < &**key)
            })?;
        }
        let mut prefixes: Vec<_> = query.patterns.iter().map(prefix).collect();
        prefixes.sort_unstable();
        // What another one covers is visited already.
        prefixes.dedup_by(|next, kept| next.starts_with(kept));
        for prefix in prefixes {
            self.each_entry(file, self.block_of(&prefix), |entry| {
                if entry.key.starts_with(&prefix)
                    && query.patterns.iter().any(|pattern| is_matched(pattern, entry.key))
                {
                    add(entry)?;
                }
                Ok(entry.key < &*prefix || entry.key.starts_with(&prefix))
            })?;
        }
        Ok(Offsets::of(offsets, more, limit, self.footer.next - 1))
    }

    /// Every key with its newest records.
    pub(super) fn each_key(&self, file: &dyn File, mut visit: impl FnMut(&[u8], Newest)) -> io::Result<()> {
        self.each_entry(file, 0, |entry| {
            visit(entry.key, entry.newest);
            Ok(true)
        })
    }

    /// The keys that have a record in one of these ranges of the segment.
    pub(super) fn keys_within(
        &self,
        file: &dyn File,
        ranges: &[Range<u64>],
        mut visit: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        let mut offsets = Vec::new();
        self.each_entry(file, 0, |entry| {
            offsets.clear();
            entry.offsets(file, 0, usize::MAX, &mut offsets)?;
            if offsets.iter().any(|offset| ranges.iter().any(|range| range.contains(&u64::from(*offset)))) {
                visit(entry.key);
            }
            Ok(true)
        })
    }

    /// The groups at which a scan may begin.
    pub(super) fn marks(&self, file: &dyn File) -> io::Result<Vec<Mark>> {
        let bytes = part(file, self.footer.marks)?;
        let mut input = Input::new(&bytes);
        let count = input.count(3).ok_or_else(damaged)?;
        let mut last = Mark { seq: self.footer.first, offset: 0, unix_ms: 0 };
        let mut next = || {
            last.seq = last.seq.checked_add(input.number()?)?;
            last.offset = last.offset.checked_add(input.number()?)?;
            last.unix_ms = last.unix_ms.checked_add(input.number()?)?;
            Some(last)
        };
        (0..count).map(|_| next().ok_or_else(damaged)).collect()
    }

    /// The keys of its appends, encoded.
    pub(super) fn append_keys(&self, file: &dyn File) -> io::Result<Vec<u8>> {
        part(file, self.footer.append_keys)
    }
}

impl<'b> IndexEntry<'b> {
    fn take(input: &mut Input<'b>) -> Option<Self> {
        let key = input.block()?;
        let (lasting, mortal) = (input.number()?, input.number()?);
        let expires_ms = if mortal > 0 { input.number()? } else { 0 };
        let postings = match input.u8()? {
            0 => Postings::Here(input.block()?),
            _ => Postings::At(Part::take(input)?),
        };
        Some(Self { key, newest: Newest { lasting, mortal, expires_ms }, postings })
    }

    /// Appends its offsets from one on, at most `limit`. Whether there are more.
    fn offsets(&self, file: &dyn File, from: u64, limit: usize, out: &mut Vec<u32>) -> io::Result<bool> {
        match self.postings {
            Postings::Here(bytes) => postings_from(bytes, from, limit, out),
            Postings::At(place) => postings_from(&part(file, place)?, from, limit, out),
        }
        .ok_or_else(damaged)
    }
}

/// Reads a part of an index, and compares its checksum. The places of parts have checksums of their own, so a length is
/// one that was written.
fn part(file: &dyn File, part: Part) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; part.length as usize];
    read_all(file, &mut bytes, part.offset).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(),
        _ => error,
    })?;
    if crc32fast::hash(&bytes) == part.crc { Ok(bytes) } else { Err(damaged()) }
}

fn damaged() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::event::{Pattern, Profile, Target, Topic};
    use crate::journal::log::index_format::index_bytes;
    use crate::journal::log::memory_index::MemoryIndex;

    /// A file in memory that is only read.
    #[derive(Debug)]
    struct Bytes(Vec<u8>);

    impl File for Bytes {
        fn size(&self) -> io::Result<u64> {
            Ok(self.0.len() as u64)
        }

        fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
            let bytes = self.0.get(offset as usize..).unwrap_or_default();
            let count = out.len().min(bytes.len());
            out[..count].copy_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
            Err(io::ErrorKind::PermissionDenied.into())
        }

        fn set_size(&self, _: u64) -> io::Result<()> {
            Err(io::ErrorKind::PermissionDenied.into())
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn indexed(events: &[Target]) -> MemoryIndex {
        let mut index = MemoryIndex::new(100, 1, 0);
        for (seq, target) in (1..).zip(events) {
            index.mark(100 * seq, seq, seq);
            index.insert(100 * seq + 48, seq, &target.to, None);
        }
        index.end = 100 * (events.len() as u64 + 1);
        index
    }

    fn some(random: &mut fastrand::Rng) -> Target {
        match random.u32(..10) {
            0 => Target::all(),
            1..4 => {
                let text = format!("t{}.{}.{}", random.u32(..3), random.u32(..40), random.u32(..3));
                Target::topic(Topic::parse(&text).unwrap()).or_user("both")
            }
            _ => Target::user(format!("user-{}", random.u32(..6_000))),
        }
    }

    #[test]
    fn both_indexes_find_what_a_model_finds_and_damage_is_never_taken_for_an_answer() {
        for seed in 0..12 {
            let mut random = fastrand::Rng::with_seed(seed);
            let events: Vec<Target> = (0..6_000).map(|_| some(&mut random)).collect();
            let memory = indexed(&events);
            let file = Bytes(index_bytes(&memory, 1, 9, 100, 0).bytes);
            let index = IndexFile::read(&file, 1).unwrap().expect("an index");
            assert!(index.fences.len() > 3, "there are blocks to be found");
            assert!(index.marks(&file).unwrap() == memory.marks());
            for _ in 0..60 {
                let patterns = ["t1.>", "t1.*.2", "*.7.*", ">", "t2.3.1", "t9.>"];
                let topics = patterns.iter().filter(|_| random.u32(..4) == 0);
                let topics = topics.filter_map(|text| Pattern::parse(text).ok()).collect();
                let user = Some(format!("user-{}", random.u32(..6_100)).into());
                let profile = Profile { user, topics, ..Profile::default() };
                let query = Query::of(&profile, None);
                let (from, limit) = (random.u64(..700_000), random.usize(1..500));
                let found = memory.offsets(&query, from, limit);
                assert_eq!(index.offsets(&file, &query, from, limit).unwrap(), found);
                let is_wanted = |target: &Target| {
                    let topics = &profile.topics;
                    let topic =
                        target.to.topics.iter().any(|topic| topics.iter().any(|of| of.matches(topic)));
                    let user = target.to.users.iter().any(|user| Some(&**user) == profile.user.as_deref());
                    target.to.everyone || topic || user
                };
                let wanted = (1..).zip(&events).filter(|(_, target)| is_wanted(target));
                let wanted =
                    wanted.map(|(seq, _)| 100 * seq + 48).filter(|offset| u64::from(*offset) >= from);
                assert_eq!(found.offsets, wanted.take(limit).collect::<Vec<u32>>());
            }
            let query = Query::of(&Profile { user: Some("both".into()), ..Profile::default() }, None);
            let truth = index.offsets(&file, &query, 0, 10_000).unwrap();
            for _ in 0..200 {
                let mut bytes = file.0.clone();
                let at = random.usize(..bytes.len());
                bytes[at] ^= random.u8(1..);
                if random.u32(..4) == 0 {
                    bytes.truncate(at);
                }
                let damaged = Bytes(bytes);
                let Some(index) = IndexFile::read(&damaged, 1).unwrap() else { continue };
                match index.offsets(&damaged, &query, 0, 10_000) {
                    Ok(found) => assert_eq!(found, truth),
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::InvalidData),
                }
            }
        }
    }

    #[test]
    fn little_of_an_index_is_in_memory() {
        let users = (0..250_000).map(|n| Target::user(format!("user-{:08}", n * 7919 % 250_000)));
        let memory = indexed(&users.collect::<Vec<_>>());
        let file = Bytes(index_bytes(&memory, 1, 9, 100, 0).bytes);
        let index = IndexFile::read(&file, 1).unwrap().expect("an index");
        // Of 128 segments with an event of 256 bytes for each of so many users: 8 GiB.
        let all = 128 * index.memory();
        assert!(all < 4 << 20, "{all} bytes in memory, {} on disk", 128 * file.0.len());
        let mut keys = BTreeSet::new();
        index
            .each_key(&file, |key, newest| assert!(keys.insert(key.to_vec()) && newest.lasting > 0))
            .unwrap();
        assert_eq!(keys.len(), 250_000);
        let within = 5_000..10_000;
        let mut hit = 0;
        index.keys_within(&file, &[within], |_| hit += 1).unwrap();
        assert_eq!(hit, 50);
    }
}
