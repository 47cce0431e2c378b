//! The events that are held for clients to come back to.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::keys::Keys;
use super::losses::Losses;
use super::wanted::{Hasher, Wanted};
use crate::wire::Record;

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
    /// Of these.
    bytes: usize,
    keys: Keys,
    losses: Losses,
    hasher: Hasher,
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

/// How much of history is looked at for one answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portion {
    /// Bytes of events, at least one event.
    pub(super) bytes: usize,
    /// Comparisons that whoever is given the events will need to tell which of them are for it, at least those of
    /// one event.
    pub(super) effort: usize,
    /// How many patterns it has.
    pub(super) patterns: usize,
}

/// Some of what may be for somebody.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) records: Vec<Arc<Record>>,
    /// The last event considered, where there are more. `None`: that is all.
    pub(super) more_after: Option<u64>,
}

/// Most events in one answer.
const ANSWER: usize = 256;
/// Gone events that may stand among the held ones before room is made.
const GONE: usize = 64;
/// About what an event takes beside its record: a place in a ring that is half full or more, and what the allocator
/// keeps of the record's two pieces.
const EVENT: usize = 2 * size_of::<Held>() + 48;
/// About what an event with a life of its own takes more.
const MORTAL: usize = 2 * size_of::<Reverse<(u64, u64)>>();

impl History {
    pub(super) fn new(limits: HistoryLimits, hasher: Hasher) -> Self {
        Self {
            limits,
            held: VecDeque::new(),
            events: 0,
            bytes: 0,
            keys: Keys::default(),
            losses: Losses::new(),
            hasher,
            mortal: BinaryHeap::new(),
        }
    }

    pub(super) fn events(&self) -> usize {
        self.events
    }

