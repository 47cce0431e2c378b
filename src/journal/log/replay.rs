//! Replays: what a query finds in the log, in pieces.

use std::io;
use std::sync::Arc;

use super::group::GroupHead;
use super::key::Query;
use super::maintenance::last_before;
use super::memory_index::mark_before;
use super::record::{RECORD_HEAD, RawRecord, Stored, record_head};
use super::scan::{Scan, Visit};
use super::segment::Segment;
use super::shared::{DamagedPlace, Lookup, Shared};
use super::window::Window;

/// Limits of one piece.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Bytes of the events' fields and targets, about; the first event is always included.
    pub bytes: usize,
    /// Events.
    pub records: usize,
    /// Events that are looked at, with those that have expired, and segments.
    pub looks: usize,
    /// The last event to read.
    pub through: u64,
}

/// A part of what a query finds.
#[derive(Debug, Default)]
pub struct Piece {
    /// Events, in order.
    pub records: Vec<Stored>,
    /// All that the query finds up to here is in this piece or one before.
    pub position: u64,
    /// Whether there is more: the budget has ended before the log did, or the last event to read was reached.
    pub more: bool,
    /// Whether something is missing that was not lost yet when the replay began.
    pub lost: bool,
}

/// Reads what a query finds behind a position.
///
/// Segments may be removed meanwhile: the one that it reads can still be read.
#[derive(Debug)]
pub struct Replay {
    shared: Arc<Shared>,
    query: Query,
    after: u64,
    /// The newest event that was lost when it began.
    known_lost: u64,
    within: Option<Within>,
}

/// Where a replay is.
#[derive(Debug)]
struct Within {
    segment: Arc<Segment>,
    lookup: Lookup,
    window: Window,
    /// Records to be read, in reverse order.
    offsets: Vec<u32>,
    /// Where the next ones are to be looked for.
    from: u64,
    more: bool,
    /// The last seq of the segment when it was looked at last.
    through: u64,
}

enum Step {
    Goes,
    Full,
    /// There is nothing behind.
    End,
}

/// Records that are looked up at once.
const OFFSETS: usize = 4_096;
/// Bytes that are read for one record that stands alone: most fit in.
const ALONE: u64 = 1 << 10;
/// Bytes that are read at once for records that lie close together.
const TOGETHER: u64 = 256 << 10;
/// Bytes of an event beside its fields, about.
const OVERHEAD: usize = size_of::<Stored>();

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: 1 << 20, records: 4_096, looks: 16_384, through: u64::MAX }
    }
}

impl Replay {
    pub(super) fn new(shared: Arc<Shared>, query: Query, after: u64) -> Self {
        let known_lost = shared.losses.lock().newest(&query);
        Self { shared, query, after, known_lost, within: None }
    }

    /// The newest event that it would have read, and that was lost when it began; 0 where there is none.
    pub fn known_lost(&self) -> u64 {
        self.known_lost
    }

    /// Up to where it has read.
    pub fn position(&self) -> u64 {
        self.after
    }

    /// Reads on. What has expired at `unix_ms`, in ms since the Unix epoch, is left out.
    pub fn next(&mut self, budget: Budget, unix_ms: u64) -> Piece {
        let mut piece = Piece::default();
        let mut pace = Pace { budget, unix_ms, bytes: 0, looks: 0 };
        loop {
            let step = if self.after >= budget.through {
                Step::Full
            } else if self.within.is_none() {
                pace.looks += 1;
                self.enter(&mut piece)
            } else if self.query.all {
                self.scan(&mut piece, &mut pace)
            } else {
                self.read(&mut piece, &mut pace)
            };
            match step {
                Step::Goes if pace.looks < budget.looks || self.after == 0 => {}
                Step::Goes | Step::Full => {
                    piece.more = self.after < self.shared.newest();
                    break;
                }
                Step::End => break,
            }
        }
        piece.position = self.after;
        piece
    }

    /// Goes to the segment that holds what comes next.
    fn enter(&mut self, piece: &mut Piece) -> Step {
        if self.after >= self.shared.newest() {
            return Step::End;
        }
        let Some(segment) = self.shared.segment_of(self.after + 1) else { return Step::End };
        self.miss(segment.first, piece);
        match self.open(&segment) {
            Ok(within) => self.within = Some(within),
            // It was removed just now, and what follows is looked for again.
            Err(_) if !self.shared.is_listed(&segment) => {}
            Err(_) => return self.skip(&segment, piece),
        }
        Step::Goes
    }

    /// What stands before a seq is not there any more.
    fn miss(&mut self, first: u64, piece: &mut Piece) {
        if self.after + 1 < first {
            let lost = self.shared.losses.lock().newest(&self.query);
            piece.lost |= lost > self.after.max(self.known_lost);
            self.after = first - 1;
        }
    }

