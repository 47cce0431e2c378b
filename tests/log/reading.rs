//! Reading while segments are written, sealed and removed; times; and who is told what was removed.

use std::sync::Arc;

use fanfare::Target;
use fanfare::event::{Pattern, Profile, Topic};
use fanfare::journal::log::{Append, Budget, Entry, Log, LogOptions, Opening, Query};

use crate::disk::SimulatedDisk;
use crate::world::read;

const START_MS: u64 = 1_000_000;

fn open(disk: &SimulatedDisk, max_bytes: u64) -> Log {
    let options = LogOptions {
        always_sync: true,
        segment_bytes: 4 << 10,
        segment_age_ms: 1 << 40,
        max_age_ms: 1 << 40,
        max_bytes,
        open_files: 4,
        loss_places: 1 << 12,
    };
    let opening = Opening { unix_ms: START_MS, epoch: 7, hash_key: [1, 2] };
    Log::open(Arc::new(disk.clone()), options, opening).expect("a log")
}

fn append(log: &mut Log, target: &Target, ttl_ms: Option<u64>, unix_ms: u64) -> u64 {
    let fields = format!("data: {}\n\n", "x".repeat(60)).into_bytes();
    let entry = Entry { target, fields: &fields, retry_ms: None, ttl_ms, is_text: true, is_end: false };
    log.appender.append(&[Append { entries: &[entry], key: None }], unix_ms).expect("room").start
}

fn user(name: &str) -> Query {
    Query::of(&Profile { user: Some(name.into()), ..Profile::default() }, None)
}

fn follower(pattern: &str) -> Query {
    let topics = [Pattern::parse(pattern).expect("a pattern")].into();
    Query::of(&Profile { topics, ..Profile::default() }, None)
}

fn seqs(log: &Log, query: &Query, after: u64, now_ms: u64) -> Vec<u64> {
    let found = read(&log.reader, query, after, now_ms, &mut fastrand::Rng::with_seed(1));
    found.iter().map(|stored| stored.seq).collect()
}

#[test]
fn only_who_has_lost_something_is_told_also_after_a_restart() {
    let disk = SimulatedDisk::new(1);
    let mut log = open(&disk, 12 << 10);
    let lasting = append(&mut log, &Target::user("ada"), None, START_MS);
    let topic = Target::topic(Topic::parse("a.b.c").expect("a topic"));
    let told = append(&mut log, &topic, None, START_MS);
    append(&mut log, &Target::user("typing"), Some(1_000), START_MS);
    append(&mut log, &Target::user("waiting"), Some(1_000_000), START_MS);
    for n in 0..400 {
        append(&mut log, &Target::user(format!("busy-{}", n % 10)), None, START_MS + 5_000);
        if n % 50 == 0 {
            log.maintenance.run(START_MS + 5_000);
        }
    }
    log.maintenance.run(START_MS + 5_000);
    for round in 0..3 {
        let report = log.reader.report();
        assert!(report.bytes <= (16 << 10) + 4096 && report.oldest > 200, "{report:?}");
        let has_lost = |query: &Query, after: u64| log.reader.has_lost(query, after);
        assert!(has_lost(&user("ada"), lasting - 1) && !has_lost(&user("ada"), lasting));
        assert!(has_lost(&user("waiting"), 0), "it had not expired");
        assert!(!has_lost(&user("typing"), 0), "it had expired");
        assert!(!has_lost(&user("grace"), 0) && !has_lost(&follower("b.>"), 0));
        for pattern in ["a.b.c", "a.>", "*.b.c", "a.*.c", ">"] {
            assert!(
                has_lost(&follower(pattern), told - 1) && !has_lost(&follower(pattern), told),
                "{pattern}"
            );
        }
        assert!(has_lost(&user("busy-3"), 50) && !has_lost(&user("busy-3"), report.oldest));
        assert_eq!(seqs(&log, &user("ada"), 0, 0), [0; 0]);
        if round == 1 {
            log.appender.close().expect("a clean end");
            disk.end(crate::disk::Ending::Kill);
            log = open(&disk, 12 << 10);
        } else {
            drop(log);
            disk.end(crate::disk::Ending::PowerFailure);
            log = open(&disk, 12 << 10);
        }
    }
}

