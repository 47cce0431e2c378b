//! Crashes at every operation that changes the disk.

use crate::disk::{Ending, Fault};
use crate::run_seeds;
use crate::world::{Seen, World};

/// Steps of a run up to its crash.
const STEPS: usize = 24;

/// Runs until everything ends, and then some more. Returns `None` where it did not end.
fn run(seed: u64, crash: u64, again: Option<u64>) -> Option<World> {
    let mut world = World::new(seed);
    world.disk.plan(crash, Fault::Crash);
    if let Some(again) = again {
        world.disk.plan(crash + again, Fault::Crash);
    }
    let mut is_open = world.try_open().is_ok();
    for _ in 0..STEPS {
        if !is_open || world.disk.is_down() {
            break;
        }
        world.step();
        is_open = world.log.is_some();
    }
    if !world.disk.is_down() {
        return None;
    }
    // What the fate of a run is after its crash does not depend on what it was before.
    world.random = fastrand::Rng::with_seed(seed ^ crash << 20);
    let ending = if world.random.u32(..3) == 0 { Ending::Kill } else { Ending::PowerFailure };
    world.crash(ending);
    world.disk.clear_plans();
    for _ in 0..6 {
        world.step();
    }
    world.crash(Ending::PowerFailure);
    Some(world)
}

/// The number of operations of a run that is not disturbed.
fn operations(seed: u64) -> (u64, Seen) {
    let mut world = World::new(seed);
    world.try_open().expect("an open log");
    for _ in 0..STEPS {
        world.step();
    }
    (world.disk.operations(), world.seen)
}

#[test]
fn a_crash_at_any_write_loses_nothing_that_was_acknowledged() {
    let seen = run_seeds("a_crash_at_any_write", 20, |seed| {
        let (operations, mut seen) = operations(seed);
        for crash in 1..=operations {
            let world = run(seed, crash, None).expect("a crash");
            seen.add(&world.seen);
        }
        seen
    });
    if std::env::var("FANFARE_SEED").is_err() {
        assert!(seen.crashes > 2_000 && seen.torn > 50 && seen.new_epochs > 50, "{seen:?}");
        assert!(seen.removed > 100 && seen.sealed > 100 && seen.lost_tails > 100, "{seen:?}");
    }
}

#[test]
fn a_crash_while_a_crash_is_recovered_from_is_one_more_crash() {
    let seen = run_seeds("a_crash_while", 60, |seed| {
        let (operations, mut seen) = operations(seed);
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..20 {
            let (crash, again) = (random.u64(1..=operations), random.u64(1..16));
            let world = run(seed, crash, Some(again)).expect("a crash");
            seen.add(&world.seen);
        }
        seen
    });
    if std::env::var("FANFARE_SEED").is_err() {
        assert!(seen.crashes > 2_500, "{seen:?}");
    }
}
