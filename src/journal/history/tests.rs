//! Compared with a plain list of all events.

use super::*;
use std::collections::HashMap;

use crate::event::{
    Client, ClientId, ClientKey, Draft, Event, EventId, Pattern, Profile, Publication, StreamToken, Target,
    Topic,
};
use crate::journal::keys::{KEY, SEQ};

fn record(seq: u64, target: Target, ttl: Option<Duration>, bytes: usize) -> Arc<Record> {
    let event = Event::text("message", &"x".repeat(bytes)).unwrap();
    Arc::new(Draft::from(Publication { event, target, ttl }).seal(seq, EventId { epoch: 1, seq }))
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

fn history(limits: HistoryLimits) -> History {
    History::new(limits, Hasher::default())
}

fn put(history: &mut History, record: Arc<Record>, now_ms: u64) {
    history.insert(record, now_ms, &mut Gone::new());
}

/// Returns how many events were dropped.
fn tidy(history: &mut History, now_ms: u64) -> usize {
    let mut gone = Gone::new();
    history.expire(now_ms, &mut gone);
    gone.len()
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
        let alive =
            move |(record, since): &&(Arc<Record>, u64)| record.ttl_ms.is_none_or(|ttl| since + ttl > now_ms);
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
    put(&mut history, record(1, Target::all(), Some(Duration::from_millis(20)), 1), 100);
    put(&mut history, record(2, Target::all(), None, 1), 110);
    put(&mut history, record(3, Target::all(), Some(Duration::ZERO), 1), 111);
    assert_eq!(history.age_at(115), 15);
    tidy(&mut history, 130);
    assert_eq!(history.age_at(130), 20, "the first has gone");
    tidy(&mut history, 1111);
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
            put(&mut history, record.clone(), now_ms);
            model.records.push((record, now_ms));
            model.expire(limits, now_ms);
            let name = ["a", "b", "d"][random.usize(..3)];
            let (slot, after) = (random.u32(..4), random.u64(..=seq));
            let id = client(slot);
            let viewer = Client::new(token(slot), ids(), Arc::new(profile(name)));
            let wanted =
                model.held(now_ms).filter(|record| record.position > after && record.target.matches(&viewer));
            let wanted: Vec<u64> = wanted.map(|record| record.position).collect();
            let keys = keys_of(&history, &profile(name), id);
            let found = history.after(after, &keys, ALL, now_ms);
            let found = found.records.iter().filter(|record| record.target.matches(&viewer));
            assert_eq!(
                found.map(|record| record.position).collect::<Vec<_>>(),
                wanted,
                "seed {seed}, event {seq}"
            );
            assert_eq!(history.events(), model.held(now_ms).count(), "seed {seed}, event {seq}");
            assert_eq!(history.bytes(), model.bytes(limits, now_ms), "seed {seed}, event {seq}");
        }
        now_ms += 1_000_000;
        while history.events() > 0 {
            tidy(&mut history, now_ms);
        }
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
    (1..=1_000).for_each(|n| put(&mut history, record(n, target(n), None, 10), 0));
    let patterns: Vec<Pattern> =
        (0..64).map(|n| Pattern::parse(&format!("*.t{}.x{n}", n % 20)).unwrap()).collect();
    let reader =
        Profile { user: Some("a".into()), topics: patterns.into_iter().collect(), ..Profile::default() };
    let viewer = Client::new(token(1), ids(), Arc::new(reader.clone()));
    let wanted_ones: Vec<u64> = (1..=1_000).filter(|n| target(*n).matches(&viewer)).collect();
    let wanted = keys_of(&history, &reader, client(1));
    let portion = Portion { bytes: usize::MAX, effort: 20_000, patterns: 64 };
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let before = Pattern::comparisons();
        let found = history.after(after, &wanted, portion, 0);
        assert_eq!(Pattern::comparisons(), before, "compared under the lock");
        assert!(found.records.len() <= ANSWER);
        let meant = found.records.iter().filter(|record| record.target.matches(&viewer));
        seen.extend(meant.map(|record| record.position));
        let compared = Pattern::comparisons() - before;
        assert!(compared <= portion.effort, "{compared} comparisons for one answer");
        let Some(position) = found.more_after else { break };
        assert!(position > after);
        after = position;
    }
    assert_eq!(seen, wanted_ones);
    let least = Portion { effort: 1, ..portion };
    assert_eq!(history.after(0, &wanted, least, 0).records.len(), 1, "at least one event");
}

#[test]
fn a_replay_comes_by_its_own_events_and_those_of_its_branches_only() {
    let mut history = self::history(limits(10_000, usize::MAX, u64::MAX));
    let topic = |n: u64| Target::topic(Topic::parse(&format!("room.{}.said", n % 100)).unwrap());
    (1..=1_000).for_each(|n| put(&mut history, record(n, topic(n), None, 10), 0));
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
    put(&mut history, record(1, Target::user("a"), None, 10), 0);
    for seq in 2..10 {
        put(&mut history, record(seq, Target::user("b"), None, 10), 0);
    }
    assert!(history.has_lost(0, &keys_of(&history, &profile("a"), client(9)), 0));
    assert!(!history.has_lost(1, &keys_of(&history, &profile("a"), client(9)), 0));
    assert!(history.has_lost(1, &keys_of(&history, &profile("b"), client(9)), 0));
    assert!(!history.has_lost(7, &keys_of(&history, &profile("b"), client(9)), 0));
    assert!(!history.has_lost(0, &keys_of(&history, &profile("c"), client(9)), 0));
}

