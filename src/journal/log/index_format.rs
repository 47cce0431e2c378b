//! The bytes of an index on disk.

use super::input::{Input, checked, put_block, put_checksum, put_number};
use super::lock::FORMAT;
use super::memory_index::{MemoryIndex, Newest};

/// Where a part of the file is, and its checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) crc: u32,
}

/// A block, and where the text ends that its keys are not less than.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fence {
    pub(super) key_end: u32,
    pub(super) block: Part,
}

/// What stands at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    /// The first seq of the segment.
    pub(super) first: u64,
    /// The seq behind its last record.
    pub(super) next: u64,
    pub(super) epoch: u64,
    /// Where its first group begins.
    pub(super) begin: u64,
    /// Where its last group ends.
    pub(super) end: u64,
    /// When it was begun.
    pub(super) unix_ms: u64,
    /// When its last group was written.
    pub(super) last_ms: u64,
    pub(super) append_keys: Part,
    pub(super) marks: Part,
    pub(super) fences: Part,
}

/// Bytes of a footer.
pub(super) const FOOTER: usize = 8 + 4 + 7 * 8 + 3 * 16 + 4;
/// Bytes of a block, about: as many as one read takes anyway.
const BLOCK: usize = 16 << 10;
/// Postings of up to so many bytes stand beside their key.
const INLINE: usize = 48;
const MAGIC: [u8; 8] = *b"FANFIDX\n";

impl Part {
    pub(super) fn take(input: &mut Input<'_>) -> Option<Self> {
        Some(Self { offset: input.u64()?, length: input.u32()?, crc: input.u32()? })
    }

    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.crc.to_le_bytes());
    }

    /// Appends bytes to the file, as a part.
    fn append(file: &mut Vec<u8>, bytes: &[u8]) -> Self {
        let part =
            Self { offset: file.len() as u64, length: bytes.len() as u32, crc: crc32fast::hash(bytes) };
        file.extend_from_slice(bytes);
        part
    }
}

impl Footer {
    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&FORMAT.to_le_bytes());
        let Self { first, next, epoch, begin, end, unix_ms, last_ms, append_keys, marks, fences } = *self;
        for number in [first, next, epoch, begin, end, unix_ms, last_ms] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        [append_keys, marks, fences].iter().for_each(|part| part.put(&mut out));
        put_checksum(&mut out);
        out
    }

    pub(super) fn decode(bytes: &[u8; FOOTER]) -> Option<Self> {
        let mut input = Input::new(checked(bytes)?);
        if input.array()? != MAGIC || input.u32()? != FORMAT {
            return None;
        }
        let mut numbers = [0; 7];
        for number in &mut numbers {
            *number = input.u64()?;
        }
        let [first, next, epoch, begin, end, unix_ms, last_ms] = numbers;
        let mut part = || Part::take(&mut input);
        let (append_keys, marks, fences) = (part()?, part()?, part()?);
        let footer = Self { first, next, epoch, begin, end, unix_ms, last_ms, append_keys, marks, fences };
        (first < next && begin <= end).then_some(footer)
    }
}

/// The index of a segment as a file.
pub(super) struct IndexBytes {
    pub(super) bytes: Vec<u8>,
    pub(super) footer: Footer,
    /// The part of the fences.
    pub(super) fences: Vec<u8>,
}

/// Makes the file of a segment's index. `first`, `epoch`, `begin` and `unix_ms` are those of its head.
pub(super) fn index_bytes(
    index: &MemoryIndex,
    first: u64,
    epoch: u64,
    begin: u64,
    unix_ms: u64,
) -> IndexBytes {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    let mut blocks = Blocks::default();
    let mut postings = Vec::new();
    index.each_key(|key, newest, offsets| {
        postings.clear();
        let distances =
            offsets.iter().scan(0, |last, offset| Some(offset - std::mem::replace(last, *offset)));
        distances.for_each(|distance| put_number(&mut postings, u64::from(distance)));
        let place = (postings.len() > INLINE).then(|| Part::append(&mut bytes, &postings));
        blocks.put(key, newest, place, &postings);
    });
    blocks.end_block();
    let base = bytes.len() as u64;
    bytes.append(&mut blocks.bytes);
    let append_keys = Part::append(&mut bytes, &index.append_keys);
    let marks = Part::append(&mut bytes, &marks(index, first));
    let fences = blocks.fences(base);
    let footer = Footer {
        first,
        next: index.next,
        epoch,
        begin,
        end: index.end,
        unix_ms,
        last_ms: index.last_ms,
        append_keys,
        marks,
        fences: Part::append(&mut bytes, &fences),
    };
    bytes.extend_from_slice(&footer.encode());
    IndexBytes { bytes, footer, fences }
}

fn marks(index: &MemoryIndex, first: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, index.marks().len() as u64);
    let (mut seq, mut offset, mut unix_ms) = (first, 0, 0);
    for mark in index.marks() {
        put_number(&mut out, mark.seq - seq);
        put_number(&mut out, mark.offset - offset);
        put_number(&mut out, mark.unix_ms - unix_ms);
        (seq, offset, unix_ms) = (mark.seq, mark.offset, mark.unix_ms);
    }
    out
}

/// Blocks of keys, one behind the other.
#[derive(Default)]
struct Blocks {
    bytes: Vec<u8>,
    /// Where the last block begins.
    start: usize,
    list: Vec<(Vec<u8>, Part)>,
    /// What the keys of the last block are not less than, and those of the one before are.
    fence: Vec<u8>,
    last_key: Vec<u8>,
}

impl Blocks {
    fn put(&mut self, key: &[u8], newest: Newest, place: Option<Part>, postings: &[u8]) {
        if self.bytes.len() - self.start >= BLOCK {
            self.end_block();
        }
        if self.bytes.len() == self.start {
            let shared = key.iter().zip(&self.last_key).take_while(|(a, b)| a == b).count();
            self.fence = key[..key.len().min(shared + 1)].to_vec();
        }
        let out = &mut self.bytes;
        put_block(out, key);
        put_number(out, newest.lasting);
        put_number(out, newest.mortal);
        if newest.mortal > 0 {
            put_number(out, newest.expires_ms);
        }
        match place {
            None => {
                out.push(0);
                put_block(out, postings);
            }
            Some(place) => {
                out.push(1);
                place.put(out);
            }
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
    }

    fn end_block(&mut self) {
        let block = &self.bytes[self.start..];
        if !block.is_empty() {
            let part =
                Part { offset: self.start as u64, length: block.len() as u32, crc: crc32fast::hash(block) };
            self.list.push((std::mem::take(&mut self.fence), part));
            self.start = self.bytes.len();
        }
    }

    /// The part of the fences, where the blocks begin at `base`.
    fn fences(&self, base: u64) -> Vec<u8> {
        let mut out = Vec::new();
        put_number(&mut out, self.list.len() as u64);
        for (key, part) in &self.list {
            put_block(&mut out, key);
            Part { offset: base + part.offset, ..*part }.put(&mut out);
        }
        out
    }
}

/// Appends the offsets from one on, at most `limit`. Whether there are more; `None` where the bytes are no postings.
pub(super) fn postings_from(bytes: &[u8], from: u64, limit: usize, out: &mut Vec<u32>) -> Option<bool> {
    let mut input = Input::new(bytes);
    let (mut offset, mut count) = (0_u64, 0);
    while !input.is_empty() {
        offset = offset.checked_add(input.number()?)?;
        if offset < from {
            continue;
        }
        if count == limit {
            return Some(true);
        }
        out.push(u32::try_from(offset).ok()?);
        count += 1;
    }
    Some(false)
}
