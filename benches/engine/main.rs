//! The engine's own part of the work, without a kernel: what it costs to encode an event, read a request, and
//! hand an event to those it is for.
//!
//! `cargo bench` runs all; the figures are of use as ratios on one machine, before and after a change.

mod history;

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fanfare::api::{CrossOrigin, LastEventId};
use fanfare::event::{Draft, Framing, Now, Profile, Record};
use fanfare::http::{Head, HeadScanner, RequestLimits, Scan, query_pairs};
use fanfare::shard::{Admission, Arrival, Command, Newest, Settings, Shard, StreamLimits};
use fanfare::{Event, EventId, Pattern, Publication, Target, Topic};

/// Takes everything, and has nothing to be read.
struct Sink;

impl Read for Sink {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const NOW: Now = Now { elapsed_ms: 1_000, unix_ms: 1_790_000_000_000 };
const EPOCH: u64 = 1_790_000_000_000;

/// A shard with that many streams; `profile` says who each is.
fn shard(streams: usize, profile: impl Fn(usize) -> Profile) -> Shard<Sink> {
    let none = usize::MAX;
    let admission = Arc::new(Admission::new(StreamLimits { total: none, per_address: none, per_user: none }));
    let mut shard =
        Shard::new(0, Arc::new(Settings::for_tests()), admission.clone(), Newest::before_first(EPOCH));
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    for n in 0..streams {
        let profile = profile(n);
        admission.admit(peer, profile.user.as_ref()).expect("there is no limit");
        let (framing, last_event_id) = (Framing::Chunked, LastEventId::None);
        shard.adopt(
            Sink,
            Arrival {
                peer,
                framing,
                last_event_id,
                profile,
                expires_unix_ms: None,
                cross_origin: CrossOrigin::Silent,
            },
            NOW,
        );
    }
    while shard.flush(usize::MAX, NOW) {}
    shard
}

fn payload() -> String {
    "x".repeat(128)
}

fn publication(target: Target) -> Publication {
    Publication::new(Event::json("update", &payload()).expect("a plain event"), target)
}

fn record(seq: u64, target: Target) -> Arc<Record> {
    Arc::new(Draft::from(publication(target)).seal(seq, EventId { epoch: EPOCH, seq }))
}

fn encode(c: &mut Criterion) {
    let publication = publication(Target::all());
    let id = EventId { epoch: EPOCH, seq: 1_000_000 };
    c.bench_function("encode a frame of 128 B", |b| {
        b.iter(|| Draft::from(black_box(publication.clone())).seal(id.seq, id));
    });
    let text = format!(
        "{{\"event\":\"update\",\"data\":{{\"pad\":\"{}\"}},\"to\":{{\"user\":\"ada\"}}}}",
        payload()
    );
    c.bench_function("read a publication from JSON", |b| b.iter(|| Publication::from_json(black_box(&text))));
}

fn head(c: &mut Criterion) {
    let head = "GET /api/sse?userId=user-123&topic=orders.%2A HTTP/1.1\r\nHost: localhost:3000\r\n\
        Connection: keep-alive\r\nAccept: text/event-stream\r\nCache-Control: no-cache\r\n\
        User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36\r\n\
        Referer: http://localhost:3000/\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
        Accept-Language: en-GB,en;q=0.9\r\nLast-Event-ID: 1790000000000-41\r\n\r\n";
    let limits = RequestLimits::default();
    c.bench_function("parse a browser's request head", |b| {
        b.iter(|| {
            let bytes = black_box(head.as_bytes());
            let Scan::Complete(outline) = HeadScanner::default().scan(bytes, &limits) else { return 0 };
            Head::parse(bytes, &outline).map_or(0, |head| query_pairs(head.query.unwrap_or_default()).count())
        });
    });
}

fn broadcast(c: &mut Criterion) {
    let mut group = c.benchmark_group("broadcast to 10,000 streams");
    let mut shard = shard(10_000, |_| Profile::default());
    let mut seq = 0;
    for events in [1, 16] {
        group.throughput(Throughput::Elements(10_000 * events));
        group.bench_function(format!("{events} under way"), |b| {
            b.iter(|| {
                for _ in 0..events {
                    seq += 1;
                    shard.apply(Command::Publish(record(seq, Target::all())), NOW);
                }
                while shard.flush(1024, NOW) {}
            });
        });
    }
    group.finish();
}

fn one_user(c: &mut Criterion) {
    let user = |n: usize| format!("user-{n}");
    let mut shard = shard(100_000, |n| Profile { user: Some(user(n).into()), ..Profile::default() });
    let mut seq = 0;
    c.bench_function("one user's event among 100,000 connections", |b| {
        b.iter(|| {
            seq += 1;
            let target = Target::user(user(seq as usize * 7919 % 100_000));
            shard.apply(Command::Publish(record(seq, target)), NOW);
            shard.flush(1024, NOW)
        });
    });
}

/// Each follows a topic of its own by a pattern; all follow one by another.
fn topics(c: &mut Criterion) {
    let pattern = |text: String| Pattern::parse(&text).expect("a pattern");
    let mut shard = shard(10_000, |n| {
        let topics = [pattern(format!("room.{n}.*")), pattern(format!("user.*.{n}"))];
        Profile { topics: topics.into_iter().collect(), ..Profile::default() }
    });
    let mut seq = 0;
    c.bench_function("one topic's event among 10,000 connections with two patterns each", |b| {
        b.iter(|| {
            seq += 1;
            let topic = Topic::parse(&format!("room.{}.said", seq * 7919 % 10_000)).expect("a topic");
            shard.apply(Command::Publish(record(seq, Target::topic(topic))), NOW);
            shard.flush(1024, NOW)
        });
    });
}

criterion_group!(benches, encode, head, broadcast, one_user, topics, history::append, history::replay);
criterion_main!(benches);
