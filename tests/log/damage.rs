//! Bytes that change on the disk: what they hit is lost and told, and nothing else is.

use std::collections::BTreeSet;

use fanfare::journal::log::{OpenError, Query};

use crate::disk::Ending;
use crate::model::{Subscriber, USERS};
use crate::run_seeds;
use crate::world::{Seen, World, read};

/// A log of several segments that was closed.
fn filled(seed: u64, is_sealed: bool) -> World {
    let mut world = World::new(seed);
    world.options.max_age_ms = 1 << 40;
    world.options.max_bytes = 1 << 30;
    world.try_open().expect("an open log");
    while world.reader().report().segments < 5 {
        world.append();
    }
    if is_sealed {
        let now_ms = world.now_ms;
        assert!(world.log().maintenance.run(now_ms).errors.is_empty());
    }
    world.log.take().expect("a log").appender.close().expect("a clean end");
    world.disk.end(Ending::Kill);
    world
}

fn names(world: &World, ending: &str) -> Vec<String> {
    world.disk.file_names().into_iter().filter(|name| name.ends_with(ending)).collect()
}

/// Reads all, and returns the seqs that are there; each event must be one that was appended.
fn seqs(world: &mut World) -> BTreeSet<u64> {
    let (reader, now_ms) = (world.reader(), world.now_ms);
    let found = read(&reader, &Query::all(), 0, now_ms, &mut world.random);
    for stored in &found {
        assert!(world.model.events[&stored.seq].is(stored), "{stored:?}");
    }
    found.iter().map(|stored| stored.seq).collect()
}

/// What was appended and is not there. Nothing else may be lost.
fn gone(world: &mut World) -> BTreeSet<u64> {
    let there = seqs(world);
    let now_ms = world.now_ms;
    let kept = world.model.events.iter().filter(|(_, event)| !event.is_hole() && !event.has_expired(now_ms));
    kept.map(|(seq, _)| *seq).filter(|seq| !there.contains(seq)).collect()
}

/// Changes one byte of a file, not of its first `from`.
fn flip(world: &mut World, name: &str, from: usize) {
    let mut random = fastrand::Rng::with_seed(world.random.u64(..));
    world.disk.damage(name, |bytes| {
        let at = random.usize(from..bytes.len());
        bytes[at] ^= 1 << random.u32(..8);
    });
}

#[test]
fn one_damaged_byte_costs_one_group_and_those_concerned_are_told() {
    let seen = run_seeds("one_damaged_byte", 150, |seed| {
        let mut world = filled(seed, true);
        let logs = names(&world, ".log");
        let log = logs[world.random.usize(..logs.len() - 1)].clone();
        flip(&mut world, &log, 0);
        world.try_open().expect("a log");
        assert!(!world.log().recovery.is_new_epoch);
        let gone = gone(&mut world);
        assert!(gone.len() <= 15, "more than one group: {gone:?}");
        let now_ms = world.now_ms;
        let done = world.log().maintenance.run(now_ms);
        assert_eq!(done.damaged, usize::from(world.reader().report().damaged > 0));
        for user in 0..=USERS {
            let subscriber = Subscriber::user(user);
            let concerned = gone.iter().any(|seq| subscriber.wants(&world.model.events[seq]));
            // Also over a restart.
            for _ in 0..2 {
                let reader = world.reader();
                let found = read(&reader, &subscriber.query, 0, now_ms, &mut world.random);
                let wants = |seq: &u64| {
                    let event = &world.model.events[seq];
                    subscriber.wants(event) && !event.is_hole() && !event.has_expired(now_ms)
                };
                let wanted: Vec<u64> = world.model.events.keys().copied().filter(wants).collect();
                let found: BTreeSet<u64> = found.iter().map(|stored| stored.seq).collect();
                assert!(found.iter().all(|seq| wanted.contains(seq)));
                // The index leads to records that are whole in an append that is not.
                let missing = wanted.iter().filter(|seq| !found.contains(seq));
                let missing: Vec<u64> = missing.copied().collect();
                assert!(missing.len() <= 1 && missing.iter().all(|seq| gone.contains(seq)), "{missing:?}");
                let before = gone.first().map_or(0, |seq| seq - 1);
                if concerned {
                    assert!(reader.has_lost(&subscriber.query, before), "{user} is not told of {gone:?}");
                } else if gone.is_empty() {
                    assert!(!reader.has_lost(&subscriber.query, 0) || done.damaged > 0);
                }
                world.log = None;
                world.disk.end(Ending::PowerFailure);
                world.options.always_sync = true;
                world.try_open().expect("a log");
            }
        }
        Seen { gaps: gone.len() as u64, ..Seen::default() }
    });
    if std::env::var("FANFARE_SEED").is_err() {
        assert!(seen.gaps > 30, "{seen:?}");
    }
}