    /// Bytes of memory taken, about: of the events, and of what they are found by.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.keys.bytes()
    }

    /// How old the oldest event is, in ms; 0 where there is none.
    pub(super) fn age_at(&self, now_ms: u64) -> u64 {
        let oldest = self.held.iter().find(|held| held.record.is_some());
        oldest.map_or(0, |held| now_ms.saturating_sub(held.since_ms))
    }

    /// Adds the newest event, and drops what is then too much.
    pub(super) fn insert(&mut self, record: Arc<Record>, now_ms: u64) {
        if !record.is_transient() {
            if let Some(ttl) = self.own_life_ms(&record) {
                self.mortal.push(Reverse((now_ms.saturating_add(ttl), record.seq)));
            }
            self.events += 1;
            self.bytes += self.weight(&record);
            self.keys.insert(record.seq, &record.target.to, &self.hasher);
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
            let too_much = self.events > self.limits.events || self.bytes() > self.limits.bytes;
            let too_old = now_ms.saturating_sub(oldest.since_ms) > age_ms;
            if oldest.record.is_some() && !too_much && !too_old {
                break;
            }
            if let Some(Held { seq, record: Some(record), .. }) = self.held.pop_front() {
                self.losses.add(seq, &record.target.to, &self.hasher);
                self.forget(seq, &record);
            }
        }
        if self.mortal.len() > 2 * self.events + GONE {
            let oldest = self.held.front().map_or(u64::MAX, |held| held.seq);
            self.mortal.retain(|Reverse((_, seq))| *seq >= oldest);
        }
    }

    /// How long it is held, where its publisher wants that to be less than for others.
    fn own_life_ms(&self, record: &Record) -> Option<u64> {
        record.ttl_ms.filter(|ttl| *ttl < self.age_ms())
    }

    /// Bytes of memory that an event takes, about, beside what it is found by.
    fn weight(&self, record: &Record) -> usize {
        let own_life = self.own_life_ms(record).map_or(0, |_| MORTAL);
        record.size() + EVENT + own_life
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.limits.age.as_millis()).unwrap_or(u64::MAX)
    }

    /// Its publisher gave it no longer to live, so nobody is told of a loss.
    fn bury(&mut self, seq: u64) {
        let held = self.place_of(0, seq).and_then(|at| self.held.get_mut(at));
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
        self.bytes -= self.weight(record);
        self.keys.remove(seq, &record.target.to, &self.hasher);
    }

    /// Whether something after an event was dropped that a client may have seen.
    pub(super) fn has_lost(&self, after: u64, wanted: &Wanted) -> bool {
        self.losses.newest(wanted) > after
    }

    /// What came after an event that may be for a client: a portion of it, at least one event.
    ///
    /// All of this happens under the lock that publishers wait for, so nothing is compared with patterns here:
    /// whoever is given the events looks closer, and `effort` bounds how much it has to.
    pub(super) fn after(&self, after: u64, wanted: &Wanted, portion: Portion) -> Found {
        let mut records: Vec<Arc<Record>> = Vec::new();
        let (mut bytes, mut effort, mut place) = (0_usize, 0_usize, 0);
        for seq in self.keys.after(after, wanted) {
            let Some((at, record)) = self.find(place, seq) else { continue };
            place = at;
            bytes = bytes.saturating_add(record.size());
            effort = effort.saturating_add(record.target.effort(portion.patterns));
            let is_full = bytes > portion.bytes || effort > portion.effort || records.len() == ANSWER;
            if is_full && !records.is_empty() {
                return Found { more_after: records.last().map(|last| last.seq), records };
            }
            records.push(record.clone());
        }
        Found { records, more_after: None }
    }

    /// The event of a count, at that place among the held ones or behind it, and where it is.
    fn find(&self, from: usize, seq: u64) -> Option<(usize, &Arc<Record>)> {
        let at = from + self.place_of(from, seq)?;
        Some((at, self.held.get(at)?.record.as_ref()?))
    }

    /// Counted from `from`. As a rule nothing is missing in between, so it is where it would be then.
    fn place_of(&self, from: usize, seq: u64) -> Option<usize> {
        let first = self.held.get(from)?.seq;
        let at_most = usize::try_from(seq.checked_sub(first)?).ok()?;
        if self.held.get(from + at_most).is_some_and(|held| held.seq == seq) {
            return Some(at_most);
        }
        let end = self.held.len().min(from + at_most + 1);
        let (mut low, mut high) = (from, end);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.held.get(middle) {
                Some(held) if held.seq < seq => low = middle + 1,
                _ => high = middle,
            }
        }
        self.held.get(low).filter(|held| held.seq == seq).map(|_| low - from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    use super::super::keys::{KEY, SEQ};
    use crate::wire::{
        Client, ClientId, Draft, Event, EventId, Pattern, Profile, Publication, Target, Topic,
    };

    fn record(seq: u64, target: Target, ttl: Option<Duration>, bytes: usize) -> Arc<Record> {
        let event = Event::text("message", &"x".repeat(bytes)).unwrap();
        Arc::new(Draft::from(Publication { event, target, ttl }).seal(EventId { epoch: 1, seq }))
    }

    fn limits(events: usize, bytes: usize, age_ms: u64) -> HistoryLimits {
        HistoryLimits { events, bytes, age: Duration::from_millis(age_ms) }
    }

    fn client(slot: u32) -> ClientId {
        ClientId { node: 1, shard: 0, slot, serial: 1 }
    }

    fn history(limits: HistoryLimits) -> History {
        History::new(limits, Hasher::default())
    }

    const ALL: Portion = Portion { bytes: usize::MAX, effort: usize::MAX, patterns: 0 };

    fn keys_of(history: &History, profile: &Profile, client: ClientId) -> Wanted {
        Wanted::new(profile, client, &history.hasher)
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

        /// What all that is held takes, counted anew.
        fn bytes(&self, limits: HistoryLimits, now_ms: u64) -> usize {
            let (mut bytes, mut lists) = (0, HashMap::<String, usize>::new());
            for record in self.held(now_ms) {
                let is_mortal = record.ttl_ms.is_some_and(|ttl| u128::from(ttl) < limits.age.as_millis());
                bytes += record.size() + EVENT + if is_mortal { MORTAL } else { 0 };
                let to = &record.target.to;
                let mut keys: Vec<String> = to.users.iter().map(|user| format!("u {user}")).collect();
                keys.extend(to.sessions.iter().map(|session| format!("s {session}")));
                keys.extend(to.clients.iter().map(|client| format!("c {client}")));
                for topic in &to.topics {
                    let tokens: Vec<&str> = topic.tokens().collect();
                    keys.push(format!("t {topic}"));
                    keys.extend((1..tokens.len()).take(2).map(|n| format!("b {}", tokens[..n].join("."))));
                }
                keys.extend(to.everyone.then(|| "everybody".to_owned()));
                keys.extend((!to.topics.is_empty()).then(|| "any topic".to_owned()));
                keys.sort_unstable();
                keys.dedup();
                keys.into_iter().for_each(|key| *lists.entry(key).or_default() += 1);
            }
            let list = |(key, events): (&String, &usize)| {
                let is_place = key.as_bytes()[1] == b' ';
                (if is_place { KEY } else { 0 }) + if *events > 1 { events * SEQ } else { 0 }
            };
            bytes + lists.iter().map(list).sum::<usize>()
        }

        fn expire(&mut self, limits: HistoryLimits, now_ms: u64) {
            loop {
                let (events, bytes) = (self.held(now_ms).count(), self.bytes(limits, now_ms));
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
        let mut history = self::history(limits(9, usize::MAX, 1000));
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
            let mut history = self::history(limits);
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
                let (id, after) = (client(random.u32(..4)), random.u64(..=seq));
                let viewer = Client::new(id, Arc::new(profile(name)));
                let wanted =
                    model.held(now_ms).filter(|record| record.seq > after && record.target.matches(&viewer));
                let wanted: Vec<u64> = wanted.map(|record| record.seq).collect();
                let keys = keys_of(&history, &profile(name), id);
                let found = history.after(after, &keys, ALL);
                let found = found.records.iter().filter(|record| record.target.matches(&viewer));
                assert_eq!(
                    found.map(|record| record.seq).collect::<Vec<_>>(),
                    wanted,
                    "seed {seed}, event {seq}"
                );
                assert_eq!(history.events(), model.held(now_ms).count(), "seed {seed}, event {seq}");
                assert_eq!(history.bytes(), model.bytes(limits, now_ms), "seed {seed}, event {seq}");
            }
            history.expire(now_ms + 1_000_000);
            assert_eq!((history.events(), history.bytes()), (0, 0));
            assert!(history.keys.is_empty() && history.held.is_empty());
        }
    }

    #[test]
    fn an_answer_compares_nothing_and_leaves_no_more_to_compare_than_it_may() {
        let mut history = self::history(limits(10_000, usize::MAX, u64::MAX));
        let topic = |n: u64, k: u64| Topic::parse(&format!("a.t{}.x{k}", n % 300)).unwrap();
        let target = |n: u64| match n % 5 {
            0 => Target::user("a"),
            _ => (1..100).fold(Target::topic(topic(n, 0)), |to, k| to.or_topic(topic(n, k))),
        };
        (1..=1_000).for_each(|n| history.insert(record(n, target(n), None, 10), 0));
        let patterns: Vec<Pattern> =
            (0..64).map(|n| Pattern::parse(&format!("*.t{}.x{n}", n % 20)).unwrap()).collect();
        let reader =
            Profile { user: Some("a".into()), topics: patterns.into_iter().collect(), ..Profile::default() };
        let viewer = Client::new(client(1), Arc::new(reader.clone()));
        let wanted_ones: Vec<u64> = (1..=1_000).filter(|n| target(*n).matches(&viewer)).collect();
        let wanted = keys_of(&history, &reader, client(1));
        let portion = Portion { bytes: usize::MAX, effort: 20_000, patterns: 64 };
        let (mut after, mut seen) = (0, Vec::new());
        loop {
            let before = Pattern::comparisons();
            let found = history.after(after, &wanted, portion);
            assert_eq!(Pattern::comparisons(), before, "compared under the lock");
            assert!(found.records.len() <= ANSWER);
            let meant = found.records.iter().filter(|record| record.target.matches(&viewer));
            seen.extend(meant.map(|record| record.seq));
            let compared = Pattern::comparisons() - before;
            assert!(compared <= portion.effort, "{compared} comparisons for one answer");
            let Some(position) = found.more_after else { break };
            assert!(position > after);
            after = position;
        }
        assert_eq!(seen, wanted_ones);
        let least = Portion { effort: 1, ..portion };
        assert_eq!(history.after(0, &wanted, least).records.len(), 1, "at least one event");
    }

    #[test]
    fn a_replay_comes_by_its_own_events_and_those_of_its_branches_only() {
        let mut history = self::history(limits(10_000, usize::MAX, u64::MAX));
        let topic = |n: u64| Target::topic(Topic::parse(&format!("room.{}.said", n % 100)).unwrap());
        (1..=1_000).for_each(|n| history.insert(record(n, topic(n), None, 10), 0));
        let looked_at = |pattern: &str| {
            let topics = [Pattern::parse(pattern).unwrap()].into();
            let wanted = keys_of(&history, &Profile { topics, ..Profile::default() }, client(1));
            history.keys.after(0, &wanted).count()
        };
        assert_eq!(
            ["room.7.said", "room.7.>", "room.7.*", "room.*.said", ">"].map(looked_at),
            [10, 10, 10, 1_000, 1_000]
        );
        assert_eq!(["room.7", "room.777.*", "hall.>", "room.7.heard"].map(looked_at), [0; 4]);
    }

    #[test]
    fn a_loss_is_of_those_whom_the_lost_was_for() {
        let mut history = self::history(limits(2, usize::MAX, u64::MAX));
        history.insert(record(1, Target::user("a"), None, 10), 0);
        for seq in 2..10 {
            history.insert(record(seq, Target::user("b"), None, 10), 0);
        }
        assert!(history.has_lost(0, &keys_of(&history, &profile("a"), client(9))));
        assert!(!history.has_lost(1, &keys_of(&history, &profile("a"), client(9))));
        assert!(history.has_lost(1, &keys_of(&history, &profile("b"), client(9))));
        assert!(!history.has_lost(7, &keys_of(&history, &profile("b"), client(9))));
        assert!(!history.has_lost(0, &keys_of(&history, &profile("c"), client(9))));
    }

    #[test]
    fn what_its_publisher_let_expire_is_no_loss() {
        let mut history = self::history(limits(100, usize::MAX, 60_000));
        history.insert(record(1, Target::all(), Some(Duration::from_millis(50)), 10), 0);
        history.insert(record(2, Target::all(), Some(Duration::ZERO), 10), 0);
        history.insert(record(3, Target::all(), None, 10), 0);
        assert_eq!(history.events(), 2);
        history.expire(50);
        assert_eq!(history.events(), 1);
        assert!(!history.has_lost(0, &keys_of(&history, &profile("a"), client(1))));
    }

    #[test]
    fn answers_come_in_pieces_of_at_least_one_event() {
        let mut history = self::history(limits(1_000, usize::MAX, u64::MAX));
        (1..=600).for_each(|seq| history.insert(record(seq, Target::all(), None, 100), 0));
        let nobody = Wanted::default();
        let (mut after, mut seen, mut pieces) = (0, Vec::new(), 0);
        loop {
            let found = history.after(after, &nobody, Portion { bytes: 1, ..ALL });
            seen.extend(found.records.iter().map(|record| record.seq));
            pieces += 1;
            match found.more_after {
                Some(position) => after = position,
                None => break,
            }
        }
        assert_eq!(seen, (1..=600).collect::<Vec<_>>());
        assert_eq!(pieces, 600);
        assert_eq!(history.after(0, &nobody, ALL).records.len(), ANSWER);
    }
}