    fn open(&self, segment: &Arc<Segment>) -> io::Result<Within> {
        let file = self.shared.file(&segment.log_name())?;
        let lookup = self.shared.lookup(segment)?;
        let marks = match lookup.marks() {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.shared.discard_index(segment);
                self.shared.lookup(segment)?.marks()?
            }
            marks => marks?,
        };
        let from = mark_before(&marks, self.after + 1).map_or(segment.begin, |mark| mark.offset);
        let window = Window::new(file, TOGETHER as usize);
        let segment = segment.clone();
        Ok(Within { segment, lookup, window, offsets: Vec::new(), from, more: true, through: 0 })
    }

    /// A segment cannot be read at all.
    fn skip(&mut self, segment: &Segment, piece: &mut Piece) -> Step {
        let Some(behind) = self.shared.segment_behind(segment.first) else { return Step::End };
        let last = behind.first - 1;
        self.damaged(segment.first, 0..u64::MAX, last, piece);
        self.after = self.after.max(last);
        self.within = None;
        Step::Goes
    }

    fn damaged(&self, segment: u64, offsets: std::ops::Range<u64>, last: u64, piece: &mut Piece) {
        piece.lost |= last > self.known_lost;
        self.shared.note_damage(DamagedPlace { segment, offsets, last });
    }

    /// The segment is read up to a seq. Goes on behind the segment, or first in what was appended to it since that was
    /// looked up.
    fn leave(&mut self, through: u64, piece: &mut Piece) -> Step {
        let Some(within) = &mut self.within else { return Step::Goes };
        // Asked first: where there is a segment behind it, nothing more is appended to this one.
        let behind = self.shared.segment_behind(within.segment.first);
        self.after = self.after.max(through);
        if within.lookup.end().1 > through {
            within.more = true;
            return Step::Goes;
        }
        self.within = None;
        match behind {
            Some(behind) => {
                self.miss(behind.first, piece);
                Step::Goes
            }
            None => Step::End,
        }
    }

    /// Reads the next record that the index has found.
    fn read(&mut self, piece: &mut Piece, pace: &mut Pace) -> Step {
        let Some(within) = &mut self.within else { return Step::Goes };
        if within.offsets.is_empty() {
            if !within.more {
                let through = within.through;
                return self.leave(through, piece);
            }
            return self.look_up(piece);
        }
        let Some(offset) = within.offsets.last().map(|offset| u64::from(*offset)) else { return Step::Goes };
        let end = within.lookup.end().0;
        within.window.stretch = within.stretch(offset);
        pace.looks += 1;
        let (after, through, unix_ms) = (self.after, pace.budget.through, pace.unix_ms);
        match within.window.record(offset, end) {
            Ok(Some(record)) if record.seq <= after => {}
            Ok(Some(record)) if record.seq > through => {
                self.after = through;
                return Step::Full;
            }
            Ok(Some(record)) => {
                if record.event.is_some_and(|event| !event.has_expired(record.unix_ms, unix_ms))
                    && let Some(stored) = record.to_stored()
                {
                    if !pace.has_room_for(&stored, piece) {
                        return Step::Full;
                    }
                    piece.records.push(stored);
                }
                self.after = record.seq;
            }
            Ok(None) | Err(_) => {
                let (first, through) = (within.segment.first, within.through);
                let marks = within.lookup.marks().unwrap_or_default();
                let last = last_before(&marks, offset, through);
                within.offsets.pop();
                self.damaged(first, offset..offset + 1, last, piece);
                return Step::Goes;
            }
        }
        within.offsets.pop();
        Step::Goes
    }

    /// Looks for more in the index of the segment.
    fn look_up(&mut self, piece: &mut Piece) -> Step {
        let Some(within) = &mut self.within else { return Step::Goes };
        match within.lookup.offsets(&self.query, within.from, OFFSETS) {
            Ok(found) => {
                within.more = found.more;
                within.through = found.through;
                within.offsets = found.offsets;
                within.offsets.reverse();
                within.from = within.offsets.first().map_or(within.from, |offset| u64::from(*offset) + 1);
                Step::Goes
            }
            Err(error) => {
                let segment = within.segment.clone();
                if error.kind() == io::ErrorKind::InvalidData {
                    self.shared.discard_index(&segment);
                }
                match self.shared.lookup(&segment) {
                    Ok(Lookup::Memory(index)) => within.lookup = Lookup::Memory(index),
                    Ok(lookup) if error.kind() == io::ErrorKind::InvalidData => within.lookup = lookup,
                    _ => return self.skip(&segment, piece),
                }
                Step::Goes
            }
        }
    }

    /// Reads on in the segment, whomever its events are for.
    fn scan(&mut self, piece: &mut Piece, pace: &mut Pace) -> Step {
        let Some(within) = &self.within else { return Step::Goes };
        let segment = within.segment.clone();
        let (end, last) = within.lookup.end();
        let marks = within.lookup.marks().unwrap_or_default();
        let mark = mark_before(&marks, self.after + 1);
        let (offset, seq) = mark.map_or((segment.begin, segment.first), |mark| (mark.offset, mark.seq));
        let file = within.window.file();
        let mut taken = Taken { after: self.after, piece, pace, is_full: false };
        let scanned = Scan::new(file, segment.first, Some(segment.epoch), end).run(offset, seq, &mut taken);
        let (before, is_full) = (self.after, taken.is_full);
        self.after = taken.after;
        match scanned {
            Ok(scanned) => {
                for lost in scanned.lost.iter().filter(|lost| lost.end > before + 1) {
                    piece.lost |= lost.end - 1 > self.known_lost;
                    let place = DamagedPlace { segment: segment.first, offsets: 0..end, last: lost.end - 1 };
                    self.shared.note_damage(self.narrowed(place, &marks, lost.start));
                }
                if is_full {
                    return Step::Full;
                }
                if scanned.next <= last && last > before {
                    let place = DamagedPlace { segment: segment.first, offsets: 0..end, last };
                    piece.lost |= last > self.known_lost;
                    self.shared.note_damage(self.narrowed(place, &marks, scanned.next));
                }
                self.leave(last, piece)
            }
            // On to the next mark.
            Err(_) => {
                let behind = marks.partition_point(|mark| mark.seq <= self.after + 1);
                let next = marks.get(behind).map_or(last, |mark| mark.seq - 1);
                let first = self.after + 1;
                piece.lost |= next > self.known_lost;
                let place = DamagedPlace { segment: segment.first, offsets: 0..end, last: next };
                self.shared.note_damage(self.narrowed(place, &marks, first));
                self.after = next;
                if next >= last { self.leave(last, piece) } else { Step::Goes }
            }
        }
    }

    /// The damaged place without what lies before the mark of its first event, and behind that of its last one.
    fn narrowed(&self, place: DamagedPlace, marks: &[super::memory_index::Mark], first: u64) -> DamagedPlace {
        let start = mark_before(marks, first).map_or(place.offsets.start, |mark| mark.offset);
        let behind = marks.partition_point(|mark| mark.seq <= place.last);
        let end = marks.get(behind).map_or(place.offsets.end, |mark| mark.offset);
        DamagedPlace { offsets: start..end, ..place }
    }
}

