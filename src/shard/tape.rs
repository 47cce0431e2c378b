//! What goes to everyone, joined once: every stream of one framing reads from the same tape.

use std::collections::VecDeque;

/// Bytes of a segment; a longer frame has one to itself.
const SEGMENT: usize = 64 * 1024;

/// A run of encoded events that all streams of one framing are sent, with offsets that only grow.
///
/// A stream is owed what lies between its cursor and the end, and gets it in one write however many events
/// that is. Appending copies a frame once a shard; nothing is queued per stream.
#[derive(Debug, Default)]
pub(super) struct Tape {
    segments: VecDeque<Segment>,
    marks: VecDeque<Mark>,
    end: u64,
}

#[derive(Debug)]
struct Segment {
    start: u64,
    bytes: Vec<u8>,
}

/// Where an event ends, and which one it is.
#[derive(Clone, Copy, Debug)]
struct Mark {
    end: u64,
    seq: u64,
    transient: bool,
}

/// What a stream was in the middle of, or before, at some offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the beginning of that event.
    Before(u64),
    /// Within that event, which ends at `end`.
    Within { seq: u64, end: u64 },
}

impl Tape {
    /// The offset that the next event will begin at.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The offset of the oldest byte held.
    pub(super) fn start(&self) -> u64 {
        self.segments.front().map_or(self.end, |segment| segment.start)
    }

    /// Bytes held.
    pub(super) fn len(&self) -> usize {
        (self.end - self.start()) as usize
    }

    /// Adds one event.
    pub(super) fn append(&mut self, seq: u64, transient: bool, frame: &[u8]) {
        let fits =
            |segment: &Segment| segment.bytes.is_empty() || segment.bytes.len() + frame.len() <= SEGMENT;
        match self.segments.back_mut() {
            Some(segment) if fits(segment) => segment.bytes.extend_from_slice(frame),
            _ => self.segments.push_back(Segment { start: self.end, bytes: frame.to_vec() }),
        }
        self.end += frame.len() as u64;
        self.marks.push_back(Mark { end: self.end, seq, transient });
    }

    /// Bytes from an offset on, as far as they lie together; empty at the end.
    pub(super) fn slice(&self, from: u64) -> &[u8] {
        let newest = self.segments.back().filter(|segment| segment.start <= from);
        let segment = newest.or_else(|| {
            let at = self.segments.partition_point(|segment| segment.start <= from);
            self.segments.get(at.checked_sub(1)?)
        });
        segment
            .map_or(&[], |segment| segment.bytes.get((from - segment.start) as usize..).unwrap_or_default())
    }

    /// A copy of the bytes between two offsets.
    pub(super) fn copy(&self, mut from: u64, to: u64) -> Box<[u8]> {
        let mut out = Vec::with_capacity((to - from) as usize);
        while from < to {
            let bytes = self.slice(from);
            if bytes.is_empty() {
                break;
            }
            let bytes = &bytes[..bytes.len().min((to - from) as usize)];
            out.extend_from_slice(bytes);
            from += bytes.len() as u64;
        }
        out.into_boxed_slice()
    }

    /// Which event an offset below the end lies before or within.
    pub(super) fn place(&self, offset: u64) -> Option<Place> {
        let at = self.marks.partition_point(|mark| mark.end <= offset);
        let mark = self.marks.get(at)?;
        let begin = at.checked_sub(1).map_or_else(|| self.start(), |before| self.marks[before].end);
        Some(match offset == begin {
            true => Place::Before(mark.seq),
            false => Place::Within { seq: mark.seq, end: mark.end },
        })
    }

    /// How many events end between two offsets, and how many of those history never holds.
    pub(super) fn count(&self, from: u64, to: u64) -> (u64, u64) {
        let first = self.marks.partition_point(|mark| mark.end <= from);
        let last = self.marks.partition_point(|mark| mark.end <= to);
        let transient = self.marks.range(first..last).filter(|mark| mark.transient).count();
        ((last - first) as u64, transient as u64)
    }

    /// The offset up to which whole segments must go so that at most `keep` bytes and a segment are held.
    pub(super) fn excess(&self, keep: usize) -> Option<u64> {
        if self.len() <= keep {
            return None;
        }
        let segment =
            self.segments.iter().skip(1).find(|segment| (self.end - segment.start) as usize <= keep);
        Some(segment.map_or(self.end, |segment| segment.start))
    }

    /// Forgets whole segments before an offset.
    pub(super) fn release(&mut self, before: u64) {
        let mut count = self.segments.len();
        while let Some(segment) = self.segments.front_mut() {
            let end = segment.start + segment.bytes.len() as u64;
            if end > before {
                break;
            }
            count -= 1;
            if count == 0 {
                segment.bytes.clear();
                segment.bytes.shrink_to(SEGMENT);
                segment.start = self.end;
                break;
            }
            self.segments.pop_front();
        }
        let start = self.start();
        while self.marks.front().is_some_and(|mark| mark.end <= start) {
            self.marks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_places_and_counts_follow_the_events() {
        let mut tape = Tape::default();
        assert_eq!((tape.slice(0), tape.place(0), tape.len()), (&b""[..], None, 0));
        tape.append(7, false, b"seven");
        tape.append(9, true, b"nine");
        assert_eq!(tape.slice(0), b"sevennine");
        assert_eq!(tape.slice(7), b"ne");
        assert_eq!(tape.slice(9), b"");
        assert_eq!(tape.place(0), Some(Place::Before(7)));
        assert_eq!(tape.place(3), Some(Place::Within { seq: 7, end: 5 }));
        assert_eq!(tape.place(5), Some(Place::Before(9)));
        assert_eq!(tape.place(9), None);
        assert_eq!((tape.count(0, 9), tape.count(0, 5), tape.count(5, 9)), ((2, 1), (1, 0), (1, 1)));
        tape.release(9);
        assert_eq!((tape.len(), tape.start(), tape.end()), (0, 9, 9));
        tape.append(10, false, b"ten");
        assert_eq!((tape.slice(9), tape.place(9)), (&b"ten"[..], Some(Place::Before(10))));
    }

    #[test]
    fn excess_goes_by_whole_segments() {
        let mut tape = Tape::default();
        let frame = vec![b'x'; SEGMENT / 2];
        (1..=8).for_each(|seq| tape.append(seq, false, &frame));
        assert_eq!(tape.excess(4 * SEGMENT), None);
        let cut = tape.excess(2 * SEGMENT).expect("four segments are more than two");
        assert_eq!(cut, 2 * SEGMENT as u64);
        tape.release(cut);
        assert_eq!((tape.start(), tape.len()), (cut, 2 * SEGMENT));
        assert_eq!(tape.place(cut), Some(Place::Before(5)));
        assert_eq!(tape.excess(1), Some(tape.end()));
        tape.release(tape.end());
        assert_eq!(tape.len(), 0);
    }
}
