//! The events that are held for clients to come back to.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::keys::Keys;
use super::losses::Losses;
use crate::wire::{ClientId, Profile, Record};

/// How much history is held, whichever is reached first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Events. Zero holds none.
    pub events: usize,
    /// Bytes of memory.
    pub bytes: usize,
    /// Time since they were published.
    pub age: Duration,
}

/// Events in the order of their ids, and by whom they are for.
#[derive(Debug)]
pub(super) struct History {
    limits: HistoryLimits,
    held: VecDeque<Held>,
    /// Of the held ones, those that are still there.
    events: usize,
    bytes: usize,
    keys: Keys,
    losses: Losses,
    /// Events with a life of their own, the next to go first.
    mortal: BinaryHeap<Reverse<(u64, u64)>>,
}

#[derive(Debug)]
struct Held {
    seq: u64,
    since_ms: u64,
    /// Gone where it did not live as long as its neighbours.
    record: Option<Arc<Record>>,
}

/// Some of what somebody missed.
pub(super) struct Found {
    pub(super) records: Vec<Arc<Record>>,
    /// The last event considered, where there are more. `None`: that is all.
    pub(super) more_after: Option<u64>,
}

/// Most events in one answer.
const ANSWER: usize = 256;
/// Most events that are looked at for one answer.
const SCAN: usize = 1024;
/// Gone events that may stand among the held ones before room is made.
const GONE: usize = 64;

impl History {
    pub(super) fn new(limits: HistoryLimits) -> Self {
        Self {
            limits,
            held: VecDeque::new(),
            events: 0,
            bytes: 0,
            keys: Keys::default(),
            losses: Losses::new(),
            mortal: BinaryHeap::new(),
        }
    }

    pub(super) fn events(&self) -> usize {
        self.events
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How old the oldest event is, in ms; 0 where there is none.
    pub(super) fn age_at(&self, now_ms: u64) -> u64 {
        let oldest = self.held.iter().find(|held| held.record.is_some());
        oldest.map_or(0, |held| now_ms.saturating_sub(held.since_ms))
    }

    /// Adds the newest event, and drops what is then too much.
    pub(super) fn insert(&mut self, record: Arc<Record>, now_ms: u64) {
        if !record.is_transient() {
            if let Some(ttl) = record.ttl_ms.filter(|ttl| *ttl < self.age_ms()) {
                self.mortal.push(Reverse((now_ms.saturating_add(ttl), record.seq)));
            }
            self.events += 1;
            self.bytes += record.size();
            self.keys.insert(record.seq, &record.target.to);
            self.held.push_back(Held { seq: record.seq, since_ms: now_ms, record: Some(record) });
        }
        self.expire(now_ms);
    }

    /// Drops what is too old or too much.
    pub(super) fn expire(&mut self, now_ms: u64) {
        while self.mortal.peek().is_some_and(|Reverse((at, _))| *at <= now_ms) {
            if let Some(Reverse((_, seq))) = self.mortal.pop() {
                self.bury(seq);
            }
        }
        let age_ms = self.age_ms();
        while let Some(oldest) = self.held.front() {
            let too_much = self.events > self.limits.events || self.bytes > self.limits.bytes;
            let too_old = now_ms.saturating_sub(oldest.since_ms) > age_ms;
            if oldest.record.is_some() && !too_much && !too_old {
                break;
            }
            if let Some(Held { seq, record: Some(record), .. }) = self.held.pop_front() {
                self.losses.add(seq, &record.target.to);
                self.forget(seq, &record);
            }
        }
        if self.mortal.len() > 2 * self.events + GONE {
            let oldest = self.held.front().map_or(u64::MAX, |held| held.seq);
            self.mortal.retain(|Reverse((_, seq))| *seq >= oldest);
        }
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.limits.age.as_millis()).unwrap_or(u64::MAX)
    }

