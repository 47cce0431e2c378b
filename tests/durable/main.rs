//! The journal on disk, on a disk that is simulated, with the shards' side of it: publishers, streams that come back, commits,
//! replays, syncs and upkeep in any order on one thread, and ends at any write. Beside it a model says what each stream is
//! to get: exactly what is for it, once, in order, or a truthful word of what is missing.
//!
//! `FANFARE_SEED=17 cargo test --test durable` runs one seed; `FANFARE_SEEDS=5000` runs that many.

#[path = "../log/content.rs"]
mod content;
#[path = "../log/disk.rs"]
#[expect(dead_code, reason = "the tests of the log use all of it")]
mod disk;
mod inbox;
mod judging;
mod model;
mod seen;
mod stream;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use seen::Seen;
use world::World;

/// Steps of one run.
const STEPS: usize = 400;
/// Runs, unless somebody asks for another number.
const SEEDS: u64 = 400;

fn run(seed: u64) -> Seen {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.settle();
    world.close();
    world.seen
}

#[test]
fn every_stream_gets_what_is_for_it_whatever_ends_in_between() {
    let run_reported = |seed: u64| {
        catch_unwind(AssertUnwindSafe(|| run(seed))).unwrap_or_else(|panic| {
            eprintln!("seed {seed} failed: FANFARE_SEED={seed} cargo test --test durable");
            std::panic::resume_unwind(panic)
        })
    };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    if let Some(seed) = number("FANFARE_SEED") {
        println!("{:?}", run_reported(seed));
        return;
    }
    let seeds = number("FANFARE_SEEDS").unwrap_or(SEEDS);
    let (next, all) = (AtomicU64::new(0), Mutex::new(Seen::default()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let seen = run_reported(seed);
                    all.lock().unwrap_or_else(PoisonError::into_inner).add(&seen);
                }
            });
        }
    });
    let mut all = *all.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{seeds} seeds: {all:?}");
    all.assert_much_happened();
}
