//! What a log should hold.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use fanfare::Target;
use fanfare::event::{Pattern, Profile, Topic};
use fanfare::journal::log::{Append, AppendKey, Entry, Query, Stored};

/// Users that events are for; one more never gets one.
pub(crate) const USERS: u64 = 6;

/// One event as it was appended.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) target: Target,
    pub(crate) fields: Vec<u8>,
    pub(crate) retry_ms: Option<u64>,
    pub(crate) ttl_ms: Option<u64>,
    /// Set when it is appended.
    pub(crate) unix_ms: u64,
    /// The user, or the topic, it is for; `None`: everyone.
    pub(crate) user: Option<u64>,
    pub(crate) topic: Option<String>,
}

/// What is appended at once by one publisher.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) events: Vec<Event>,
    pub(crate) key: Option<String>,
}

/// Everything that is known of a log.
#[derive(Default)]
pub(crate) struct Model {
    /// What is there, by seq, or was, before it was removed.
    pub(crate) events: BTreeMap<u64, Event>,
    /// The seqs of each batch that was appended.
    pub(crate) batches: Vec<Range<u64>>,
    /// The keys of appends, and their seqs.
    pub(crate) keys: BTreeMap<String, Range<u64>>,
    /// Every event that anybody has seen, by epoch and seq.
    pub(crate) seen: HashMap<(u64, u64), Vec<u8>>,
    /// Up to here everything is on the disk.
    pub(crate) synced: u64,
    pub(crate) next: u64,
    /// Bytes that no event before had.
    pub(crate) serial: u64,
}

impl Event {
    pub(crate) fn entry(&self) -> Entry<'_> {
        Entry {
            target: &self.target,
            fields: &self.fields,
            retry_ms: self.retry_ms,
            ttl_ms: self.ttl_ms,
            is_text: self.retry_ms.is_some(),
            is_end: false,
        }
    }

    pub(crate) fn is_hole(&self) -> bool {
        self.ttl_ms == Some(0)
    }

    pub(crate) fn has_expired(&self, now_ms: u64) -> bool {
        self.ttl_ms.is_some_and(|ttl| self.unix_ms + ttl <= now_ms)
    }

    pub(crate) fn is(&self, stored: &Stored) -> bool {
        self.fields == *stored.fields
            && self.retry_ms == stored.retry_ms
            && self.retry_ms.is_some() == stored.is_text
            && self.ttl_ms == stored.ttl_ms
            && self.unix_ms == stored.unix_ms
            && format!("{:?}", self.target) == format!("{:?}", stored.target)
    }
}

impl Batch {
    /// Calls `take` with batches as a log takes them.
    pub(crate) fn appends<T>(batches: &[Self], take: impl FnOnce(&[Append<'_>]) -> T) -> T {
        let entries: Vec<Vec<Entry<'_>>> =
            batches.iter().map(|batch| batch.events.iter().map(Event::entry).collect()).collect();
        let appends: Vec<Append<'_>> = batches
            .iter()
            .zip(&entries)
            .map(|(batch, entries)| {
                let key = batch.key.as_deref();
                Append { entries, key: key.map(|key| AppendKey { scope: "tests", key, body: [7; 32] }) }
            })
            .collect();
        take(&appends)
    }
}

/// Who looks for events, and what of the model it should find.
pub(crate) struct Subscriber {
    pub(crate) query: Query,
    user: Option<u64>,
    pattern: Option<Pattern>,
}

impl Subscriber {
    /// A user; some follow topics, too.
    pub(crate) fn user(user: u64) -> Self {
        let pattern = ["t.*", "t.1", "t.>", "*.2", "u.>"].get(user as usize);
        let pattern = pattern.map(|text| Pattern::parse(text).expect("a pattern"));
        let topics = pattern.iter().cloned().collect();
        let profile = Profile { user: Some(format!("user-{user}").into()), topics, ..Profile::default() };
        Self { query: Query::of(&profile, None), user: Some(user), pattern }
    }

    /// Whether it is told of no loss but its own: who follows a pattern that begins with a wildcard is told of all topics'.
    pub(crate) fn is_told_exactly(&self) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| !pattern.as_str().starts_with('*'))
    }

    pub(crate) fn wants(&self, event: &Event) -> bool {
        let Some(user) = self.user else { return true };
        let follows = |topic: &String| {
            let topic = Topic::parse(topic).expect("a topic");
            self.pattern.as_ref().is_some_and(|pattern| pattern.matches(&topic))
        };
        match (&event.user, &event.topic) {
            (Some(of), _) => *of == user,
            (None, Some(topic)) => follows(topic),
            (None, None) => true,
        }
    }
}

impl Model {
    /// Something to append at once: several publishers', each one event or a batch.
    pub(crate) fn invent(&mut self, random: &mut fastrand::Rng) -> Vec<Batch> {
        let count = 1 + random.usize(..3) * random.usize(..2);
        (0..count).map(|_| self.invent_batch(random)).collect()
    }

    fn invent_batch(&mut self, random: &mut fastrand::Rng) -> Batch {
        let count = if random.u32(..4) == 0 { random.usize(2..6) } else { 1 };
        let events = (0..count).map(|_| self.invent_event(random)).collect();
        self.serial += 1;
        let key = (random.u32(..4) == 0).then(|| format!("key-{}", self.serial));
        Batch { events, key }
    }

    fn invent_event(&mut self, random: &mut fastrand::Rng) -> Event {
        self.serial += 1;
        let filler =
            "x".repeat(if random.u32(..10) == 0 { random.usize(..2_000) } else { random.usize(..80) });
        let fields = format!("event: e\ndata: {} {filler}\n\n", self.serial).into_bytes();
        let ttl_ms = match random.u32(..12) {
            0 => Some(0),
            1 => Some(random.u64(1..5_000)),
            _ => None,
        };
        let (mut user, mut topic) = (None, None);
        let target = match random.u32(..8) {
            0 => Target::all(),
            1 => Target::all().with_meta("room", "1"),
            2 | 3 => {
                let name = format!("t.{}", random.u32(..3));
                topic = Some(name.clone());
                Target::topic(Topic::parse(&name).expect("a topic"))
            }
            _ => {
                let of = random.u64(..USERS);
                user = Some(of);
                Target::user(format!("user-{of}"))
            }
        };
        let retry_ms = random.bool().then_some(1_500);
        // As it is kept: in order.
        let target = if random.u32(..6) == 0 { target.except(Target::user("nobody")) } else { target };
        Event { target, fields, retry_ms, ttl_ms, unix_ms: 0, user, topic }
    }

    /// Notes what has been appended, at that time and with these seqs.
    pub(crate) fn append(&mut self, batches: &[Batch], seqs: Range<u64>, unix_ms: u64) {
        let mut seq = seqs.start;
        for batch in batches {
            let first = seq;
            for event in &batch.events {
                self.events.insert(seq, Event { unix_ms, ..event.clone() });
                seq += 1;
            }
            self.batches.push(first..seq);
            if let Some(key) = &batch.key {
                self.keys.insert(key.clone(), first..seq);
            }
        }
        assert_eq!(seq, seqs.end, "each event has a seq");
        self.next = seqs.end;
    }

    /// Notes that somebody has seen an event.
    pub(crate) fn see(&mut self, epoch: u64, seq: u64, fields: &[u8]) {
        let known = self.seen.entry((epoch, seq)).or_insert_with(|| fields.to_vec());
        assert_eq!(known, fields, "{epoch}-{seq} is two events");
    }
}
