//! Events in their stored form.

use super::address::{put_target, target};
use super::input::{Input, put_block, put_number};
use crate::event::{Draft, EncodedFields, Record, Target};

/// An event that is to be appended.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'e> {
    /// Whom it is for.
    pub target: &'e Target,
    /// Its encoded fields without `id:` and `retry:`, with the empty line at the end.
    pub fields: &'e [u8],
    /// The reconnection time that goes out with it.
    pub retry_ms: Option<u64>,
    /// How long it is kept at most, in ms. Of one with zero only the place is kept.
    pub ttl_ms: Option<u64>,
    /// Whether its data is text, not JSON.
    pub is_text: bool,
    /// Whether the topics that it goes to end with it.
    pub is_end: bool,
}

/// Where a record stands in its append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) is_first: bool,
    pub(super) is_last: bool,
}

/// What makes repeating an append safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendKey<'k> {
    /// Whose key it is.
    pub scope: &'k str,
    /// The key.
    pub key: &'k str,
    /// The hash of what was published with it.
    pub body: [u8; 32],
}

/// An event of the log.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its place.
    pub seq: u64,
    /// When it was appended, in ms since the Unix epoch.
    pub unix_ms: u64,
    /// How long it is kept at most, in ms from then.
    pub ttl_ms: Option<u64>,
    /// Whom it is for.
    pub target: Target,
    /// Its encoded fields without `id:` and `retry:`, with the empty line at the end.
    pub fields: Box<[u8]>,
    /// The reconnection time that goes out with it.
    pub retry_ms: Option<u64>,
    /// Whether its data is text, not JSON.
    pub is_text: bool,
    /// Whether the topics that it went to ended with it.
    pub is_end: bool,
}

impl<'e> Entry<'e> {
    /// What is kept of a record. An end is for the caller to note.
    pub fn of(record: &'e Record) -> Self {
        let (retry_ms, fields) = record.fields();
        let Record { target, ttl_ms, is_text, .. } = record;
        Self { target, fields, retry_ms, ttl_ms: *ttl_ms, is_text: *is_text, is_end: false }
    }
}

impl From<Stored> for Draft {
    /// The draft of the record that it was: sealed with its id it is the same.
    fn from(stored: Stored) -> Self {
        let Stored { target, fields, retry_ms, ttl_ms, is_text, .. } = stored;
        Self::restored(&fields, retry_ms, target, ttl_ms, is_text)
    }
}

impl Stored {
    /// The name of the event.
    pub fn name(&self) -> &str {
        EncodedFields::of(&self.fields).name()
    }

    /// Its data: JSON, or the lines of a text.
    pub fn data(&self) -> String {
        EncodedFields::of(&self.fields).data().into_owned()
    }
}

