//! Operations that fail: a full disk, short writes, errors, and syncs.

use fanfare::journal::log::RefusedAppend;

use crate::disk::{Ending, Fault};
use crate::model::Batch;
use crate::run_seeds;
use crate::world::{Seen, World};

const STEPS: usize = 24;

#[test]
fn an_operation_that_fails_costs_what_it_was_for_and_no_more() {
    let seen = run_seeds("an_operation_that_fails", 16, |seed| {
        let mut all = Seen::default();
        for operation in 1..150 {
            let mut world = World::new(seed);
            world.try_open().expect("an open log");
            let fault = if operation % 3 == 0 { Fault::Short } else { Fault::Error };
            world.disk.plan(world.disk.operations() + operation, fault);
            for _ in 0..STEPS {
                if world.log.is_none() {
                    // It could not be opened again, and then can.
                    world.disk.end(Ending::Kill);
                    world.try_open().expect("an open log");
                    world.check(Ending::Kill);
                }
                world.step();
            }
            if world.disk.hit().first() == Some(&"write") && !world.has_failed && world.log.is_some() {
                assert!(!world.reader().report().has_failed);
            }
            world.disk.clear_plans();
            world.crash(if operation % 2 == 0 { Ending::Kill } else { Ending::PowerFailure });
            all.add(&world.seen);
        }
        all
    });
    if std::env::var("FANFARE_SEED").is_err() {
        assert!(seen.refused > 100 && seen.failed > 100, "{seen:?}");
    }
}

#[test]
fn a_full_disk_refuses_and_takes_again_when_there_is_room() {
    let seen = run_seeds("a_full_disk", 150, |seed| {
        let mut world = World::new(seed);
        world.try_open().expect("an open log");
        for round in 0..6 {
            world.disk.set_room(world.random.u64(..6_000));
            for _ in 0..8 {
                world.step();
                if world.log.is_none() {
                    world.disk.set_room(u64::MAX);
                    world.disk.end(Ending::Kill);
                    world.try_open().expect("room");
                    world.check(Ending::Kill);
                }
            }
            world.disk.set_room(u64::MAX);
            assert!(!world.reader().report().has_failed, "a full disk is no failure");
            let newest = world.reader().newest();
            world.append();
            assert!(world.reader().newest() > newest, "there is room");
            if round % 2 == 1 {
                world.crash(Ending::PowerFailure);
            }
        }
        world.seen
    });
    if std::env::var("FANFARE_SEED").is_err() {
        assert!(seen.refused > 300, "{seen:?}");
    }
}

#[test]
fn a_sync_that_fails_ends_all_appending_until_the_log_is_opened_again() {
    for seed in 0..40 {
        let mut world = World::new(seed);
        world.options.always_sync = true;
        world.try_open().expect("an open log");
        (0..5).for_each(|_| world.append());
        let newest = loop {
            let newest = world.reader().newest();
            // The write, and then the sync.
            world.disk.plan(world.disk.operations() + 2, Fault::Error);
            let batches = world.model.invent(&mut world.random);
            let now_ms = world.now_ms;
            let log = world.log();
            match Batch::appends(&batches, |appends| log.appender.append(appends, now_ms)) {
                Err(RefusedAppend::Failed) => break newest,
                // A segment was to be begun.
                Err(RefusedAppend::Io(_)) => {
                    world.disk.clear_plans();
                    world.append();
                }
                refused => panic!("{refused:?}"),
            }
        };
        assert!(world.reader().report().has_failed);
        assert_eq!(world.reader().newest(), newest, "what is not acknowledged is not seen");
        world.disk.clear_plans();
        world.has_failed = true;
        let now_ms = world.now_ms;
        let batches = world.model.invent(&mut world.random);
        let log = world.log();
        let refused = Batch::appends(&batches, |appends| log.appender.append(appends, now_ms));
        assert!(matches!(refused, Err(RefusedAppend::Failed)), "for good");
        assert!(log.appender.sync().is_err());
        world.log = None;
        world.disk.end(Ending::Kill);
        world.try_open().expect("an open log");
        assert!(world.log().recovery.is_new_epoch, "nobody knows what the disk holds");
        let next = world.log().appender.next_seq();
        world.append_unchecked();
        assert!(world.reader().newest() >= next);
    }
}
