//! What the log on disk costs: to append and sync, to find what is one user's, to open a large folder.
//!
//! `cargo bench --bench log`; the figures are of use as ratios on one machine. The folder is in the directory for temporary
//! files, or where `FANFARE_BENCH_DIR` says: on a file system in memory a sync costs nothing.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fanfare::Target;
use fanfare::event::Profile;
use fanfare::journal::log::{Append, Budget, Entry, Folder, Log, LogOptions, Opening, Query};

const NOW_MS: u64 = 1_790_000_000_000;
const USERS: u64 = 10_000;

/// A folder that goes with it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let above = std::env::var_os("FANFARE_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let path = above.join(format!("fanfare-bench-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self, always_sync: bool) -> Log {
        let options = LogOptions::new(always_sync, 1 << 40, 1 << 40);
        let folder = Folder::open(&self.0).expect("a folder");
        Log::open(Arc::new(folder), options, Opening { unix_ms: NOW_MS, epoch: 1, hash_key: [1, 2] })
            .expect("a log")
    }

    /// A log with so many events of about 265 bytes, each to one of the users in turn.
    fn filled(name: &str, events: u64) -> Self {
        let place = Self::new(name);
        let mut log = place.open(false);
        let users: Vec<Target> = (0..USERS).map(|user| Target::user(format!("user-{user}"))).collect();
        let fields = fields();
        for from in (0..events).step_by(100) {
            let entries: Vec<Entry<'_>> =
                (from..from + 100).map(|n| entry(&users[(n % USERS) as usize], &fields)).collect();
            log.appender.append(&[Append { entries: &entries, key: None }], NOW_MS).expect("room");
        }
        log.maintenance.run(NOW_MS);
        log.appender.close().expect("a clean end");
        place
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn fields() -> Vec<u8> {
    format!("event: notification\ndata: {{\"text\":\"{}\"}}\n\n", "x".repeat(200)).into_bytes()
}

fn entry<'e>(target: &'e Target, fields: &'e [u8]) -> Entry<'e> {
    Entry { target, fields, retry_ms: None, ttl_ms: None, is_text: false, is_end: false }
}

fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("log/append");
    let (target, fields) = (Target::user("ada"), fields());
    for (name, always_sync) in [("synced", true), ("kernel", false)] {
        for count in [1, 16, 256] {
            let place = Place::new("append");
            let mut log = place.open(always_sync);
            let entries = vec![entry(&target, &fields); count];
            // As many publishers as events.
            let appends: Vec<_> = entries.chunks(1).map(|entries| Append { entries, key: None }).collect();
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(BenchmarkId::new(name, count), |b| {
                b.iter(|| log.appender.append(&appends, NOW_MS).expect("room"));
            });
        }
    }
}

fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("log/read");
    let place = Place::filled("read", 1_000_000);
    let log = place.open(true);
    let one = |user: u64| {
        let profile = Profile { user: Some(format!("user-{user}").into()), ..Profile::default() };
        Query::of(&profile, None)
    };
    let mut user = 0;
    group.bench_function("one of 10,000 users, 100 of a million events", |b| {
        b.iter(|| {
            user = (user + 7) % USERS;
            let piece = log.reader.replay(one(user), 0).next(Budget::default(), NOW_MS);
            assert_eq!((piece.records.len(), piece.more), (100, false));
        });
    });
    group.sample_size(10).throughput(Throughput::Elements(1_000_000));
    group.bench_function("all of a million events", |b| {
        b.iter(|| {
            let (mut replay, mut count) = (log.reader.replay(Query::all(), 0), 0);
            loop {
                let piece = replay.next(Budget::default(), NOW_MS);
                count += piece.records.len();
                if !piece.more {
                    break;
                }
            }
            assert_eq!(count, 1_000_000);
        });
    });
}

/// About 1 GiB.
fn open(c: &mut Criterion) {
    let mut group = c.benchmark_group("log/open");
    let place = Place::filled("open", 3_800_000);
    group.sample_size(10);
    group.bench_function("1 GiB", |b| b.iter(|| place.open(true).recovery));
}

criterion_group!(benches, append, read, open);
criterion_main!(benches);
