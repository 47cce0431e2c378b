//! Segments: the files that a log consists of.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::index_file::IndexFile;
use super::input::{Input, checked, put_checksum};
use super::lock::FORMAT;
use super::memory_index::MemoryIndex;

/// One segment of an open log.
#[derive(Debug)]
pub(super) struct Segment {
    /// The seq of its first record, after which its files are named.
    pub(super) first: u64,
    pub(super) epoch: u64,
    /// When it was begun, in ms since the Unix epoch.
    pub(super) unix_ms: u64,
    /// Where its first group begins.
    pub(super) begin: u64,
    pub(super) index: RwLock<SegmentIndex>,
    /// Bytes of its files on disk.
    pub(super) bytes: AtomicU64,
}

/// Where the index of a segment is.
#[derive(Clone, Debug)]
pub(super) enum SegmentIndex {
    /// In memory: it is being written to, or has not been sealed yet.
    Memory(Arc<Mutex<MemoryIndex>>),
    File(Arc<IndexFile>),
    /// Its file is missing, or damaged: it is made from the segment when it is needed.
    Missing,
}

impl Segment {
    pub(super) fn log_name(&self) -> String {
        log_name(self.first)
    }

    pub(super) fn index_name(&self) -> String {
        index_name(self.first)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// The name of a segment's records.
pub(super) fn log_name(first: u64) -> String {
    format!("{first:020}.log")
}

/// The name of a segment's index.
pub(super) fn index_name(first: u64) -> String {
    format!("{first:020}.idx")
}

/// The first seq of a segment, from a name with an ending of ours.
pub(super) fn first_of(name: &str, ending: &str) -> Option<u64> {
    let digits = name.strip_suffix(ending)?;
    let is_ours = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_ours { digits.parse().ok() } else { None }
}

/// What a segment begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentHead {
    pub(super) first: u64,
    pub(super) unix_ms: u64,
    /// The epochs up to that of the segment, each with its first seq: so that they are still known when their segments are
    /// gone.
    pub(super) epochs: Vec<(u64, u64)>,
}

/// What was found where a head should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeadFound {
    /// A head, and where it ends.
    Head(SegmentHead, u64),
    /// One of a newer format.
    Newer(u32),
    /// Nothing, or a damaged one.
    Damaged,
    /// Something else.
    Foreign,
}

const MAGIC: [u8; 8] = *b"FANFARE\n";
/// Magic, format, length of the whole, and the checksum of these: the same in every format.
const FIXED: usize = 20;
/// Most epochs that a head names; the oldest are left out.
pub(super) const MAX_EPOCHS: usize = 200;
/// Most bytes of a head.
pub(super) const MAX_HEAD: usize = FIXED + 24 + 16 * MAX_EPOCHS;

impl SegmentHead {
    pub(super) fn epoch(&self) -> u64 {
        self.epochs.last().map_or(0, |(epoch, _)| *epoch)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let epochs = &self.epochs[self.epochs.len().saturating_sub(MAX_EPOCHS)..];
        let length = (FIXED + 24 + 16 * epochs.len()) as u32;
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&length.to_le_bytes());
        put_checksum(&mut out);
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.unix_ms.to_le_bytes());
        out.extend_from_slice(&(epochs.len() as u32).to_le_bytes());
        for (epoch, first) in epochs {
            out.extend_from_slice(&epoch.to_le_bytes());
            out.extend_from_slice(&first.to_le_bytes());
        }
        put_checksum(&mut out);
        out
    }

    /// Reads the first [`MAX_HEAD`] bytes of a file, or as many as it has.
    pub(super) fn decode(bytes: &[u8], first: u64) -> HeadFound {
        if bytes.iter().all(|byte| *byte == 0) {
            return HeadFound::Damaged;
        }
        if !bytes.starts_with(&MAGIC) {
            return HeadFound::Foreign;
        }
        let mut input = Input::new(&bytes[MAGIC.len()..]);
        let (Some(format), Some(length), Some(crc)) = (input.u32(), input.u32(), input.u32()) else {
            return HeadFound::Damaged;
        };
        if crc32fast::hash(&bytes[..FIXED - 4]) != crc {
            return HeadFound::Damaged;
        }
        if format > FORMAT {
            return HeadFound::Newer(format);
        }
        let head = bytes.get(..length as usize).and_then(Self::take).filter(|head| head.first == first);
        head.map_or(HeadFound::Damaged, |head| HeadFound::Head(head, u64::from(length)))
    }

    fn take(bytes: &[u8]) -> Option<Self> {
        let mut input = Input::new(checked(bytes)?.get(FIXED..)?);
        let (first, unix_ms, count) = (input.u64()?, input.u64()?, input.u32()?);
        let epochs = (0..count.min(MAX_EPOCHS as u32)).map(|_| Some((input.u64()?, input.u64()?)));
        let epochs: Vec<_> = epochs.collect::<Option<_>>()?;
        let is_sound =
            input.is_empty() && epochs.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1) && !epochs.is_empty();
        is_sound.then_some(Self { first, unix_ms, epochs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written_and_nothing_panics() {
        let mut random = fastrand::Rng::with_seed(2);
        for round in 0..500 {
            let epochs = (1..=random.u64(1..MAX_EPOCHS as u64 + 9)).map(|n| (n * 10, n)).collect();
            let head = SegmentHead { first: round, unix_ms: random.u64(..), epochs };
            let mut bytes = head.encode();
            let HeadFound::Head(read, length) = SegmentHead::decode(&bytes, round) else { panic!("no head") };
            assert_eq!((read.first, read.unix_ms, read.epoch()), (round, head.unix_ms, head.epoch()));
            assert_eq!((length, read.epochs.len()), (bytes.len() as u64, head.epochs.len().min(MAX_EPOCHS)));
            assert!(bytes.len() <= MAX_HEAD);
            assert_eq!(SegmentHead::decode(&bytes, round + 1), HeadFound::Damaged, "of another file");
            assert!(!matches!(
                SegmentHead::decode(&bytes[..random.usize(..bytes.len())], round),
                HeadFound::Head(..)
            ));
            let at = random.usize(..bytes.len());
            bytes[at] ^= random.u8(1..);
            assert!(!matches!(SegmentHead::decode(&bytes, round), HeadFound::Head(..) | HeadFound::Newer(_)));
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let mut bytes = SegmentHead { first: 1, unix_ms: 1, epochs: vec![(1, 1)] }.encode();
        bytes[8] = 9;
        assert_eq!(SegmentHead::decode(&bytes, 1), HeadFound::Damaged);
        let crc = crc32fast::hash(&bytes[..16]);
        bytes[16..20].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHead::decode(&bytes, 1), HeadFound::Newer(9));
        assert_eq!(SegmentHead::decode(b"#!/bin/sh\n", 1), HeadFound::Foreign);
        assert_eq!(SegmentHead::decode(&[0; 100], 1), HeadFound::Damaged);
        assert_eq!(SegmentHead::decode(&[], 1), HeadFound::Damaged);
    }

    #[test]
    fn names_are_read_as_they_are_given() {
        assert_eq!(first_of(&log_name(17), ".log"), Some(17));
        assert_eq!(first_of(&index_name(u64::MAX), ".idx"), Some(u64::MAX));
        for name in
            ["1.log", "00000000000000000017.idx", "+0000000000000000017.log", "99999999999999999999.log"]
        {
            assert_eq!(first_of(name, ".log"), None, "{name}");
        }
    }
}
