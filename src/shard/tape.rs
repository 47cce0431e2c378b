//! Events for all streams, encoded once: every stream of one framing reads from the same tape.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::{Framing, Record};

/// Bytes of a segment; a longer frame has one to itself.
pub(super) const SEGMENT: usize = 64 * 1024;

/// A run of encoded events that all streams of one framing are sent, with offsets that only grow.
///
/// A stream has yet to be sent what lies between its cursor and the end, and gets it in one write, however many events
/// that is. Appending copies a frame once per shard, and a large one not at all; nothing is queued per stream.
#[derive(Debug)]
pub(super) struct Tape {
    framing: Framing,
    segments: VecDeque<Segment>,
    marks: VecDeque<Mark>,
    end: u64,
}

#[derive(Debug)]
struct Segment {
    start: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// Several frames, one after the other.
    Joined(Vec<u8>),
    /// One frame that is larger than a segment.
    Shared(Arc<Record>),
}

/// Where an event ends, and its position in the journal.
#[derive(Clone, Copy, Debug)]
struct Mark {
    end: u64,
    position: u64,
    transient: bool,
}

/// The event before which, or within which, an offset lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// At the beginning of that event.
    Before(u64),
    /// Within that event, which ends at `end`.
    Within { position: u64, end: u64 },
}

impl Tape {
    pub(super) fn new(framing: Framing) -> Self {
        Self { framing, segments: VecDeque::new(), marks: VecDeque::new(), end: 0 }
    }

    /// The offset at which the next event will begin.
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
    pub(super) fn append(&mut self, record: &Arc<Record>) {
        let frame = record.frame.bytes(self.framing);
        match self.segments.back_mut().map(|segment| &mut segment.content) {
            Some(Content::Joined(bytes)) if bytes.len() + frame.len() <= SEGMENT => {
                bytes.extend_from_slice(frame);
            }
            _ => {
                let content = match frame.len() > SEGMENT {
                    true => Content::Shared(record.clone()),
                    false => Content::Joined(frame.to_vec()),
                };
                self.segments.push_back(Segment { start: self.end, content });
            }
        }
        self.end += frame.len() as u64;
        self.marks.push_back(Mark {
            end: self.end,
            position: record.position,
            transient: record.is_transient(),
        });
    }

    /// Contiguous bytes from an offset; empty at the end.
    pub(super) fn slice(&self, from: u64) -> &[u8] {
        self.segment(from).map_or(&[], |segment| {
            segment.bytes(self.framing).get((from - segment.start) as usize..).unwrap_or_default()
        })
    }

    /// The event that contains an offset, and the offset within it, if that event is shared rather than copied.
    pub(super) fn shared(&self, offset: u64) -> Option<(&Arc<Record>, usize)> {
        let segment = self.segment(offset)?;
        match &segment.content {
            Content::Shared(record) => Some((record, (offset - segment.start) as usize)),
            Content::Joined(_) => None,
        }
    }