#[test]
fn what_expired_is_left_out_and_no_loss() {
    let disk = SimulatedDisk::new(1);
    let mut log = open(&disk, 1 << 30);
    let short = append(&mut log, &Target::user("ada"), Some(1_000), START_MS);
    let long = append(&mut log, &Target::user("ada"), Some(9_000), START_MS);
    let hole = append(&mut log, &Target::user("ada"), Some(0), START_MS);
    let last = append(&mut log, &Target::all(), None, START_MS);
    assert_eq!([short, long, hole, last], [1, 2, 3, 4]);
    for query in [user("ada"), Query::all()] {
        assert_eq!(seqs(&log, &query, 0, START_MS + 999), [1, 2, 4]);
        assert_eq!(seqs(&log, &query, 0, START_MS + 1_000), [2, 4]);
        assert_eq!(seqs(&log, &query, 0, START_MS + 9_000), [4]);
        assert!(!log.reader.has_lost(&query, 0));
    }
    assert_eq!(seqs(&log, &Query::addressed(Some("ada"), None, &[]), 0, START_MS), [1, 2]);
    assert_eq!(log.reader.newest(), 4);
}

#[test]
fn times_lead_to_what_was_appended_from_then_on() {
    let disk = SimulatedDisk::new(1);
    let mut log = open(&disk, 1 << 30);
    for n in 0..300 {
        append(&mut log, &Target::user("ada"), None, START_MS + 10 * (n / 3));
        if n == 200 {
            log.maintenance.run(START_MS);
        }
    }
    for n in (0..300).step_by(7) {
        let ms = START_MS + 10 * (n / 3);
        assert_eq!(log.reader.before_time(ms).expect("no fault"), n / 3 * 3, "{n}");
        assert_eq!(log.reader.before_time(ms - 1).expect("no fault"), n / 3 * 3, "{n}");
    }
    assert_eq!(log.reader.before_time(0).expect("no fault"), 0);
    assert_eq!(log.reader.before_time(u64::MAX).expect("no fault"), 300);
    // Time that goes back stands still.
    append(&mut log, &Target::user("ada"), None, 5);
    assert_eq!(log.reader.before_time(START_MS + 990).expect("no fault"), 297);
}

#[test]
fn a_replay_goes_on_while_segments_are_sealed_and_removed() {
    let disk = SimulatedDisk::new(1);
    let mut log = open(&disk, 12 << 10);
    for _ in 0..100 {
        append(&mut log, &Target::user("ada"), None, START_MS);
    }
    for query in [user("ada"), Query::all()] {
        let after = log.reader.report().oldest - 1;
        let mut replay = log.reader.replay(query, after);
        let few = Budget { records: 5, ..Budget::default() };
        let piece = replay.next(few, START_MS);
        assert!(piece.records.len() == 5 && piece.more && !piece.lost && piece.position == after + 5);
        let first = log.reader.report().oldest;
        for _ in 0..300 {
            append(&mut log, &Target::user("ada"), None, START_MS);
            log.maintenance.run(START_MS);
        }
        let oldest = log.reader.report().oldest;
        assert!(oldest > first + 100);
        // The segment that it is in can still be read; then it is told that something is missing.
        let mut seqs = Vec::new();
        let lost = loop {
            let piece = replay.next(few, START_MS);
            seqs.extend(piece.records.iter().map(|stored| stored.seq));
            if piece.lost {
                break piece;
            }
            assert!(piece.more, "it must be told");
        };
        assert!(seqs.iter().any(|seq| *seq < oldest) && lost.position >= oldest - 1);
        assert!((after + 6..).zip(seqs.iter().take(10)).all(|(expected, seq)| expected == *seq));
        let rest = replay.next(Budget::default(), START_MS);
        assert!(!rest.lost, "once");
        assert!(!rest.more && rest.position == log.reader.newest());
    }
}