#[test]
fn what_its_publisher_let_expire_is_no_loss() {
    let mut history = self::history(limits(100, usize::MAX, 60_000));
    put(&mut history, record(1, Target::all(), Some(Duration::from_millis(50)), 10), 0);
    put(&mut history, record(2, Target::all(), Some(Duration::ZERO), 10), 0);
    put(&mut history, record(3, Target::all(), None, 10), 0);
    assert_eq!(history.events(), 2);
    tidy(&mut history, 50);
    assert_eq!(history.events(), 1);
    assert!(!history.has_lost(0, &keys_of(&history, &profile("a"), client(1)), 0));
}

#[test]
fn answers_come_in_pieces_of_at_least_one_event() {
    let mut history = self::history(limits(1_000, usize::MAX, u64::MAX));
    (1..=600).for_each(|seq| put(&mut history, record(seq, Target::all(), None, 100), 0));
    let nobody = Wanted::default();
    let (mut after, mut seen, mut pieces) = (0, Vec::new(), 0);
    loop {
        let found = history.after(after, &nobody, Portion { bytes: 1, ..ALL }, 0);
        seen.extend(found.records.iter().map(|record| record.position));
        pieces += 1;
        match found.more_after {
            Some(position) => after = position,
            None => break,
        }
    }
    assert_eq!(seen, (1..=600).collect::<Vec<_>>());
    assert_eq!(pieces, 600);
    assert_eq!(history.after(0, &nobody, ALL, 0).records.len(), ANSWER);
}

#[test]
fn after_a_long_silence_little_is_dropped_at_a_time_and_nothing_old_is_given() {
    const EVENTS: u64 = 5_000;
    let mut history = self::history(limits(100_000, usize::MAX, 1_000));
    let life = |n: u64| (n % 6 == 1).then(|| Duration::from_millis(500));
    // To "b" only events that had a life of their own.
    let name = |n: u64| match n % 6 {
        0 => "a",
        1 => "b",
        _ => "c",
    };
    (1..=EVENTS).for_each(|n| put(&mut history, record(n, Target::user(name(n)), life(n), 10), n / 100));
    let last = |of: &str| (1..=EVENTS).rfind(|n| name(*n) == of).unwrap();
    let (last_a, young) = (last("a"), EVENTS + 1);
    let mut now_ms = 5_000;
    let mut gone = Gone::new();
    history.insert(record(young, Target::user("a"), None, 10), now_ms, &mut gone);
    let mut drops = vec![gone.len()];
    while history.events() > 1 {
        let keys = |name: &str| keys_of(&history, &profile(name), client(9));
        let lost = |name, after| history.has_lost(after, &keys(name), now_ms);
        assert!(lost("a", 0) && lost("a", last_a - 1) && lost("c", last_a));
        assert!(!lost("a", last_a) && !lost("b", 0) && !lost("d", 0));
        let given = |name: &str| {
            let found = history.after(0, &keys(name), ALL, now_ms);
            found.records.iter().map(|record| record.position).collect::<Vec<_>>()
        };
        assert_eq!((given("a"), given("b"), given("c")), (vec![young], vec![], vec![]));
        assert_eq!(history.age_at(now_ms), now_ms - 5_000);
        now_ms += 1;
        drops.push(tidy(&mut history, now_ms));
    }
    assert_eq!(drops.iter().sum::<usize>() as u64, EVENTS);
    assert!(drops.iter().all(|count| *count <= EXPIRIES), "{drops:?}");
    assert!(drops.len() < 2 * EVENTS as usize / EXPIRIES, "{} calls", drops.len());
}

#[test]
fn events_to_many_go_one_at_a_time_and_dead_ones_are_looked_at_so_often() {
    let mut history = self::history(limits(100_000, usize::MAX, 60_000));
    let many = |n: u64| (0..10_000).fold(Target::user("a"), |to, k| to.or_user(format!("{n}-{k}")));
    let brief = Some(Duration::from_millis(500));
    (1..=5).for_each(|n| put(&mut history, record(n, many(n), brief, 10), 0));
    (6..=9_005).for_each(|n| put(&mut history, record(n, Target::user("b"), brief, 10), 0));
    put(&mut history, record(9_006, Target::user("b"), None, 10), 0);
    assert_eq!([tidy(&mut history, 500), tidy(&mut history, 500)], [1, 1]);
    let keys = keys_of(&history, &profile("b"), client(9));
    let (mut after, mut pieces, mut seen) = (0, 0, Vec::new());
    loop {
        let found = history.after(after, &keys, ALL, 500);
        seen.extend(found.records.iter().map(|record| record.position));
        pieces += 1;
        let Some(position) = found.more_after else { break };
        assert!(position <= after + LOOKS as u64 + 5);
        after = position;
    }
    assert_eq!((seen, pieces), (vec![9_006], 9_000 / LOOKS + 1));
}