/// A record as it stands in a group, with nothing copied out of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawRecord<'b> {
    pub(super) seq: u64,
    pub(super) unix_ms: u64,
    pub(super) part: Part,
    /// `None` for what was never kept.
    pub(super) event: Option<RawEvent<'b>>,
    /// Of the first record of an append that has one, with the number of its records.
    pub(super) key: Option<(AppendKey<'b>, u64)>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct RawEvent<'b> {
    flags: u8,
    pub(super) ttl_ms: Option<u64>,
    retry_ms: Option<u64>,
    target: &'b [u8],
    fields: &'b [u8],
}

/// Bytes before each record: its length and its checksum.
pub(super) const RECORD_HEAD: usize = 8;

const HOLE: u8 = 1;
const END: u8 = 1 << 1;
const TEXT: u8 = 1 << 2;
const TTL: u8 = 1 << 3;
const RETRY: u8 = 1 << 4;
const KEY: u8 = 1 << 5;
const FIRST: u8 = 1 << 6;
const LAST: u8 = 1 << 7;

/// Appends a record. `key` is for the first one of an append, with the number of its records.
pub(super) fn put_record(
    out: &mut Vec<u8>,
    seq: u64,
    unix_ms: u64,
    entry: &Entry<'_>,
    part: Part,
    key: Option<(AppendKey<'_>, u64)>,
) {
    let start = out.len();
    out.resize(start + RECORD_HEAD, 0);
    let is_hole = entry.ttl_ms == Some(0);
    let flags = [
        (entry.is_end, END),
        (entry.is_text, TEXT),
        (entry.ttl_ms.is_some(), TTL),
        (entry.retry_ms.is_some(), RETRY),
    ];
    let flags = flags.iter().filter(|(has, _)| *has).fold(0, |all, (_, flag)| all | flag);
    let flags = if is_hole { HOLE } else { flags };
    let place = [(key.is_some(), KEY), (part.is_first, FIRST), (part.is_last, LAST)];
    out.push(place.iter().filter(|(has, _)| *has).fold(flags, |all, (_, flag)| all | flag));
    put_number(out, seq);
    put_number(out, unix_ms);
    if let Some((AppendKey { scope, key, body }, count)) = key {
        put_block(out, scope.as_bytes());
        put_block(out, key.as_bytes());
        out.extend_from_slice(&body);
        put_number(out, count);
    }
    if !is_hole {
        entry.ttl_ms.iter().chain(&entry.retry_ms).for_each(|ms| put_number(out, *ms));
        let mut address = Vec::with_capacity(64);
        put_target(&mut address, entry.target);
        put_block(out, &address);
        put_block(out, entry.fields);
    }
    let body = &out[start + RECORD_HEAD..];
    let (length, crc) = (body.len() as u32, crc32fast::hash(body));
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..start + RECORD_HEAD].copy_from_slice(&crc.to_le_bytes());
}

/// The length and the checksum that a record's head gives.
pub(super) fn record_head(head: [u8; RECORD_HEAD]) -> (usize, u32) {
    let [a, b, c, d, crc @ ..] = head;
    (u32::from_le_bytes([a, b, c, d]) as usize, u32::from_le_bytes(crc))
}

impl<'b> RawRecord<'b> {
    /// Takes the record that stands before all else. `None` where there is none, or a damaged one.
    #[cfg(test)]
    fn take(input: &mut Input<'b>) -> Option<Self> {
        let (length, crc) = record_head(input.array()?);
        Self::read(input.bytes(length)?, crc)
    }

    /// Reads what follows a record's head.
    pub(super) fn read(bytes: &'b [u8], crc: u32) -> Option<Self> {
        if crc32fast::hash(bytes) != crc {
            return None;
        }
        let mut input = Input::new(bytes);
        let flags = input.u8()?;
        let (seq, unix_ms) = (input.number()?, input.number()?);
        let key = if flags & KEY != 0 {
            let key = AppendKey { scope: input.text()?, key: input.text()?, body: input.array()? };
            Some((key, input.number()?))
        } else {
            None
        };
        let event = if flags & HOLE != 0 { None } else { Some(RawEvent::take(&mut input, flags)?) };
        let part = Part { is_first: flags & FIRST != 0, is_last: flags & LAST != 0 };
        input.is_empty().then_some(Self { seq, unix_ms, part, event, key })
    }

    /// Copies it out; `None` where it is a hole, or its target does not stand there as it should.
    pub(super) fn to_stored(self) -> Option<Stored> {
        let RawEvent { flags, ttl_ms, retry_ms, fields, .. } = self.event?;
        Some(Stored {
            seq: self.seq,
            unix_ms: self.unix_ms,
            ttl_ms,
            target: self.event?.target()?,
            fields: fields.into(),
            retry_ms,
            is_text: flags & TEXT != 0,
            is_end: flags & END != 0,
        })
    }
}

impl<'b> RawEvent<'b> {
    fn take(input: &mut Input<'b>, flags: u8) -> Option<Self> {
        let ttl_ms = if flags & TTL != 0 { Some(input.number()?) } else { None };
        let retry_ms = if flags & RETRY != 0 { Some(input.number()?) } else { None };
        Some(Self { flags, ttl_ms, retry_ms, target: input.block()?, fields: input.block()? })
    }

    /// Whom it is for.
    pub(super) fn target(&self) -> Option<Target> {
        let mut input = Input::new(self.target);
        target(&mut input).filter(|_| input.is_empty())
    }

    /// Whether its time is over.
    pub(super) fn has_expired(&self, unix_ms: u64, now_ms: u64) -> bool {
        self.ttl_ms.is_some_and(|ttl| unix_ms.saturating_add(ttl) <= now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Topic;

    fn written(entry: &Entry<'_>, key: Option<(AppendKey<'_>, u64)>) -> Vec<u8> {
        let mut out = Vec::new();
        let part = Part { is_first: key.is_some(), is_last: true };
        put_record(&mut out, 7, 1_790_000_000_000, entry, part, key);
        out
    }

    #[test]
    fn a_record_is_read_as_it_was_put_and_nothing_panics() {
        let mut random = fastrand::Rng::with_seed(4);
        let key = AppendKey { scope: "backend", key: "k-1", body: [9; 32] };
        for round in 0..2_000 {
            let target = Target::user(format!("user-{round}")).or_topic(Topic::parse("a.b").unwrap());
            let entry = Entry {
                target: &target,
                fields: b"event: update\ndata: a\ndata: b\n\n",
                retry_ms: random.bool().then(|| random.u64(..)),
                ttl_ms: random.bool().then(|| random.u64(1..)),
                is_text: random.bool(),
                is_end: random.bool(),
            };
            let key = random.bool().then_some((key, 3));
            let mut bytes = written(&entry, key);
            let raw = RawRecord::take(&mut Input::new(&bytes)).expect("a record");
            assert_eq!((raw.seq, raw.unix_ms, raw.key), (7, 1_790_000_000_000, key));
            assert_eq!(raw.part, Part { is_first: key.is_some(), is_last: true });
            let stored = raw.to_stored().expect("an event");
            assert_eq!((stored.retry_ms, stored.ttl_ms), (entry.retry_ms, entry.ttl_ms));
            assert_eq!((stored.is_text, stored.is_end), (entry.is_text, entry.is_end));
            assert_eq!((stored.name(), &*stored.data()), ("update", "a\nb"));
            assert_eq!(&*stored.fields, entry.fields);
            assert_eq!(format!("{:?}", stored.target), format!("{:?}", target.sorted()));
            // As a forger would write it: with the right checksum.
            let at = random.usize(RECORD_HEAD..bytes.len());
            bytes[at] ^= random.u8(1..);
            assert!(RawRecord::take(&mut Input::new(&bytes)).is_none(), "the checksum");
            let body = &bytes[RECORD_HEAD..];
            let _ = RawRecord::read(body, crc32fast::hash(body)).and_then(RawRecord::to_stored);
        }
    }

    #[test]
    fn of_what_is_never_kept_only_the_place_is() {
        let target = Target::filter(|_| true);
        let entry = Entry {
            target: &target,
            fields: &[b'x'; 1000],
            retry_ms: Some(5),
            ttl_ms: Some(0),
            is_text: true,
            is_end: false,
        };
        let bytes = written(&entry, None);
        assert!(bytes.len() < 20, "{}", bytes.len());
        let raw = RawRecord::take(&mut Input::new(&bytes)).expect("a record");
        assert!(raw.event.is_none() && raw.seq == 7);
    }
}