#[test]
fn a_replay_ends_where_it_is_told_to() {
    let disk = SimulatedDisk::new(1);
    let mut log = open(&disk, 1 << 30);
    for n in 0..200 {
        append(&mut log, &Target::user(["ada", "grace"][n % 2]), None, START_MS);
    }
    for (query, expected) in [(user("ada"), 25), (Query::all(), 51)] {
        let mut replay = log.reader.replay(query, 49);
        assert!(replay.known_lost() <= replay.position());
        let piece = replay.next(Budget { through: 100, ..Budget::default() }, START_MS);
        assert_eq!((piece.records.len(), piece.position, piece.more), (expected, 100, true));
        let piece = replay.next(Budget::default(), START_MS);
        assert!(piece.records.iter().all(|stored| stored.seq > 100) && !piece.more);
        append(&mut log, &Target::all(), None, START_MS);
        let piece = replay.next(Budget::default(), START_MS);
        assert!(piece.records.len() == 1 && !piece.more, "what came meanwhile");
        let last = log.reader.newest();
        assert_eq!(piece.position, last);
    }
}

/// A replay that has looked up what a segment holds for somebody does not take that for all of it: more is appended, and
/// then the next segment begins, before it goes on.
#[test]
fn what_is_appended_to_a_segment_while_it_is_read_is_read_too() {
    let disk = SimulatedDisk::new(1);
    let mut log = open(&disk, 1 << 30);
    let (ada, everyone) = (Target::user("ada"), Target::user("bob"));
    let mut wanted = vec![append(&mut log, &ada, None, START_MS), append(&mut log, &ada, None, START_MS)];
    let one = |replay: &mut fanfare::journal::log::Replay| {
        let piece = replay.next(Budget { records: 1, ..Budget::default() }, START_MS);
        assert!(!piece.lost);
        piece.records.iter().map(|stored| stored.seq).collect::<Vec<_>>()
    };
    for query in [user("ada"), Query::all()] {
        let mut replay = log.reader.replay(query.clone(), 0);
        let mut found = one(&mut replay);
        wanted.push(append(&mut log, &ada, None, START_MS));
        let segments = log.reader.report().segments;
        while log.reader.report().segments == segments {
            append(&mut log, &everyone, None, START_MS);
        }
        wanted.push(append(&mut log, &ada, None, START_MS));
        while replay.position() < log.reader.newest() {
            found.extend(one(&mut replay));
        }
        found.retain(|seq| wanted.contains(seq));
        assert_eq!(found, wanted, "{query:?}");
    }
}

/// What was removed was begun before a time, and went on after it: who begins at that time has lost something.
#[test]
fn what_was_removed_and_goes_on_after_a_time_is_a_loss_since_then() {
    let disk = SimulatedDisk::new(1);
    let mut log = open(&disk, 12 << 10);
    append(&mut log, &Target::user("bob"), None, START_MS);
    append(&mut log, &Target::user("ada"), None, START_MS + 20);
    while log.reader.report().segments < 4 {
        append(&mut log, &Target::user("bob"), None, START_MS + 30);
    }
    log.maintenance.run(START_MS + 40);
    let report = log.reader.report();
    assert!(report.oldest > 2 && report.segments == 3, "one is removed, with ada's: {report:?}");
    let lost_since = |log: &Log, name: &str, ms: u64| {
        let after = log.reader.before_time(START_MS + ms).expect("a time");
        log.reader.has_lost(&user(name), after)
    };
    for ms in [0, 1, 10, 20] {
        assert!(lost_since(&log, "ada", ms), "{ms}");
        assert!(!lost_since(&log, "eve", ms), "{ms}");
    }
    let end = log.reader.newest();
    append(&mut log, &Target::user("bob"), None, START_MS + 50);
    assert_eq!(log.reader.before_time(START_MS + 45).expect("a time"), end);
    assert!(!lost_since(&log, "ada", 45));
}
