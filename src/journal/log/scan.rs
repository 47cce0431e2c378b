//! Reading a segment from one place to its end, over whatever is damaged.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::disk::File;
use super::group::{GROUP_HEAD, GROUP_MAGIC, GroupHead};
use super::input::Input;
use super::record::{RECORD_HEAD, RawRecord, record_head};
use super::window::Window;

/// Who takes what is found.
pub(super) trait Visit {
    /// A group begins at an offset.
    fn group(&mut self, offset: u64, head: &GroupHead);

    /// A record stands at an offset. `false` ends the scan.
    fn record(&mut self, offset: u64, record: RawRecord<'_>) -> bool;
}

/// What a segment holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Where the last valid group begins.
    pub(super) last_group: u64,
    /// Where that ends.
    pub(super) end: u64,
    /// The seq behind the last record.
    pub(super) next: u64,
    /// The epoch of its groups; 0 where it has none.
    pub(super) epoch: u64,
    /// When the last group was written.
    pub(super) last_ms: u64,
    /// Seqs whose records are damaged.
    pub(super) lost: Vec<Range<u64>>,
    /// Whether the visitor ended it.
    pub(super) ended: bool,
}

/// Number of bytes that are read at once.
const STRETCH: usize = 256 << 10;

/// A scan of one segment.
#[derive(Debug)]
pub(super) struct Scan {
    window: Window,
    /// The first seq of the segment, which its groups' checksums are of.
    segment: u64,
    /// That of the first whole group, where it is not known.
    epoch: Option<u64>,
    /// Where the part that may be read ends.
    size: u64,
    scanned: Scanned,
}

enum Found {
    Whole(GroupHead),
    /// Only its head is.
    Head(GroupHead),
    Nothing,
}

impl Scan {
    /// A scan of the segment that begins with seq `segment`.
    pub(super) fn new(file: Arc<dyn File>, segment: u64, epoch: Option<u64>, size: u64) -> Self {
        Self { window: Window::new(file, STRETCH), segment, epoch, size, scanned: Scanned::default() }
    }

    /// Visits everything from the group at `offset` on, which begins with seq `next`.
    ///
    /// Where something valid follows what is damaged, those of its appends that are whole are visited; what is damaged at
    /// the end is left out.
    pub(super) fn run(mut self, offset: u64, next: u64, visit: &mut dyn Visit) -> io::Result<Scanned> {
        self.scanned = Scanned { last_group: offset, end: offset, next, ..Scanned::default() };
        let mut offset = offset;
        while !self.scanned.ended && offset < self.size {
            let found = self.group_at(offset)?;
            if let Found::Whole(head) = found {
                self.scanned.epoch = head.epoch;
                self.scanned.last_group = offset;
                self.epoch = Some(head.epoch);
                offset = self.take(offset, &head, visit)?;
                self.scanned.end = offset;
                continue;
            }
            let from = match found {
                Found::Head(head) => offset + GROUP_HEAD as u64 + u64::from(head.length),
                _ => offset + 1,
            };
            let Some(valid) = self.next_valid(from)? else { break };
            if let Found::Head(head) = found {
                self.take(offset, &head, visit)?;
            }
            offset = valid;
        }
        Ok(self.scanned)
    }

    fn group_at(&mut self, offset: u64) -> io::Result<Found> {
        let body = offset + GROUP_HEAD as u64;
        let Some(bytes) = self.window.get(offset..body, self.size)? else { return Ok(Found::Nothing) };
        let Some(head) = GroupHead::decode(bytes, self.segment, offset) else { return Ok(Found::Nothing) };
        if head.first < self.scanned.next || self.epoch.is_some_and(|epoch| epoch != head.epoch) {
            return Ok(Found::Nothing);
        }
        let bytes = self.window.get(body..body + u64::from(head.length), self.size)?;
        let is_whole = bytes.is_some_and(|bytes| crc32fast::hash(bytes) == head.crc);
        Ok(if is_whole { Found::Whole(head) } else { Found::Head(head) })
    }

    /// The next offset at which a whole group stands.
    fn next_valid(&mut self, from: u64) -> io::Result<Option<u64>> {
        let mut from = from;
        while let Some(offset) = self.window.find(GROUP_MAGIC, from, self.size)? {
            if let Found::Whole(_) = self.group_at(offset)? {
                return Ok(Some(offset));
            }
            from = offset + 1;
        }
        Ok(None)
    }

    /// Visits the records of those appends of a group that are whole. Returns where it ends.
    fn take(&mut self, offset: u64, head: &GroupHead, visit: &mut dyn Visit) -> io::Result<u64> {
        let body = offset + GROUP_HEAD as u64;
        let end = body + u64::from(head.length);
        visit.group(offset, head);
        self.scanned.last_ms = self.scanned.last_ms.max(head.unix_ms);
        let available = end.min(self.size);
        let Some(bytes) = self.window.get(body..available, self.size)? else { return Ok(end) };
        // Those of one append, until its last one is there.
        let (mut at, mut append) = (0, Vec::new());
        while let Some((length, record)) = record_at(&bytes[at..]) {
            let place = body + at as u64;
            at += length;
            let Some(record) = record else {
                append.clear();
                continue;
            };
            if record.part.is_first {
                append.clear();
            }
            if record.part.is_first || !append.is_empty() {
                append.push((place, record));
            }
            if record.part.is_last && !self.scanned.visit(&append, head, visit) {
                return Ok(end);
            }
            if record.part.is_last {
                append.clear();
            }
        }
        self.scanned.skip_to(head.next());
        Ok(end)
    }
}

impl Scanned {
    /// Visits an append. `false` where the visitor ends the scan.
    fn visit(&mut self, append: &[(u64, RawRecord<'_>)], head: &GroupHead, visit: &mut dyn Visit) -> bool {
        for (place, record) in append {
            // One that is whole but has another's seq is a stranger.
            if record.seq < self.next || record.seq >= head.next() {
                continue;
            }
            self.skip_to(record.seq);
            self.next = record.seq + 1;
            if !visit.record(*place, *record) {
                self.ended = true;
                return false;
            }
        }
        true
    }

    /// Those before `seq` that are still to come are lost.
    pub(super) fn skip_to(&mut self, seq: u64) {
        if seq <= self.next {
            return;
        }
        match self.lost.last_mut() {
            Some(last) if last.end == self.next => last.end = seq,
            _ => self.lost.push(self.next..seq),
        }
        self.next = seq;
    }
}

/// The length of the record at the front, and the record if it is whole; `None` where there is none.
fn record_at(bytes: &[u8]) -> Option<(usize, Option<RawRecord<'_>>)> {
    let mut input = Input::new(bytes);
    let (length, crc) = record_head(input.array()?);
    let body = input.bytes(length)?;
    Some((RECORD_HEAD + length, RawRecord::read(body, crc)))
}