#[test]
fn an_index_that_is_damaged_or_missing_is_made_again() {
    run_seeds("an_index_that_is_damaged", 100, |seed| {
        let mut world = filled(seed, true);
        for index in names(&world, ".idx") {
            match world.random.u32(..4) {
                0 => world.disk.delete(&index),
                1 => world.disk.damage(&index, |bytes| bytes.truncate(bytes.len() / 2)),
                _ => flip(&mut world, &index, 0),
            }
        }
        world.try_open().expect("a log");
        for user in 0..=USERS {
            world.check_subscriber(&Subscriber::user(user));
        }
        assert_eq!(gone(&mut world), BTreeSet::new());
        let now_ms = world.now_ms;
        assert!(world.log().maintenance.run(now_ms).errors.is_empty());
        assert_eq!(
            names(&world, ".idx").len(),
            names(&world, ".log").len() - 1,
            "one for each sealed segment"
        );
        Seen::default()
    });
}

#[test]
fn damage_in_the_newest_segment_leaves_what_is_behind_it() {
    run_seeds("damage_in_the_newest", 150, |seed| {
        let mut world = filled(seed, true);
        while world.reader_is_short() {
            world.append();
        }
        let log = names(&world, ".log").pop().expect("a segment");
        // Behind that there may be zeros, for what is appended next.
        let is_written = |byte: &u8| *byte != 0;
        let size = world.disk.content(&log).iter().rposition(is_written).expect("a head") + 1;
        world.append();
        if names(&world, ".log").pop() != Some(log) {
            return Seen::default();
        }
        world.disk.end(Ending::Kill);
        let newest = world.model.next - 1;
        let log = names(&world, ".log").pop().expect("a segment");
        let mut random = fastrand::Rng::with_seed(seed);
        // Not in the last group, so that something valid follows.
        world.disk.damage(&log, |bytes| bytes[random.usize(..size)] ^= 0x10);
        world.log = None;
        world.try_open().expect("a log");
        assert_eq!(world.reader().newest(), newest, "nothing behind it was cut");
        assert!(!world.log().recovery.is_new_epoch || world.has_failed);
        let gone = gone(&mut world);
        assert!(gone.len() <= 20, "{gone:?}");
        for seq in &gone {
            assert!(
                world.reader().has_lost(&Subscriber::user(USERS).query, seq - 1),
                "nobody knows whom it was for"
            );
        }
        let next = world.log().appender.next_seq();
        world.append();
        assert!(world.reader().newest() >= next);
        Seen::default()
    });
}

#[test]
fn whatever_stands_on_the_disk_nothing_panics_and_nothing_is_made_up() {
    let seen = run_seeds("whatever_stands", 300, |seed| {
        let is_sealed = seed % 2 == 0;
        let mut world = filled(seed, is_sealed);
        let names = world.disk.file_names();
        for _ in 0..world.random.usize(1..6) {
            let name = names[world.random.usize(..names.len())].clone();
            let mut random = fastrand::Rng::with_seed(world.random.u64(..));
            world.disk.damage(&name, |bytes| {
                let size = bytes.len();
                let (start, length) = (random.usize(..size.max(1)), random.usize(..600));
                let end = size.min(start + length);
                match random.u32(..4) {
                    0 => bytes.truncate(start),
                    1 => bytes[start.min(end)..end].fill(0),
                    2 => bytes[start.min(end)..end].iter_mut().for_each(|byte| *byte = random.u8(..)),
                    _ => bytes.extend((0..length).map(|_| random.u8(..))),
                }
            });
        }
        match world.try_open() {
            Ok(()) => {}
            Err(OpenError::Foreign { .. } | OpenError::Newer { .. }) => {
                return Seen { refused: 1, ..Seen::default() };
            }
            Err(error) => panic!("{error}"),
        }
        world.in_between = false;
        let gone = gone(&mut world);
        let now_ms = world.now_ms;
        world.log().maintenance.run(now_ms);
        let reader = world.reader();
        let newest = reader.newest();
        for seq in gone.iter().filter(|seq| **seq <= newest) {
            assert!(reader.has_lost(&Query::all(), seq - 1), "nobody is told that {seq} is gone");
        }
        for user in 0..=USERS {
            read(&reader, &Subscriber::user(user).query, 0, now_ms, &mut world.random);
        }
        world.append_unchecked();
        Seen { gaps: gone.len() as u64, ..Seen::default() }
    });
    if std::env::var("FANFARE_SEED").is_err() {
        assert!(seen.gaps > 300 && seen.refused < 75, "{seen:?}");
    }
}
