//! A log on a simulated disk, beside the model of it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use fanfare::EventId;
use fanfare::journal::log::{
    Budget, Log, LogOptions, OpenError, Opening, Query, Reader, RefusedAppend, Stored,
};

use crate::disk::{Ending, SimulatedDisk};
use crate::model::{Batch, Model, Subscriber, USERS};

pub(crate) struct World {
    pub(crate) disk: SimulatedDisk,
    pub(crate) random: fastrand::Rng,
    pub(crate) options: LogOptions,
    pub(crate) log: Option<Log>,
    pub(crate) model: Model,
    pub(crate) now_ms: u64,
    /// What was being appended when everything ended.
    pub(crate) attempt: Option<(Vec<Batch>, Range<u64>, u64)>,
    /// Whether the end came while the log was opened or closed.
    pub(crate) in_between: bool,
    /// Whether that was so at the last end.
    pub(crate) is_unsure: bool,
    /// Whether a sync has failed since the log was opened.
    pub(crate) has_failed: bool,
    /// Whether something has been lost that nobody knows whom it was for.
    pub(crate) is_damaged: bool,
    pub(crate) seen: Seen,
    epochs: BTreeSet<u64>,
}

/// What has happened, so that a run in which nothing does is not taken for a good one.
#[derive(Default, Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) events: u64,
    pub(crate) crashes: u64,
    pub(crate) torn: u64,
    pub(crate) new_epochs: u64,
    pub(crate) removed: u64,
    pub(crate) sealed: u64,
    pub(crate) gaps: u64,
    pub(crate) lost_tails: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let options = LogOptions {
            always_sync: random.bool(),
            segment_bytes: 4 << 10,
            segment_age_ms: 15_000,
            max_age_ms: if random.bool() { 20_000 } else { 1 << 40 },
            max_bytes: if random.bool() { 6 << 10 } else { 1 << 30 },
            open_files: 4,
            loss_places: 1 << 10,
        };
        Self {
            disk: SimulatedDisk::new(random.u64(..)),
            random,
            options,
            log: None,
            model: Model { next: 1, ..Model::default() },
            now_ms: 1_790_000_000_000,
            attempt: None,
            in_between: false,
            is_unsure: false,
            has_failed: false,
            is_damaged: false,
            seen: Seen::default(),
            epochs: BTreeSet::new(),
        }
    }

    pub(crate) fn try_open(&mut self) -> Result<(), OpenError> {
        self.in_between = true;
        let opening = Opening { unix_ms: self.now_ms, epoch: self.now_ms - 1_000, hash_key: [5, 6] };
        self.log = Some(Log::open(Arc::new(self.disk.clone()), self.options.clone(), opening)?);
        self.in_between = false;
        Ok(())
    }

    pub(crate) fn log(&mut self) -> &mut Log {
        self.log.as_mut().expect("an open log")
    }

    pub(crate) fn reader(&self) -> Reader {
        self.log.as_ref().expect("an open log").reader.clone()
    }

    /// Does something, unless everything has ended.
    pub(crate) fn step(&mut self) {
        self.now_ms += self.random.u64(..5_000);
        match self.random.u32(..20) {
            0..=12 => self.append(),
            13 | 14 if !self.options.always_sync => self.sync(),
            13..=15 => self.maintain(),
            16 => self.close(),
            17 => self.read_some(),
            _ => self.append(),
        }
    }

    pub(crate) fn append(&mut self) {
        let batches = self.model.invent(&mut self.random);
        let first = self.log().appender.next_seq();
        assert_eq!(first, self.model.next, "the next seq");
        let count: usize = batches.iter().map(|batch| batch.events.len()).sum();
        let (seqs, now_ms) = (first..first + count as u64, self.now_ms);
        let log = self.log.as_mut().expect("an open log");
        match Batch::appends(&batches, |appends| log.appender.append(appends, now_ms)) {
            Ok(got) => {
                assert_eq!(got, seqs);
                self.model.append(&batches, seqs.clone(), now_ms);
                if self.options.always_sync {
                    self.model.synced = seqs.end - 1;
                }
                self.see(seqs);
            }
            Err(_) if self.disk.is_down() => self.attempt = Some((batches, seqs, now_ms)),
            Err(RefusedAppend::Failed) => {
                // It may be there at the next start.
                if !self.has_failed {
                    self.attempt = Some((batches, seqs, now_ms));
                }
                self.has_failed = true;
                self.seen.failed += 1;
            }
            Err(RefusedAppend::Full | RefusedAppend::Io(_)) => {
                self.seen.refused += 1;
                let newest = self.reader().newest();
                assert_eq!(newest + 1, first, "nothing of it can be read");
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Appends something, whatever the model holds.
    pub(crate) fn append_unchecked(&mut self) {
        let batches = self.model.invent(&mut self.random);
        let (now_ms, log) = (self.now_ms, self.log.as_mut().expect("an open log"));
        let appended = Batch::appends(&batches, |appends| log.appender.append(appends, now_ms));
        assert!(!appended.expect("room").is_empty());
    }

    /// Opens the log if it is not, and says whether its newest segment is still a short one.
    pub(crate) fn reader_is_short(&mut self) -> bool {
        if self.log.is_none() {
            self.try_open().expect("an open log");
        }
        let names = self.disk.file_names();
        let newest = names.iter().rfind(|name| name.ends_with(".log"));
        newest.is_none_or(|name| self.disk.content(name).len() < 2_000)
    }

    /// Everybody sees these.
    fn see(&mut self, seqs: Range<u64>) {
        let epoch = self.log().appender.epoch();
        for seq in seqs {
            let fields = self.model.events[&seq].fields.clone();
            self.model.see(epoch, seq, &fields);
            self.seen.events += 1;
        }
    }

    fn sync(&mut self) {
        let newest = self.model.next - 1;
        match self.log().appender.sync() {
            Ok(()) => self.model.synced = newest,
            Err(_) if self.disk.is_down() => {}
            Err(_) => self.has_failed = true,
        }
    }

    fn maintain(&mut self) {
        let now_ms = self.now_ms;
        let done = self.log().maintenance.run(now_ms);
        self.seen.removed += done.removed as u64;
        self.seen.sealed += done.sealed as u64;
        self.has_failed |= self.reader().report().has_failed;
    }

    fn close(&mut self) {
        self.in_between = true;
        let log = self.log.take().expect("an open log");
        let newest = self.model.next - 1;
        match log.appender.close() {
            Ok(()) => self.model.synced = newest,
            Err(_) if self.disk.is_down() => return,
            Err(_) => self.has_failed = true,
        }
        self.disk.end(Ending::Kill);
        if self.try_open().is_err() {
            return;
        }
        self.check(Ending::Kill);
    }

    fn read_some(&mut self) {
        let user = self.random.u64(..=USERS);
        self.check_subscriber(&Subscriber::user(user));
    }

    /// Everything ends, and begins again; where it ends again under way, once more.
    pub(crate) fn crash(&mut self, ending: Ending) {
        self.log = None;
        // A lock that is half written says nothing.
        self.is_unsure = self.in_between;
        self.seen.crashes += 1;
        self.disk.end(ending);
        self.now_ms += 1_000;
        let mut worst = ending;
        while let Err(error) = self.try_open() {
            assert!(self.disk.is_down(), "{error}");
            let again = if self.random.bool() { Ending::Kill } else { Ending::PowerFailure };
            if again == Ending::PowerFailure {
                worst = again;
            }
            self.is_unsure = true;
            self.seen.crashes += 1;
            self.disk.end(again);
        }
        self.check(worst);
    }

    /// Whether the log is what it should be after it was opened again.
    pub(crate) fn check(&mut self, ending: Ending) {
        let reader = self.reader();
        let recovery = self.log().recovery.clone();
        self.seen.torn += u64::from(recovery.torn_bytes > 0);
        self.seen.new_epochs += u64::from(recovery.is_new_epoch);
        let was_sure = self.options.always_sync || ending == Ending::Kill;
        if was_sure && !self.is_unsure && !self.has_failed && !self.is_damaged {
            assert!(!recovery.is_new_epoch, "nothing can be lost, so the epoch goes on");
        }
        if recovery.damaged > 0 {
            assert!(
                !was_sure || self.has_failed || self.is_damaged,
                "{} events are damaged",
                recovery.damaged
            );
            // Also where nobody misses them, for they had expired.
            self.is_damaged = true;
        }
        let epoch = self.log().appender.epoch();
        if self.epochs.insert(epoch) {
            assert_eq!(self.epochs.last(), Some(&epoch), "epochs draw upward");
        }
        self.adopt_attempt(&reader);
        let found = read(&reader, &Query::all(), 0, self.now_ms, &mut self.random);
        self.check_found(&reader, &found, was_sure);
        self.model.next = self.log().appender.next_seq();
        self.model.synced = self.model.next - 1;
        for user in 0..=USERS {
            self.check_subscriber(&Subscriber::user(user));
        }
        self.check_keys(&reader);
        self.has_failed = false;
    }

    /// What was being appended may be there; it is then as good as any other.
    fn adopt_attempt(&mut self, reader: &Reader) {
        let Some((batches, seqs, unix_ms)) = self.attempt.take() else { return };
        let newest = reader.newest();
        if newest >= seqs.start && newest < u64::MAX {
            assert!(newest + 1 >= seqs.end, "half of a group is there: {newest} of {seqs:?}");
            self.model.append(&batches, seqs, unix_ms);
        }
    }

    /// Compares all that can be read with the model.
    fn check_found(&mut self, reader: &Reader, found: &[Stored], was_sure: bool) {
        let (oldest, newest) = (reader.report().oldest, reader.newest());
        let there: BTreeSet<u64> = found.iter().map(|stored| stored.seq).collect();
        for stored in found {
            let event = self.model.events.get(&stored.seq);
            let event = event.unwrap_or_else(|| panic!("{} was never appended", stored.seq));
            assert!(event.is(stored), "{stored:?} is not {event:?}");
            let id = reader.epochs().id(stored.seq);
            assert_eq!(reader.position(id), Ok(stored.seq));
            self.model.see(id.epoch, stored.seq, &stored.fields);
        }
        let missing: Vec<u64> = self
            .model
            .events
            .range(oldest..)
            .filter(|(seq, event)| {
                !there.contains(seq) && !event.is_hole() && !event.has_expired(self.now_ms)
            })
            .map(|(seq, _)| *seq)
            .collect();
        for seq in &missing {
            let may_be = self.is_damaged || (*seq > self.model.synced && !was_sure) || self.has_failed;
            assert!(may_be, "{seq} was acknowledged and is gone; synced {}", self.model.synced);
            if *seq <= newest {
                assert!(reader.has_lost(&Query::all(), seq - 1), "nobody is told that {seq} is gone");
                self.seen.gaps += 1;
                self.is_damaged = true;
            }
        }
        self.check_batches(&there, newest);
        self.check_lost_ids(reader, newest);
        // What is gone is not there for the next crash.
        self.model.events.retain(|seq, _| *seq <= newest && missing.binary_search(seq).is_err());
        self.model.keys.retain(|_, seqs| seqs.end <= newest + 1);
    }

    /// Each batch is there whole, or not at all.
    fn check_batches(&mut self, there: &BTreeSet<u64>, newest: u64) {
        let kept = |seq: &u64| {
            let event = self.model.events.get(seq);
            event.is_some_and(|event| !event.is_hole() && !event.has_expired(self.now_ms))
        };
        for batch in &self.model.batches {
            let seqs: Vec<u64> = batch.clone().filter(kept).collect();
            let count = seqs.iter().filter(|seq| there.contains(seq)).count();
            assert!(count == 0 || count == seqs.len(), "half of {batch:?} is there");
        }
        self.model.batches.retain(|batch| batch.end <= newest + 1);
    }

    /// Whoever has seen what is gone is told so.
    fn check_lost_ids(&mut self, reader: &Reader, newest: u64) {
        for (epoch, seq) in self.model.seen.keys().copied() {
            let position = reader.position(EventId { epoch, seq });
            let held = reader.epochs().id(seq).epoch;
            match position {
                Ok(_) => assert!(held == epoch && seq <= newest, "{epoch}-{seq} is not what it was"),
                Err(_) => {
                    self.seen.lost_tails += 1;
                    assert!(
                        self.has_failed || !self.options.always_sync || self.is_damaged,
                        "{epoch}-{seq} is lost"
                    );
                }
            }
        }
    }

    /// Compares what a subscriber is told with the model.
    pub(crate) fn check_subscriber(&mut self, subscriber: &Subscriber) {
        let reader = self.reader();
        let (oldest, newest) = (reader.report().oldest, reader.newest());
        let after = self.random.u64(..=newest);
        let found = read(&reader, &subscriber.query, after, self.now_ms, &mut self.random);
        let wanted: Vec<u64> = self
            .model
            .events
            .range(after + 1..)
            .filter(|(seq, event)| {
                **seq >= oldest
                    && subscriber.wants(event)
                    && !event.is_hole()
                    && !event.has_expired(self.now_ms)
            })
            .map(|(seq, _)| *seq)
            .collect();
        assert_eq!(found.iter().map(|stored| stored.seq).collect::<Vec<_>>(), wanted, "behind {after}");
        assert!(found.iter().all(|stored| self.model.events[&stored.seq].is(stored)));
        let removed = self.model.events.range(after + 1..oldest.max(after + 1));
        let mut removed = removed.filter(|(_, event)| subscriber.wants(event) && !event.is_hole());
        let lost = reader.has_lost(&subscriber.query, after);
        if removed.clone().any(|(_, event)| event.ttl_ms.is_none()) {
            assert!(lost, "nobody told that something is gone behind {after}");
        }
        if lost && !self.is_damaged && subscriber.is_told_exactly() {
            assert!(removed.next().is_some(), "told of a loss behind {after} that is none");
        }
    }

    fn check_keys(&mut self, reader: &Reader) {
        let oldest = reader.report().oldest;
        let kept = reader.keys_since(0, usize::MAX).expect("keys");
        for (key, seqs) in &self.model.keys {
            if seqs.start < oldest || self.is_damaged {
                continue;
            }
            let found =
                kept.iter().find(|kept| *kept.key == **key).unwrap_or_else(|| panic!("{key} is forgotten"));
            assert_eq!((found.first, found.count), (seqs.start, seqs.end - seqs.start));
            assert_eq!((&*found.scope, found.body), ("tests", [7; 32]));
        }
    }
}

/// All that a query finds behind a seq, in pieces of any size.
pub(crate) fn read(
    reader: &Reader,
    query: &Query,
    after: u64,
    now_ms: u64,
    random: &mut fastrand::Rng,
) -> Vec<Stored> {
    let mut replay = reader.replay(query.clone(), after);
    let mut all: Vec<Stored> = Vec::new();
    loop {
        let budget = Budget {
            bytes: random.usize(1..8_000),
            records: random.usize(1..50),
            looks: random.usize(1..100),
            through: u64::MAX,
        };
        let piece = replay.next(budget, now_ms);
        assert!(piece.records.iter().all(|stored| stored.seq <= piece.position));
        all.extend(piece.records);
        if !piece.more {
            break;
        }
    }
    assert!(all.windows(2).all(|pair| pair[0].seq < pair[1].seq), "in order, each once");
    assert!(all.first().is_none_or(|first| first.seq > after));
    all
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.crashes += other.crashes;
        self.torn += other.torn;
        self.new_epochs += other.new_epochs;
        self.removed += other.removed;
        self.sealed += other.sealed;
        self.gaps += other.gaps;
        self.lost_tails += other.lost_tails;
        self.refused += other.refused;
        self.failed += other.failed;
    }
}
