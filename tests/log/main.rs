//! The log on disk, on a disk that is simulated: seeded runs beside a model, that end at every single write, once or twice
//! in a row, by a kill or a power failure, and go on. After each end what was acknowledged is there, in order, batches
//! whole; what is gone is told to those concerned; and no id is ever two events.
//!
//! `FANFARE_SEED=17 cargo test --test log` runs one seed; `FANFARE_SEEDS=5000` runs that many.

mod content;
mod crash;
mod damage;
mod disk;
mod fault;
mod folder;
mod model;
mod reading;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use world::Seen;

/// Runs as many seeds as are asked for, on all processors; says which one has failed.
fn run_seeds(test: &str, seeds: u64, run: impl Fn(u64) -> Seen + Sync) -> Seen {
    let run_reported = |seed: u64| {
        catch_unwind(AssertUnwindSafe(|| run(seed))).unwrap_or_else(|panic| {
            eprintln!("seed {seed} failed: FANFARE_SEED={seed} cargo test --test log {test}");
            std::panic::resume_unwind(panic)
        })
    };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    if let Some(seed) = number("FANFARE_SEED") {
        return run_reported(seed);
    }
    let seeds = number("FANFARE_SEEDS").unwrap_or(seeds);
    let (next, all) = (AtomicU64::new(0), Mutex::new(Seen::default()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds)
                {
                    let seen = run_reported(seed);
                    all.lock().expect("no panic").add(&seen);
                }
            });
        }
    });
    let all = *all.lock().expect("no panic");
    println!("{test}: {seeds} seeds: {all:?}");
    all
}
