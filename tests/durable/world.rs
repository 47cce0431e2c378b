//! Everything together, and what is checked of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fanfare::event::{ClientKey, Continuity, Draft, EventId, Now, Record};
use fanfare::journal::durable::{DurableLog, DurableOptions, Opened, SyncPolicy};
use fanfare::journal::log::{LogOptions, Opening};
use fanfare::journal::{
    Acknowledge, Append, AppendError, Appended, Delivery, HistoryLimits, IdempotencyKey, Journal as _,
};
use fanfare::shard::{After, Command, Join, Missed};

use crate::disk::{Ending, Fault, SimulatedDisk};
use crate::inbox::{Inbox, Sender};
use crate::judging::place;
use crate::model::{Batch, Model, Outcome, To, USERS, identity};
use crate::seen::Seen;
use crate::stream::{Phase, Stream};

type Acknowledged = Arc<Mutex<Vec<(usize, Result<Appended, AppendError>)>>>;

pub(crate) struct World {
    pub(crate) random: fastrand::Rng,
    pub(crate) disk: SimulatedDisk,
    pub(crate) log_options: LogOptions,
    pub(crate) options: DurableOptions,
    pub(crate) now: Now,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) is_open: Arc<AtomicBool>,
    pub(crate) opened: Option<Opened>,
    pub(crate) streams: Vec<Stream>,
    pub(crate) model: Model,
    pub(crate) acknowledged: Acknowledged,
    /// The newest id that was acknowledged or seen.
    pub(crate) top: Option<EventId>,
    /// The batch that was published with a key last.
    pub(crate) keys: BTreeMap<String, usize>,
    /// Batches before this are of earlier processes.
    pub(crate) first_of_process: usize,
    /// The epoch in which this process publishes.
    pub(crate) epoch: u64,
    /// Faults that had hit something when a process began.
    pub(crate) hits: usize,
    /// The oldest event that was held when this process began.
    pub(crate) oldest_at_start: u64,
    /// A sync or a write has failed for good in this process.
    pub(crate) has_failed: bool,
    pub(crate) seen: Seen,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let sync = match random.u32(..4) {
            0 => SyncPolicy::Never,
            1 => SyncPolicy::Every(Duration::from_millis(50)),
            _ => SyncPolicy::Always,
        };
        let max_age_ms = if random.bool() { 5_000 } else { 1 << 40 };
        let log_options = LogOptions {
            always_sync: sync == SyncPolicy::Always,
            segment_bytes: 4 << 10,
            segment_age_ms: 1_000,
            max_age_ms,
            max_bytes: if random.bool() { 12 << 10 } else { 1 << 30 },
            open_files: 4,
            // So many that hardly ever somebody is taken for another.
            loss_places: 1 << 14,
        };
        let bytes = [0, 2 << 10, 8 << 10, 1 << 20][random.usize(..4)];
        let memory = HistoryLimits { events: usize::MAX, bytes, age: Duration::from_millis(max_age_ms) };
        let options = DurableOptions { sync, memory, window_ms: 1 << 40, keys: 1 << 20 };
        let mut world = Self {
            disk: SimulatedDisk::new(seed),
            log_options,
            options,
            now: Now { elapsed_ms: 1, unix_ms: 1_000_000 },
            inbox: Arc::default(),
            is_open: Arc::default(),
            opened: None,
            streams: (0..=USERS).map(Stream::new).collect(),
            model: Model::default(),
            acknowledged: Arc::default(),
            top: None,
            keys: BTreeMap::new(),
            first_of_process: 0,
            epoch: 0,
            hits: 0,
            oldest_at_start: 0,
            has_failed: false,
            seen: Seen::default(),
            random,
        };
        world.open();
        world.epoch = world.current_epoch();
        world
    }

    pub(crate) fn step(&mut self) {
        match self.random.u32(..100) {
            0..28 => self.publish(),
            28..46 => self.commit(),
            46..52 => self.opened().syncer.turn(),
            52..66 => self.replay(),
            66..70 => self.keep_up(),
            70..80 => self.connect(),
            80..84 => self.lose_a_stream(),
            84..92 => self.deliver(),
            92..94 => self.pass(),
            94..95 => self.disk.set_room(self.random.u64(..2_000)),
            95..96 => self.disk.set_room(u64::MAX),
            96..97 => self.plan(),
            97..98 if self.random.bool() => self.close_and_open(),
            _ => self.crash(),
        }
        if self.disk.is_down() {
            self.crash();
        }
    }

    pub(crate) fn opened(&mut self) -> &mut Opened {
        self.opened.as_mut().expect("an open journal")
    }

    fn pass(&mut self) {
        let ms = if self.random.u8(..4) == 0 { self.random.u64(..3_000) } else { self.random.u64(..60) };
        (self.now.elapsed_ms, self.now.unix_ms) = (self.now.elapsed_ms + ms, self.now.unix_ms + ms);
    }

    /// One of the next operations on the disk fails, or ends everything.
    fn plan(&mut self) {
        let fault = [Fault::Crash, Fault::Error, Fault::Short][self.random.usize(..3)];
        self.disk.plan(self.disk.operations() + self.random.u64(1..12), fault);
    }

    fn publish(&mut self) {
        let number = self.model.batches.len();
        let user = self.random.usize(..USERS);
        let to = [To::All, To::User(user), To::User(user), To::AllBut(user), To::Topic(user)]
            [self.random.usize(..5)];
        let count = if self.random.u8(..4) == 0 { self.random.usize(2..6) } else { 1 };
        let ttl_ms = match self.random.u32(..10) {
            0 => Some(0),
            1 => Some(self.random.u64(1..4_000)),
            _ => None,
        };
        let most = if self.random.u8(..6) == 0 { 900 } else { 60 };
        let size = self.random.usize(..most);
        let key = (self.random.u8(..4) == 0 && !self.has_failed)
            .then(|| (format!("k{}", self.random.u8(..6)), [self.random.u8(..2); 32]));
        let published_ms = self.now.unix_ms;
        let batch = Batch { to, count, ttl_ms, size, published_ms, key, outcome: Outcome::Open };
        let drafts = batch.publications(number).into_iter().map(Draft::from).collect();
        let key = batch
            .key
            .clone()
            .map(|(key, body)| Box::new(IdempotencyKey { scope: "s".into(), key: key.into(), body }));
        let (now, acknowledged) = (self.now, self.acknowledged.clone());
        let mut asked = 0;
        let mut later = || -> Acknowledge {
            asked += 1;
            let acknowledged = acknowledged.clone();
            Box::new(move |result| {
                acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push((number, result));
            })
        };
        let appended = self.opened().journal.append(Append { drafts, key }, now, &mut later);
        assert_eq!(asked == 1, appended == Ok(None), "it is acknowledged later, or not");
        let known = batch.key.as_ref().and_then(|(key, body)| {
            let number = *self.keys.get(key)?;
            let before = &self.model.batches[number];
            let is_same = before.key.as_ref().is_some_and(|(_, own)| own == body);
            (!matches!(before.outcome, Outcome::Refused | Outcome::Lost)).then_some((number, is_same))
        });
        match (appended, known) {
            (Ok(None), _) => {
                if let Some((before, _)) = known {
                    let is_gone = before < self.first_of_process
                        && match self.model.batches[before].outcome {
                            // Its file is not held any more.
                            Outcome::Acknowledged(_, last) => last.seq < self.oldest_at_start,
                            outcome => outcome == Outcome::Open,
                        };
                    assert!(is_gone, "{number} has the key of {before}, which was published");
                }
                if let Some((key, _)) = &batch.key {
                    self.keys.insert(key.clone(), number);
                }
                self.model.batches.push(batch);
            }
            (Ok(Some(Appended { first, last, is_repeat })), Some((before, true))) => {
                assert!(is_repeat);
                self.seen.repeats += 1;
                let outcome = Outcome::Acknowledged(first, last);
                let before = &mut self.model.batches[before];
                assert!(before.outcome == Outcome::Open || before.outcome == outcome, "{before:?}");
                before.outcome = outcome;
            }
            (Err(AppendError::KeyUnderWay), Some((before, true))) => {
                assert_eq!(self.model.batches[before].outcome, Outcome::Open);
            }
            (Err(AppendError::KeyReused), Some((_, false))) => {}
            (other, known) => panic!("{other:?} where {known:?} is known"),
        }
    }

    fn commit(&mut self) {
        let now = self.now;
        assert!(self.opened().committer.turn(now), "it goes on");
        self.hear();
    }

    /// What was acknowledged, in the order of the ids.
    fn hear(&mut self) {
        let heard = std::mem::take(&mut *self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner));
        for (number, result) in heard {
            let batch = &mut self.model.batches[number];
            assert_eq!(batch.outcome, Outcome::Open, "{number} is acknowledged once");
            match result {
                Ok(Appended { first, last, is_repeat }) => {
                    assert!(!is_repeat && first.epoch == last.epoch);
                    assert_eq!(last.seq + 1 - first.seq, batch.count as u64);
                    assert!(self.top.is_none_or(|top| place(top) < place(first)), "in order");
                    self.top = Some(last);
                    batch.outcome = Outcome::Acknowledged(first, last);
                    batch.published_ms = self.now.unix_ms;
                    self.seen.acknowledged += 1;
                }
                Err(AppendError::DiskFull | AppendError::Disk) => {
                    batch.outcome = Outcome::Refused;
                    self.seen.refused += 1;
                }
                // The one whose sync failed may be there after a restart.
                Err(AppendError::Failed) => {
                    self.has_failed = true;
                    self.seen.failed += 1;
                }
                Err(error) => panic!("{number}: {error}"),
            }
        }
        if self.has_failed {
            assert!(
                self.disk.is_down() || self.opened.as_ref().is_none_or(|opened| opened.journal.has_failed())
            );
        }
    }

    fn replay(&mut self) {
        let now = self.now;
        self.opened().replayer.turn(now);
        if self.random.bool() {
            self.deliver();
        }
    }

    fn keep_up(&mut self) {
        let now = self.now;
        let before = self.opened().journal.report(now).disk.map_or(0, |disk| disk.segments);
        self.opened().upkeep.turn(now);
        let after = self.opened().journal.report(now).disk.map_or(0, |disk| disk.segments);
        self.seen.removed += before.saturating_sub(after);
    }

    /// A client that is away comes back, or one that is behind asks on.
    fn connect(&mut self) {
        let at = self.random.usize(..self.streams.len());
        let [budget, effort] =
            [[1, 300, 5_000, 1 << 20], [1, 4, 64, 1 << 20]].map(|of| of[self.random.usize(..4)]);
        let now = self.now;
        let begins = self.random.u32(..10);
        let since_ms = self.now.unix_ms - self.random.u64(..3_000);
        let newest = self.opened().journal.newest();
        let stream = &mut self.streams[at];
        let resume = match stream.phase {
            Phase::Away => {
                let after = match (begins, stream.last_id) {
                    (0, _) => After::Earliest,
                    (1, _) => After::Since(since_ms),
                    (_, Some(id)) => After::Id(id),
                    // Live, from the newest event that the shard knows: here, that all have.
                    (_, None) => After::Id(newest.id),
                };
                stream.ask(after, false, budget, effort)
            }
            Phase::Behind(position) => stream.ask(After::Position(position), true, budget, effort),
            Phase::Joining(..) | Phase::Live => return,
        };
        self.opened().journal.resume(&resume, now);
    }

    fn lose_a_stream(&mut self) {
        let at = self.random.usize(..self.streams.len());
        match self.streams[at].phase {
            // It has fallen behind: what is before it in the inbox is dropped, and it asks on.
            Phase::Live if self.random.bool() => {
                let position = self.streams[at].position;
                self.streams[at].token.serial += 1;
                self.streams[at].phase = Phase::Behind(position);
            }
            _ => self.streams[at].leave(),
        }
    }

    /// The shard takes what is in its inbox.
    fn deliver(&mut self) {
        while let Some(command) = self.inbox.next() {
            match command {
                Command::Publish(record) => self.hand_out(&record),
                Command::PublishBatch(records) => records.iter().for_each(|record| self.hand_out(record)),
                Command::Join(join) => self.join(join),
                _ => panic!("nothing else is sent"),
            }
        }
        let oldest = self.oldest();
        for at in 0..self.streams.len() {
            self.check(at, oldest);
        }
    }

    fn hand_out(&mut self, record: &Arc<Record>) {
        let (number, _) = identity(record);
        for at in 0..self.streams.len() {
            if self.streams[at].phase == Phase::Live {
                assert!(record.position > self.streams[at].position, "nothing comes again");
                self.streams[at].position = record.position;
                if self.model.batches[number].to.is_for(self.streams[at].user) {
                    self.receive(at, record);
                    self.seen.live += 1;
                }
            }
        }
    }

    fn join(&mut self, Join { token, missed }: Join) {
        let Some(at) = self.streams.iter().position(|stream| stream.token == token) else { return };
        let Phase::Joining(after, is_greeted) = self.streams[at].phase else { return };
        let Some(missed) = missed else { return self.streams[at].leave() };
        if is_greeted {
            if let Continuity::Lost(gap) = missed.continuity {
                self.judge_loss(at, after, gap);
                return self.streams[at].leave();
            }
        } else {
            self.greet(at, after, &missed);
        }
        let Missed { records, position, last, .. } = missed;
        assert!(position >= self.streams[at].position || !is_greeted, "it goes forward");
        for record in &records {
            let (number, _) = identity(record);
            assert!(self.model.batches[number].is_kept(), "{number} is in no history");
            assert!(record.position <= position);
            if self.model.batches[number].to.is_for(self.streams[at].user) {
                self.receive(at, record);
                self.seen.replayed += 1;
            }
        }
        self.streams[at].position = position;
        self.streams[at].phase = if last { Phase::Live } else { Phase::Behind(position) };
    }

    fn open(&mut self) {
        let opening = Opening { unix_ms: self.now.unix_ms, epoch: self.now.unix_ms, hash_key: [1, 2] };
        loop {
            let log = DurableLog::open(
                Arc::new(self.disk.clone()),
                self.log_options.clone(),
                self.options,
                opening,
            );
            match log {
                Ok(log) => {
                    self.is_open = Arc::new(AtomicBool::new(true));
                    let sender = Sender { inbox: self.inbox.clone(), is_open: self.is_open.clone() };
                    let delivery = Delivery::new(vec![Arc::new(sender)]);
                    self.opened = Some(log.start(ClientKey::new([3, 4]), delivery));
                    break;
                }
                Err(error) => {
                    // A fault that was planned, or no room: the next start finds none.
                    assert!(self.epoch > 0, "{error}");
                    self.disk.clear_plans();
                    self.disk.set_room(u64::MAX);
                    self.disk.end(Ending::Kill);
                }
            }
        }
        self.first_of_process = self.model.batches.len();
        self.oldest_at_start = self.oldest();
    }

    pub(crate) fn current_epoch(&mut self) -> u64 {
        let now = self.now;
        self.opened().journal.report(now).epoch
    }

    /// The oldest event that is held.
    pub(crate) fn oldest(&mut self) -> u64 {
        let now = self.now;
        let events = self.opened().journal.report(now).events;
        self.opened().journal.newest().position + 1 - events
    }

    /// Everything ends, and begins again.
    fn crash(&mut self) {
        let is_power = self.random.u8(..3) == 0;
        self.end(if is_power { Ending::PowerFailure } else { Ending::Kill });
        self.open();
        self.judge_start(is_power);
    }

    fn end(&mut self, ending: Ending) {
        match ending {
            Ending::Kill => self.seen.crashes += 1,
            Ending::PowerFailure => self.seen.power_failures += 1,
        }
        self.is_open.store(false, Ordering::Relaxed);
        self.has_failed |= self.opened.as_ref().is_some_and(|opened| opened.journal.has_failed());
        self.disk.clear_plans();
        self.disk.set_room(u64::MAX);
        // What a process does in its last moment does not reach the disk.
        self.disk.end(ending);
        self.opened = None;
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clear();
        while self.inbox.next().is_some() {}
        self.streams.iter_mut().for_each(Stream::leave);
    }

    fn close_and_open(&mut self) {
        self.close();
        self.disk.end(Ending::Kill);
        self.open();
        self.judge_start(false);
    }

    /// A clean end: what waits is published or refused, and everything is where it is to be.
    pub(crate) fn close(&mut self) {
        self.deliver();
        let now = self.now;
        let opened = self.opened.take().expect("an open journal");
        let Opened { journal, mut committer, mut syncer, .. } = opened;
        std::thread::scope(|scope| {
            scope.spawn(|| journal.close());
            while committer.turn(now) {
                syncer.turn();
                std::thread::yield_now();
            }
            // That says that it has ended.
            drop(committer);
        });
        self.has_failed |= journal.has_failed();
        self.hear();
        self.is_open.store(false, Ordering::Relaxed);
        self.streams.iter_mut().for_each(Stream::leave);
    }

    /// Everybody comes back and gets everything.
    pub(crate) fn settle(&mut self) {
        self.disk.clear_plans();
        self.disk.set_room(u64::MAX);
        if self.opened().journal.has_failed() {
            self.crash();
        }
        for _ in 0..2_000 {
            self.commit();
            self.opened().syncer.turn();
            let now = self.now;
            for at in 0..self.streams.len() {
                let stream = &mut self.streams[at];
                let resume = match stream.phase {
                    Phase::Away => {
                        let after = stream.last_id.map_or(After::Earliest, After::Id);
                        stream.ask(after, false, 5_000, 1 << 20)
                    }
                    Phase::Behind(position) => stream.ask(After::Position(position), true, 5_000, 1 << 20),
                    _ => continue,
                };
                self.opened().journal.resume(&resume, now);
            }
            self.opened().replayer.turn(now);
            self.deliver();
            if self.streams.iter().all(|stream| stream.phase == Phase::Live) {
                return;
            }
        }
        panic!("they do not come to an end: {:?}", self.streams.iter().map(|s| s.phase).collect::<Vec<_>>());
    }
}