    /// Its publisher gave it no longer to live, so nobody is told of a loss.
    fn bury(&mut self, seq: u64) {
        let at = self.held.partition_point(|held| held.seq < seq);
        let held = self.held.get_mut(at).filter(|held| held.seq == seq);
        if let Some(record) = held.and_then(|held| held.record.take()) {
            self.forget(seq, &record);
        }
        let gone = self.held.len() - self.events;
        if gone > GONE && gone > self.events {
            self.held.retain(|held| held.record.is_some());
        }
    }

    fn forget(&mut self, seq: u64, record: &Record) {
        self.events -= 1;
        self.bytes -= record.size();
        self.keys.remove(seq, &record.target.to);
    }

    /// Whether something after an event was dropped that a client may have seen.
    pub(super) fn has_lost(&self, after: u64, profile: &Profile, client: ClientId) -> bool {
        self.losses.newest(profile, client) > after
    }

    /// What came after an event that a client may see: up to about `budget` bytes, at least one event.
    pub(super) fn after(&self, after: u64, profile: &Profile, client: ClientId, budget: usize) -> Found {
        if self.keys.is_broad(profile) {
            return self.scan(after, profile, client, budget);
        }
        let mut records: Vec<Arc<Record>> = Vec::new();
        let mut bytes = 0;
        for seq in self.keys.after(after, profile, client) {
            let Some(record) = self.get(seq) else { continue };
            bytes += record.size();
            if !records.is_empty() && (bytes > budget || records.len() == ANSWER) {
                return Found { more_after: records.last().map(|last| last.seq), records };
            }
            records.push(record.clone());
        }
        Found { records, more_after: None }
    }

    /// As [`after`](Self::after), one event after the other: for those whose wildcards would have to be held
    /// against very many topics. It looks at so many and leaves the rest for the next answer, for all of this
    /// happens under the lock that publishers wait for.
    fn scan(&self, after: u64, profile: &Profile, client: ClientId, budget: usize) -> Found {
        let mut records: Vec<Arc<Record>> = Vec::new();
        let (mut bytes, mut considered) = (0, after);
        let begin = self.held.partition_point(|held| held.seq <= after);
        for (looked_at, held) in self.held.range(begin..).enumerate() {
            let meant = held.record.as_ref().filter(|record| record.target.to.names(profile, client));
            bytes += meant.map_or(0, |record| record.size());
            let full = meant.is_some() && !records.is_empty() && (bytes > budget || records.len() == ANSWER);
            if looked_at == SCAN || full {
                return Found { records, more_after: Some(considered) };
            }
            considered = held.seq;
            records.extend(meant.cloned());
        }
        Found { records, more_after: None }
    }

