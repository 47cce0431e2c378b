//! A seeded simulation: shards and the journal on a virtual clock, with clients whose sockets take a few bytes
//! at a time, stall, hang up in the middle of an event, and come back with `Last-Event-ID`. After each step every
//! client's bytes, read by a parser of their own, are exactly what a model says. The journal takes its time, and
//! servers are restarted.
//!
//! `FANFARE_SEED=17 cargo test --test simulation` runs one seed; `FANFARE_SEEDS=5000` runs that many.

mod answers;
mod client;
mod drain;
mod inbox;
mod judge;
mod model;
mod plan;
mod replays;
#[path = "../support/response.rs"]
mod response;
mod settings;
mod socket;
#[path = "../support/sse.rs"]
mod sse;
#[path = "../support/stream.rs"]
mod stream;
mod turns;
mod waiting;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use world::World;

const SEEDS: u64 = 600;
const STEPS: usize = 1_200;

/// What a run has seen, so that a run that sees nothing does not pass for one that finds nothing.
#[derive(Default)]
struct Seen {
    deliveries: AtomicU64,
    lags: AtomicU64,
    pieces: AtomicU64,
    farewells: AtomicU64,
    late_farewells: AtomicU64,
    gaps: AtomicU64,
    false_alarms: AtomicU64,
    permitted: AtomicU64,
    denied: AtomicU64,
    refused: AtomicU64,
    late: AtomicU64,
    abandoned: AtomicU64,
}

fn run(seed: u64, seen: &Seen) {
    let mut world = World::new(seed);
    // Half of the servers are restarted in the midst of things.
    let restart = world.fate.usize(..2 * STEPS);
    for step in 0..STEPS {
        if step == restart {
            world.restart();
        }
        world.step();
        if step % 400 == 399 {
            world.settle();
        }
    }
    world.end();
    seen.deliveries.fetch_add(world.deliveries, Ordering::Relaxed);
    seen.lags.fetch_add(world.lags, Ordering::Relaxed);
    seen.pieces.fetch_add(world.pieces, Ordering::Relaxed);
    seen.farewells.fetch_add(world.farewells, Ordering::Relaxed);
    seen.late_farewells.fetch_add(world.late_farewells, Ordering::Relaxed);
    seen.gaps.fetch_add(world.gaps.0 as u64, Ordering::Relaxed);
    let judged = world.judged;
    for (counter, count) in [
        (&seen.permitted, judged.permitted),
        (&seen.denied, judged.denied),
        (&seen.refused, judged.refused),
        (&seen.late, judged.late),
        (&seen.abandoned, judged.abandoned),
    ] {
        counter.fetch_add(count, Ordering::Relaxed);
    }
    seen.false_alarms.fetch_add(world.gaps.1 as u64, Ordering::Relaxed);
}

/// Seeds that found something once.
const REGRESSIONS: [u64; 6] = [
    0,    // an empty outbox at the end of a stream of HTTP/1.0
    9,    // a slot added under way made a pass miss another
    177,  // a closed connection kept a stretch of a tape that was forgotten
    2566, // a gap that was found while another was still to be told took its place
    4205, // the same
    221,  // as 177
];

fn run_reported(seed: u64, seen: &Seen) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed, seen))) {
        eprintln!("seed {seed} failed: FANFARE_SEED={seed} cargo test --test simulation");
        std::panic::resume_unwind(panic);
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_client_gets_exactly_what_it_should() {
    let seen = Seen::default();
    if let Some(seed) = number("FANFARE_SEED") {
        return run_reported(seed, &seen);
    }
    let seeds = number("FANFARE_SEEDS").unwrap_or(SEEDS);
    REGRESSIONS.iter().filter(|seed| **seed >= seeds).for_each(|seed| run_reported(*seed, &seen));
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds)
                {
                    run_reported(seed, &seen);
                }
            });
        }
    });
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (gaps, false_alarms) = (count(&seen.gaps), count(&seen.false_alarms));
    println!(
        "{seeds} seeds: {} deliveries, {} lags, {} pieces, {gaps} gaps, {} goodbyes",
        count(&seen.deliveries),
        count(&seen.lags),
        count(&seen.pieces),
        count(&seen.farewells)
    );
    assert!(count(&seen.pieces) > 20 * seeds, "replays come in pieces");
    assert!(count(&seen.deliveries) > 100 * seeds && count(&seen.lags) > seeds && gaps > seeds / 2);
    assert!(count(&seen.farewells) > seeds, "too few are told that a server ends");
    let judged = [&seen.permitted, &seen.denied, &seen.refused, &seen.late, &seen.abandoned].map(count);
    assert!(
        judged.iter().all(|count| *count > seeds / 10),
        "not everything happens to decisions: {judged:?}"
    );
    assert!(count(&seen.late_farewells) > seeds / 10, "too few catch up before that");
    // Two names that share a place of the journal's table of losses.
    assert!(false_alarms * 20 <= gaps, "{false_alarms} of {gaps} gaps were none");
}