impl Within {
    /// How much to read for the record at an offset: those that follow soon with it.
    fn stretch(&self, offset: u64) -> usize {
        let ahead = self.offsets.len().saturating_sub(32);
        let far = self.offsets.get(ahead).map_or(offset, |offset| u64::from(*offset));
        let span = far.saturating_sub(offset) + ALONE;
        if span <= TOGETHER { span as usize } else { ALONE as usize }
    }
}

impl Window {
    /// The record at an offset; `None` where there is none, or a damaged one.
    fn record(&mut self, offset: u64, end: u64) -> io::Result<Option<RawRecord<'_>>> {
        let body = offset + RECORD_HEAD as u64;
        let Some(head) = self.get(offset..body, end)? else { return Ok(None) };
        let Ok(head) = head.try_into() else { return Ok(None) };
        let (length, crc) = record_head(head);
        let bytes = self.get(body..body + length as u64, end)?;
        Ok(bytes.and_then(|bytes| RawRecord::read(bytes, crc)))
    }
}

/// What a piece has used of its budget.
struct Pace {
    budget: Budget,
    unix_ms: u64,
    bytes: usize,
    looks: usize,
}

impl Pace {
    fn has_room_for(&mut self, stored: &Stored, piece: &Piece) -> bool {
        let bytes = self.bytes + stored.fields.len() + stored.target.size() + OVERHEAD;
        let is_first = piece.records.is_empty();
        let has_room = bytes <= self.budget.bytes && piece.records.len() < self.budget.records;
        if has_room || is_first {
            self.bytes = bytes;
        }
        has_room || is_first
    }
}

/// Takes what a scan visits, as long as there is room.
struct Taken<'a> {
    after: u64,
    piece: &'a mut Piece,
    pace: &'a mut Pace,
    is_full: bool,
}

impl Visit for Taken<'_> {
    fn group(&mut self, _offset: u64, _head: &GroupHead) {}

    fn record(&mut self, _offset: u64, record: RawRecord<'_>) -> bool {
        if record.seq <= self.after {
            return true;
        }
        if record.seq > self.pace.budget.through {
            self.after = self.pace.budget.through;
            self.is_full = true;
            return false;
        }
        self.pace.looks += 1;
        if self.pace.looks > self.pace.budget.looks && self.after > 0 {
            self.is_full = true;
            return false;
        }
        if record.event.is_some_and(|event| !event.has_expired(record.unix_ms, self.pace.unix_ms))
            && let Some(stored) = record.to_stored()
        {
            if !self.pace.has_room_for(&stored, self.piece) {
                self.is_full = true;
                return false;
            }
            self.piece.records.push(stored);
        }
        self.after = record.seq;
        true
    }
}
