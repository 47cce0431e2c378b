//! History: what an event and a replay cost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput};
use fanfare::event::{ClientKey, Draft, Drafts, Profile};
use fanfare::journal::{Acknowledge, Delivery, HistoryLimits, Journal, MemoryJournal};
use fanfare::shard::{After, Command, Join, Resume, ShardSender, StreamToken};
use fanfare::{EventId, Target};

use crate::{EPOCH, NOW, publication};

/// Keeps what a journal sends.
#[derive(Default)]
struct Kept(Mutex<Vec<Command>>);

impl ShardSender for Kept {
    fn has_room(&self, _: usize, _: usize) -> bool {
        true
    }

    fn wait_for_room(&self, _: usize, _: usize, _: Duration) -> bool {
        true
    }

    fn send(&self, command: Command) {
        self.0.lock().expect("one thread").push(command);
    }

    fn wake(&self) {}
}

/// In memory everything is acknowledged at once.
fn later() -> Acknowledge {
    unreachable!()
}

pub(crate) fn append(c: &mut Criterion) {
    let sender = Arc::new(Kept::default());
    let limits = HistoryLimits { events: 100_000, bytes: usize::MAX, age: Duration::from_secs(300) };
    let journal =
        MemoryJournal::new(EPOCH, ClientKey::new([1, 2]), limits, Delivery::new(vec![sender.clone()]));
    let mut n = 0_u64;
    c.bench_function("append to a full history, each event for another user", |b| {
        b.iter_batched(
            || {
                n += 1;
                sender.0.lock().expect("one thread").clear();
                Drafts::from([Draft::from(publication(Target::user(format!("user-{n}"))))])
            },
            |drafts| journal.append(drafts.into(), NOW, &mut later),
            BatchSize::NumIterations(1_000),
        );
    });
}

pub(crate) fn replay(c: &mut Criterion) {
    let sender = Arc::new(Kept::default());
    let limits = HistoryLimits { events: 100_000, bytes: usize::MAX, age: Duration::from_secs(300) };
    let journal =
        MemoryJournal::new(EPOCH, ClientKey::new([1, 2]), limits, Delivery::new(vec![sender.clone()]));
    for n in 0..2_000_u64 {
        let target = if n % 2 == 0 { Target::user("ada") } else { Target::user("grace") };
        journal
            .append(Drafts::from([Draft::from(publication(target))]).into(), NOW, &mut later)
            .expect("there is room");
    }
    let profile = Some(Arc::new(Profile { user: Some("ada".into()), ..Profile::default() }));
    let token = StreamToken { shard: 0, slot: 0, serial: 1 };
    let mut group = c.benchmark_group("history");
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("replay of 1,000 events among 2,000", |b| {
        b.iter_batched(
            || sender.0.lock().expect("one thread").clear(),
            |()| {
                let mut after = After::Id(EventId { epoch: EPOCH, seq: 0 });
                loop {
                    let resume = Resume {
                        token,
                        after,
                        profile: profile.clone(),
                        budget: 256 * 1024,
                        effort: usize::MAX,
                    };
                    journal.resume(&resume, NOW);
                    match sender.0.lock().expect("one thread").pop() {
                        Some(Command::Join(Join { missed: Some(missed), .. })) if !missed.last => {
                            after = After::Position(missed.position);
                        }
                        _ => break,
                    }
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}