    fn segment(&self, offset: u64) -> Option<&Segment> {
        let newest = self.segments.back().filter(|segment| segment.start <= offset);
        newest.or_else(|| {
            let at = self.segments.partition_point(|segment| segment.start <= offset);
            self.segments.get(at.checked_sub(1)?)
        })
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
    pub(super) fn place(&self, offset: u64) -> Option<At> {
        let at = self.marks.partition_point(|mark| mark.end <= offset);
        let mark = self.marks.get(at)?;
        let begin = at.checked_sub(1).map_or_else(|| self.start(), |before| self.marks[before].end);
        Some(match offset == begin {
            true => At::Before(mark.position),
            false => At::Within { position: mark.position, end: mark.end },
        })
    }

    /// How many events end between two offsets, and how many of those have a `ttl` of 0.
    pub(super) fn count(&self, from: u64, to: u64) -> (u64, u64) {
        let first = self.marks.partition_point(|mark| mark.end <= from);
        let last = self.marks.partition_point(|mark| mark.end <= to);
        let transient = self.marks.range(first..last).filter(|mark| mark.transient).count();
        ((last - first) as u64, transient as u64)
    }

    /// The offset up to which whole segments must be removed so that at most `keep` bytes and one segment remain.
    pub(super) fn excess(&self, keep: usize) -> Option<u64> {
        if self.len() <= keep {
            return None;
        }
        let segment =
            self.segments.iter().skip(1).find(|segment| (self.end - segment.start) as usize <= keep);
        Some(segment.map_or(self.end, |segment| segment.start))
    }

    /// Removes whole segments before an offset.
    pub(super) fn release(&mut self, before: u64) {
        let mut count = self.segments.len();
        while let Some(segment) = self.segments.front_mut() {
            let end = segment.start + segment.bytes(self.framing).len() as u64;
            if end > before {
                break;
            }
            count -= 1;
            // Reuse the memory of the last one.
            if count == 0
                && let Content::Joined(bytes) = &mut segment.content
            {
                bytes.clear();
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

impl Segment {
    fn bytes(&self, framing: Framing) -> &[u8] {
        match &self.content {
            Content::Joined(bytes) => bytes,
            Content::Shared(record) => record.frame.bytes(framing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Draft, Event, EventId, Publication, Target};

    /// Some event of so many bytes on a tape.
    fn record(seq: u64, transient: bool, length: usize) -> Arc<Record> {
        let seal = |padding: usize| {
            let event = Event::text("message", &"x".repeat(padding)).expect("an event");
            let ttl = transient.then_some(std::time::Duration::ZERO);
            Draft::from(Publication { event, target: Target::all(), ttl })
                .seal(seq, EventId { epoch: 1, seq })
        };
        let frame = |record: &Record| record.frame.bytes(Framing::Plain).len();
        let record = seal(length - frame(&seal(1)) + 1);
        assert_eq!(frame(&record), length);
        Arc::new(record)
    }

    #[test]
    fn slices_places_and_counts_follow_the_events() {
        let mut tape = Tape::new(Framing::Plain);
        assert_eq!((tape.slice(0), tape.place(0), tape.len()), (&b""[..], None, 0));
        let (seven, nine) = (record(7, false, 50), record(9, true, 40));
        tape.append(&seven);
        tape.append(&nine);
        assert_eq!(
            tape.slice(0),
            [seven.frame.bytes(Framing::Plain), nine.frame.bytes(Framing::Plain)].concat()
        );
        assert_eq!(tape.slice(88), b"\n\n");
        assert_eq!(tape.slice(90), b"");
        assert_eq!(tape.place(0), Some(At::Before(7)));
        assert_eq!(tape.place(3), Some(At::Within { position: 7, end: 50 }));
        assert_eq!(tape.place(50), Some(At::Before(9)));
        assert_eq!(tape.place(90), None);
        assert_eq!((tape.count(0, 90), tape.count(0, 50), tape.count(50, 90)), ((2, 1), (1, 0), (1, 1)));
        tape.release(90);
        assert_eq!((tape.len(), tape.start(), tape.end()), (0, 90, 90));
        let ten = record(10, false, 60);
        tape.append(&ten);
        assert_eq!(tape.slice(90), ten.frame.bytes(Framing::Plain));
        assert_eq!(tape.place(90), Some(At::Before(10)));
    }

    #[test]
    fn excess_goes_by_whole_segments() {
        let mut tape = Tape::new(Framing::Plain);
        (1..=8).for_each(|seq| tape.append(&record(seq, false, SEGMENT / 2)));
        assert_eq!(tape.excess(4 * SEGMENT), None);
        let cut = tape.excess(2 * SEGMENT).expect("four segments are more than two");
        assert_eq!(cut, 2 * SEGMENT as u64);
        tape.release(cut);
        assert_eq!((tape.start(), tape.len()), (cut, 2 * SEGMENT));
        assert_eq!(tape.place(cut), Some(At::Before(5)));
        assert_eq!(tape.excess(1), Some(tape.end()));
        tape.release(tape.end());
        assert_eq!(tape.len(), 0);
    }

    #[test]
    fn a_large_event_is_not_copied() {
        let mut tape = Tape::new(Framing::Plain);
        let large = record(2, false, SEGMENT + 1);
        tape.append(&record(1, false, 100));
        tape.append(&large);
        tape.append(&record(3, false, 100));
        assert_eq!(Arc::strong_count(&large), 2);
        let (held, begun) = tape.shared(110).expect("an event of its own");
        assert_eq!((held.position, begun), (2, 10));
        assert_eq!(tape.slice(110), &large.frame.bytes(Framing::Plain)[10..]);
        assert!(tape.shared(99).is_none() && tape.shared(tape.end() - 1).is_none());
        tape.release(tape.end());
        assert_eq!((Arc::strong_count(&large), tape.len(), tape.start()), (1, 0, tape.end()));
        tape.append(&large);
        tape.release(tape.end());
        assert_eq!((Arc::strong_count(&large), tape.len(), tape.start()), (1, 0, tape.end()));
    }
}
