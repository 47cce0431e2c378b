//! Groups: what was written at once, which is there whole or not at all.
//!
//! A group is one write of the thread that commits: everything that waited for it, one append or many. Nothing is written
//! behind a group before it was synced, where appends are acknowledged after the sync. So a torn group with nothing
//! valid behind it was never acknowledged, and one with something valid behind it is damage.

use super::input::Input;
use super::record::{AppendKey, Entry, Part, put_record};

/// What stands before the records of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupHead {
    /// Bytes of its records.
    pub(super) length: u32,
    /// Number of its records; at least one.
    pub(super) count: u32,
    /// Of its records' bytes.
    pub(super) crc: u32,
    pub(super) epoch: u64,
    /// The seq of its first record.
    pub(super) first: u64,
    /// When it was written, in ms since the Unix epoch; never less than that of the one before.
    pub(super) unix_ms: u64,
}

/// Bytes of a group's head.
pub(super) const GROUP_HEAD: usize = 48;
/// Most bytes of a group's records.
pub(super) const MAX_BODY: usize = 256 << 20;
/// What it begins with.
pub(super) const GROUP_MAGIC: [u8; 4] = *b"\xfcGRP";

impl GroupHead {
    /// The checksum is of the place, too: what an earlier file had on the same sectors is not taken for a group.
    fn encode(&self, segment: u64, offset: u64) -> [u8; GROUP_HEAD] {
        let mut out = [0; GROUP_HEAD];
        out[..4].copy_from_slice(&GROUP_MAGIC);
        out[4..8].copy_from_slice(&self.length.to_le_bytes());
        out[8..12].copy_from_slice(&self.count.to_le_bytes());
        out[12..16].copy_from_slice(&self.crc.to_le_bytes());
        out[16..24].copy_from_slice(&self.epoch.to_le_bytes());
        out[24..32].copy_from_slice(&self.first.to_le_bytes());
        out[32..40].copy_from_slice(&self.unix_ms.to_le_bytes());
        let crc = head_crc(&out[..GROUP_HEAD - 4], segment, offset);
        out[GROUP_HEAD - 4..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads the head that stands at an offset of a segment; `None` where there is none, or a damaged one.
    pub(super) fn decode(bytes: &[u8], segment: u64, offset: u64) -> Option<Self> {
        let covered = bytes.get(..GROUP_HEAD - 4)?;
        let mut input = Input::new(bytes.get(..GROUP_HEAD)?);
        if input.array()? != GROUP_MAGIC {
            return None;
        }
        let (length, count, crc) = (input.u32()?, input.u32()?, input.u32()?);
        let (epoch, first, unix_ms, _) = (input.u64()?, input.u64()?, input.u64()?, input.u32()?);
        let is_sound = input.u32()? == head_crc(covered, segment, offset)
            && count > 0
            && first > 0
            && first.checked_add(u64::from(count)).is_some();
        is_sound.then_some(Self { length, count, crc, epoch, first, unix_ms })
    }

    /// The seq behind its last record.
    pub(super) fn next(&self) -> u64 {
        self.first + u64::from(self.count)
    }
}

fn head_crc(bytes: &[u8], segment: u64, offset: u64) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&segment.to_le_bytes());
    crc.update(&offset.to_le_bytes());
    crc.update(bytes);
    crc.finalize()
}

/// A group that is being made. Its memory is used again.
#[derive(Debug, Default)]
pub(super) struct GroupBuffer {
    bytes: Vec<u8>,
    /// Where each record begins.
    records: Vec<u32>,
}

impl GroupBuffer {
    /// Begins a new one.
    pub(super) fn clear(&mut self) {
        // One large batch must not keep its memory for ever.
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.bytes.resize(GROUP_HEAD, 0);
        self.records.clear();
    }

    pub(super) fn put(
        &mut self,
        seq: u64,
        unix_ms: u64,
        entry: &Entry<'_>,
        part: Part,
        key: Option<(AppendKey<'_>, u64)>,
    ) {
        self.records.push(self.bytes.len() as u32);
        put_record(&mut self.bytes, seq, unix_ms, entry, part, key);
    }

    /// Whether it has outgrown what a group may have.
    pub(super) fn is_too_large(&self) -> bool {
        self.bytes.len() - GROUP_HEAD > MAX_BODY
    }

    pub(super) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Where each record begins, from the group's begin.
    pub(super) fn records(&self) -> &[u32] {
        &self.records
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes the head.
    pub(super) fn seal(
        &mut self,
        epoch: u64,
        first: u64,
        unix_ms: u64,
        segment: u64,
        offset: u64,
    ) -> GroupHead {
        let body = &self.bytes[GROUP_HEAD..];
        let (length, crc, count) = (body.len() as u32, crc32fast::hash(body), self.records.len() as u32);
        let head = GroupHead { length, count, crc, epoch, first, unix_ms };
        self.bytes[..GROUP_HEAD].copy_from_slice(&head.encode(segment, offset));
        head
    }
}

/// Bytes of a buffer that are kept for the next group.
const KEPT: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_at_its_own_place_only_and_nothing_panics() {
        let mut random = fastrand::Rng::with_seed(8);
        for _ in 0..5_000 {
            let head = GroupHead {
                length: random.u32(..),
                count: random.u32(1..),
                crc: random.u32(..),
                epoch: random.u64(..),
                first: random.u64(1..1 << 60),
                unix_ms: random.u64(..),
            };
            let (segment, offset) = (random.u64(..), random.u64(..));
            let mut bytes = head.encode(segment, offset);
            assert_eq!(GroupHead::decode(&bytes, segment, offset), Some(head));
            assert_eq!(GroupHead::decode(&bytes, segment, offset ^ 1), None);
            assert_eq!(GroupHead::decode(&bytes, segment ^ 1, offset), None);
            bytes[random.usize(..GROUP_HEAD)] ^= random.u8(1..);
            assert_eq!(GroupHead::decode(&bytes, segment, offset), None);
            assert_eq!(GroupHead::decode(&bytes[..random.usize(..GROUP_HEAD)], segment, offset), None);
        }
    }
}
