//! What is held in memory, by the allocator's own count, against what limits and reports say.

#[cfg(feature = "jwt")]
mod request;

use std::alloc::System;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cap::Cap;
use fanfare::api::{CrossOrigin, LastEventId};
use fanfare::event::{ClientKey, Draft, Drafts, Framing, Now, Profile};
use fanfare::journal::{Acknowledge, Delivery, HistoryLimits, Journal, MemoryJournal};
use fanfare::shard::{Admission, Arrival, Command, Newest, Settings, Shard, ShardSender, StreamLimits};
use fanfare::{Event, Pattern, Publication, Target, Topic};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Tests share the allocator, so they go one after another.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

const NOW: Now = Now { elapsed_ms: 1_000, unix_ms: 1_790_000_000_000 };
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Takes everything, and has nothing to be read.
struct Sink;

impl Read for Sink {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ShardSender for Sink {
    fn has_room(&self, _: usize, _: usize) -> bool {
        true
    }

    fn wait_for_room(&self, _: usize, _: usize, _: Duration) -> bool {
        true
    }

    fn wake(&self) {}

    fn send(&self, _: Command) {}
}

fn shard() -> Shard<Sink> {
    let settings = Settings::for_tests();
    let none = usize::MAX;
    let admission = Admission::new(StreamLimits { total: none, per_address: none, per_user: none });
    Shard::new(0, Arc::new(settings), Arc::new(admission), Newest::before_first(NOW.unix_ms))
}

/// Opens streams, each with so many patterns of so many tokens that nobody else has, and a wildcard.
fn subscribe(shard: &mut Shard<Sink>, streams: usize, patterns: usize, tokens: usize) -> Vec<u32> {
    let mut random = fastrand::Rng::with_seed(streams as u64);
    let mut open = Vec::new();
    for _ in 0..streams {
        let token = |random: &mut fastrand::Rng| random.u32(..).to_string();
        let pattern = |random: &mut fastrand::Rng| {
            let text: Vec<String> = (1..tokens).map(|_| token(random)).collect();
            Pattern::parse(&format!("{}.*", text.join("."))).expect("a pattern")
        };
        let topics = (0..patterns).map(|_| pattern(&mut random)).collect();
        let arrival = Arrival {
            peer: PEER,
            framing: Framing::Chunked,
            last_event_id: LastEventId::None,
            profile: Profile { topics, ..Profile::default() },
            expires_unix_ms: None,
            cross_origin: CrossOrigin::Silent,
        };
        open.push(shard.adopt(Sink, arrival, NOW));
    }
    while shard.flush(usize::MAX, NOW) {}
    open
}

#[test]
fn a_stream_with_many_wildcards_takes_little_and_gives_it_back() {
    const STREAMS: usize = 300;
    let _alone = alone();
    // As many as the limits allow, in few long patterns and in many short ones.
    for (patterns, tokens) in [(32, 16), (64, 8)] {
        let mut shard = shard();
        // Places for connections stay.
        let anonymous = subscribe(&mut shard, STREAMS, 0, 0);
        anonymous.into_iter().for_each(|slot| shard.abandon(slot));
        while shard.flush(usize::MAX, NOW) {}
        let before = ALLOCATOR.allocated();
        let open = subscribe(&mut shard, STREAMS, patterns, tokens);
        let each = (ALLOCATOR.allocated() - before) / STREAMS;
        println!("{patterns} patterns of {tokens} tokens: {each} bytes a stream");
        assert!(each < 24 * 1024, "{each} bytes a stream of {patterns} patterns of {tokens} tokens");
        open.into_iter().for_each(|slot| shard.abandon(slot));
        while shard.flush(usize::MAX, NOW) {}
        let kept = ALLOCATOR.allocated().saturating_sub(before) / STREAMS;
        assert!(kept < 64, "{kept} bytes a stream are kept");
    }
}

/// In memory everything is acknowledged at once.
fn later() -> Acknowledge {
    unreachable!()
}

/// Fills a history of 4 MiB several times over, and holds what it says it takes to what it does.
fn fill(name: &str, publication: impl Fn(u64) -> Publication) {
    const LIMIT: usize = 4 * 1024 * 1024;
    let limits = HistoryLimits { events: usize::MAX, bytes: LIMIT, age: Duration::from_secs(3600) };
    let journal =
        MemoryJournal::new(NOW.unix_ms, ClientKey::new([1, 2]), limits, Delivery::new(vec![Arc::new(Sink)]));
    let before = ALLOCATOR.allocated();
    for n in 0..30_000 {
        journal
            .append(Drafts::from([Draft::from(publication(n))]).into(), NOW, &mut later)
            .expect("there is room");
    }
    let (taken, report) = (ALLOCATOR.allocated() - before, journal.report(NOW));
    println!("{name}: {taken} bytes taken, {} reported, {} events", report.bytes, report.events);
    let reported = report.bytes as usize;
    assert!(reported <= LIMIT && reported > LIMIT - 64 * 1024, "{name}: {reported} bytes reported");
    assert!(taken <= LIMIT * 21 / 20, "{name}: {taken} bytes taken of {LIMIT}");
    assert!(taken > LIMIT / 2, "{name}: {taken} bytes taken of {LIMIT}");
}

#[test]
fn history_takes_what_it_says_whatever_events_are_addressed_to() {
    let _alone = alone();
    let to = |target: Target| Publication::new(Event::text("message", "x").expect("an event"), target);
    let topic = |text: String| Target::topic(Topic::parse(&text).expect("a topic"));
    fill("everyone", |_| to(Target::all()));
    fill("one user", |_| to(Target::user("ada")));
    fill("distinct users", |n| to(Target::user(format!("{n}"))));
    fill("distinct long users", |n| to(Target::user(format!("{n}-{}", "x".repeat(100)))));
    fill("distinct users and sessions", |n| {
        to(Target::user(format!("u{n}")).or_session(format!("s{n}")).or_user(format!("v{n}")))
    });
    fill("distinct topics", |n| to(topic(format!("{n}"))));
    fill("distinct deep topics", |n| to(topic(format!("a{n}.b{n}.c.d"))));
    fill("many topics", |n| {
        to((0..20).fold(topic(format!("{n}.z")), |to, k| {
            to.or_topic(Topic::parse(&format!("{n}.{k}.x")).expect("a topic"))
        }))
    });
    fill("distinct metadata", |n| to(Target::all().with_meta("seat", format!("{n}"))));
    fill("exceptions", |n| to(Target::all().except(Target::user(format!("{n}")))));
    fill("a life of their own", |n| {
        let mut publication = to(Target::user(format!("{n}")));
        publication.ttl = Some(Duration::from_secs(60));
        publication
    });
    fill("large", |n| {
        Publication::new(
            Event::text("message", &"x".repeat(2_000)).expect("an event"),
            Target::user(format!("{n}")),
        )
    });
}