    fn get(&self, seq: u64) -> Option<&Arc<Record>> {
        let at = self.held.partition_point(|held| held.seq < seq);
        self.held.get(at).filter(|held| held.seq == seq)?.record.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{
        Client, ClientKey, Draft, Event, EventId, Pattern, Publication, StreamToken, Target, Topic,
    };

    fn record(seq: u64, target: Target, ttl: Option<Duration>, bytes: usize) -> Arc<Record> {
        let event = Event::text("message", &"x".repeat(bytes)).unwrap();
        Arc::new(Draft::from(Publication { event, target, ttl }).seal(EventId { epoch: 1, seq }))
    }

    fn limits(events: usize, bytes: usize, age_ms: u64) -> HistoryLimits {
        HistoryLimits { events, bytes, age: Duration::from_millis(age_ms) }
    }

    fn client(slot: u32) -> ClientId {
        ids().seal(token(slot))
    }

    fn ids() -> ClientKey {
        ClientKey::new([1, 2])
    }

    fn token(slot: u32) -> StreamToken {
        StreamToken { shard: 0, slot, serial: 1 }
    }

    /// Somebody with every kind of key.
    fn profile(name: &str) -> Profile {
        let topics = [format!("{name}.>"), "news.eu".to_owned()];
        Profile {
            user: Some(name.into()),
            session: Some(format!("s-{name}").into()),
            topics: topics.iter().map(|text| Pattern::parse(text).unwrap()).collect(),
            meta: Box::default(),
        }
    }

    fn any_target(random: &mut fastrand::Rng) -> Target {
        let names = ["a", "b", "c"];
        let name = names[random.usize(..3)];
        let topic = |text: String| Topic::parse(&text).unwrap();
        match random.u32(..7) {
            0 => Target::all(),
            1 => Target::user(name).or_user(name).or_session("s-a"),
            2 => Target::session(format!("s-{name}")),
            3 => Target::topic(topic(format!("{name}.x.y"))),
            4 => Target::topic(topic("news.eu".into())).or_topic(topic("news.us".into())),
            5 => Target::client(client(random.u32(..3))),
            _ => Target::all().with_meta("k", "v"),
        }
    }

    /// Everything that was published, kept plainly.
    struct Model {
        records: Vec<(Arc<Record>, u64)>,
        first_held: usize,
    }

    impl Model {
        /// What is still there and may be for somebody.
        fn held(&self, now_ms: u64) -> impl Iterator<Item = &Arc<Record>> {
            let alive = move |(record, since): &&(Arc<Record>, u64)| {
                record.ttl_ms.is_none_or(|ttl| since + ttl > now_ms)
            };
            self.records[self.first_held..].iter().filter(alive).map(|(record, _)| record)
        }

        fn expire(&mut self, limits: HistoryLimits, now_ms: u64) {
            loop {
                let (events, bytes) = self
                    .held(now_ms)
                    .fold((0, 0), |(events, bytes), record| (events + 1, bytes + record.size()));
                let old = |(_, since): &(Arc<Record>, u64)| now_ms - since > limits.age.as_millis() as u64;
                let oldest_is_old = self.records.get(self.first_held).is_some_and(old);
                if events <= limits.events && bytes <= limits.bytes && !oldest_is_old {
                    return;
                }
                self.first_held += 1;
            }
        }
    }

    #[test]
    fn the_age_is_that_of_the_oldest_event_still_held() {
        let mut history = History::new(limits(9, usize::MAX, 1000));
        assert_eq!(history.age_at(50), 0);
        history.insert(record(1, Target::all(), Some(Duration::from_millis(20)), 1), 100);
        history.insert(record(2, Target::all(), None, 1), 110);
        history.insert(record(3, Target::all(), Some(Duration::ZERO), 1), 111);
        assert_eq!(history.age_at(115), 15);
        history.expire(130);
        assert_eq!(history.age_at(130), 20, "the first has gone");
        history.expire(1111);
        assert_eq!(history.age_at(1111), 0);
    }

    #[test]
    fn agrees_with_a_plain_list_of_everything() {
        for seed in 0..40 {
            let mut random = fastrand::Rng::with_seed(seed);
            let limits = limits(random.usize(0..60), random.usize(1..30_000), random.u64(1..3_000));
            let mut history = History::new(limits);
            let mut model = Model { records: Vec::new(), first_held: 0 };
            let mut now_ms = 0;
            for seq in 1..600 {
                now_ms += random.u64(..30);
                let ttl = (random.u32(..3) == 0).then(|| Duration::from_millis(random.u64(..1_500)));
                let record = record(seq, any_target(&mut random), ttl, random.usize(..400));
                history.insert(record.clone(), now_ms);
                model.records.push((record, now_ms));
                model.expire(limits, now_ms);
                let name = ["a", "b", "d"][random.usize(..3)];
                let (slot, after) = (random.u32(..4), random.u64(..=seq));
                let id = client(slot);
                let viewer = Client::new(token(slot), ids(), Arc::new(profile(name)));
                let wanted =
                    model.held(now_ms).filter(|record| record.seq > after && record.target.matches(&viewer));
                let wanted: Vec<u64> = wanted.map(|record| record.seq).collect();
                let found = history.after(after, &profile(name), id, usize::MAX);
                let found = found.records.iter().filter(|record| record.target.matches(&viewer));
                assert_eq!(
                    found.map(|record| record.seq).collect::<Vec<_>>(),
                    wanted,
                    "seed {seed}, event {seq}"
                );
                assert_eq!(history.events(), model.held(now_ms).count(), "seed {seed}, event {seq}");
            }
            history.expire(now_ms + 1_000_000);
            assert_eq!((history.events(), history.bytes()), (0, 0));
            assert!(history.keys.is_empty() && history.held.is_empty());
        }
    }

    #[test]
    fn wildcards_among_very_many_topics_get_the_same_a_few_looks_at_a_time() {
        let mut history = History::new(limits(10_000, usize::MAX, u64::MAX));
        let topic = |n: u64| Topic::parse(&format!("t{}.x{}", n % 300, n % 7)).unwrap();
        let target = |n: u64| if n.is_multiple_of(5) { Target::user("a") } else { Target::topic(topic(n)) };
        (1..=5_000).for_each(|n| history.insert(record(n, target(n), None, 10), 0));
        let topics = ["*.x3", "t4.>"].map(|text| Pattern::parse(text).unwrap());
        let reader =
            Profile { user: Some("a".into()), topics: topics.into_iter().collect(), ..Profile::default() };
        let viewer = Client::new(token(1), ids(), Arc::new(reader.clone()));
        let wanted: Vec<u64> = (1..=5_000).filter(|n| target(*n).matches(&viewer)).collect();
        let (mut after, mut seen, mut answers) = (0, Vec::new(), 0);
        loop {
            let found = history.after(after, &reader, client(1), usize::MAX);
            seen.extend(found.records.iter().map(|record| record.seq));
            answers += 1;
            match found.more_after {
                Some(position) => {
                    assert!(position > after && position - after <= SCAN as u64);
                    after = position;
                }
                None => break,
            }
        }
        assert_eq!(seen, wanted);
        assert!(answers >= 5_000 / SCAN);
    }

    #[test]
    fn a_loss_is_of_those_whom_the_lost_was_for() {
        let mut history = History::new(limits(2, usize::MAX, u64::MAX));
        history.insert(record(1, Target::user("a"), None, 10), 0);
        for seq in 2..10 {
            history.insert(record(seq, Target::user("b"), None, 10), 0);
        }
        assert!(history.has_lost(0, &profile("a"), client(9)));
        assert!(!history.has_lost(1, &profile("a"), client(9)));
        assert!(history.has_lost(1, &profile("b"), client(9)));
        assert!(!history.has_lost(7, &profile("b"), client(9)));
        assert!(!history.has_lost(0, &profile("c"), client(9)));
    }

    #[test]
    fn what_its_publisher_let_expire_is_no_loss() {
        let mut history = History::new(limits(100, usize::MAX, 60_000));
        history.insert(record(1, Target::all(), Some(Duration::from_millis(50)), 10), 0);
        history.insert(record(2, Target::all(), Some(Duration::ZERO), 10), 0);
        history.insert(record(3, Target::all(), None, 10), 0);
        assert_eq!(history.events(), 2);
        history.expire(50);
        assert_eq!(history.events(), 1);
        assert!(!history.has_lost(0, &profile("a"), client(1)));
    }

    #[test]
    fn answers_come_in_pieces_of_at_least_one_event() {
        let mut history = History::new(limits(1_000, usize::MAX, u64::MAX));
        (1..=600).for_each(|seq| history.insert(record(seq, Target::all(), None, 100), 0));
        let (mut after, mut seen, mut pieces) = (0, Vec::new(), 0);
        loop {
            let found = history.after(after, &Profile::default(), client(1), 1);
            seen.extend(found.records.iter().map(|record| record.seq));
            pieces += 1;
            match found.more_after {
                Some(position) => after = position,
                None => break,
            }
        }
        assert_eq!(seen, (1..=600).collect::<Vec<_>>());
        assert_eq!(pieces, 600);
        assert_eq!(history.after(0, &Profile::default(), client(1), usize::MAX).records.len(), ANSWER);
    }
}
