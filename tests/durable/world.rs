//! Everything together, and what is checked of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fanfare::event::{ClientKey, Continuity, Draft, EventId, Gap, Now, Record};
use fanfare::journal::durable::{DurableLog, DurableOptions, Opened, SyncPolicy};
use fanfare::journal::log::{LogOptions, Opening};
use fanfare::journal::{
    Acknowledge, Append, AppendError, Appended, Delivery, HistoryLimits, IdempotencyKey, Journal as _,
    Reading,
};
use fanfare::shard::{After, Command, Join, Missed};

use crate::disk::{Ending, Fault, SimulatedDisk};
use crate::inbox::{Inbox, Sender};
use crate::model::{Batch, Model, Outcome, To, USERS, identity};
use crate::stream::{Phase, Stream};

type Acknowledged = Arc<Mutex<Vec<(usize, Result<Appended, AppendError>)>>>;

pub(crate) struct World {
    random: fastrand::Rng,
    disk: SimulatedDisk,
    log_options: LogOptions,
    options: DurableOptions,
    now: Now,
    inbox: Arc<Inbox>,
    is_open: Arc<AtomicBool>,
    opened: Option<Opened>,
    streams: Vec<Stream>,
    model: Model,
    acknowledged: Acknowledged,
    /// The newest id that was acknowledged or seen.
    top: Option<EventId>,
    /// The batch that was published with a key last.
    keys: BTreeMap<String, usize>,
    /// Batches before this are of earlier processes.
    first_of_process: usize,
    /// The epoch in which this process publishes.
    epoch: u64,
    /// Faults that had hit something when a process began.
    hits: usize,
    /// The oldest event that was held when this process began.
    oldest_at_start: u64,
    /// A sync or a write has failed for good in this process.
    has_failed: bool,
    pub(crate) seen: Seen,
}

/// What has happened, so that runs in which nothing does are not taken for good ones.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    acknowledged: u64,
    refused: u64,
    failed: u64,
    repeats: u64,
    crashes: u64,
    power_failures: u64,
    lost_tails: u64,
    recovered: u64,
    expired: u64,
    epochs: u64,
    replayed: u64,
    live: u64,
    removed: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, part) in self.counts_mut().into_iter().zip(other.clone().counts_mut()) {
            *sum += *part;
        }
    }

    pub(crate) fn assert_much_happened(&mut self) {
        let least = *self.counts_mut().into_iter().min().expect("counts");
        assert!(least >= 10, "hardly anything happened of something: {self:?}");
    }

    fn counts_mut(&mut self) -> [&mut u64; 13] {
        let Self { acknowledged, refused, failed, repeats, crashes, power_failures, lost_tails, .. } = self;
        let Self { recovered, expired, epochs, replayed, live, removed, .. } = self;
        [
            acknowledged,
            refused,
            failed,
            repeats,
            crashes,
            power_failures,
            lost_tails,
            recovered,
            expired,
            epochs,
            replayed,
            live,
            removed,
        ]
    }
}

fn before(id: EventId) -> EventId {
    EventId { seq: id.seq - 1, ..id }
}

fn place(id: EventId) -> (u64, u64) {
    (id.epoch, id.seq)
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

    fn opened(&mut self) -> &mut Opened {
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

    fn greet(&mut self, at: usize, after: After, missed: &Missed) {
        match (after, missed.continuity) {
            (After::Id(id), Continuity::Recovered) => {
                self.seen.recovered += 1;
                assert_eq!(missed.id, id, "it goes on where it was");
                let stream = &mut self.streams[at];
                stream.last_id = Some(id);
                if stream.began.is_none() {
                    stream.began = Some(id);
                }
                return;
            }
            (_, Continuity::Recovered) => {}
            (_, Continuity::Lost(gap)) => self.judge_loss(at, after, gap),
        }
        let begin = missed.records.first().map_or(missed.id, |first| before(first.id));
        if let (After::Since(unix_ms), Continuity::Recovered) = (after, missed.continuity) {
            self.judge_since(at, unix_ms, begin);
        }
        if let (After::Earliest, Continuity::Recovered) = (after, missed.continuity) {
            self.judge_since(at, 0, begin);
        }
        // Who is told of a loss fetches its state anew, in which all is that was published before.
        let told = match missed.continuity {
            Continuity::Recovered => 0,
            Continuity::Lost(_) => self.opened().journal.newest().position,
        };
        let stream = &mut self.streams[at];
        (stream.began, stream.last_id, stream.told) = (Some(begin), Some(begin), told);
        stream.got.clear();
    }

    /// Nothing of what was published since then stands before the beginning.
    fn judge_since(&mut self, at: usize, unix_ms: u64, begin: EventId) {
        let user = self.streams[at].user;
        for batch in &self.model.batches {
            if let Outcome::Acknowledged(first, _) = batch.outcome
                && batch.ttl_ms.is_none()
                && batch.to.is_for(user)
                && batch.published_ms >= unix_ms
            {
                assert!(
                    place(first) > place(begin),
                    "{user}: {batch:?} was published since {unix_ms}: {begin}"
                );
            }
        }
    }

    /// A stream is told that it has lost something: has it?
    fn judge_loss(&mut self, at: usize, after: After, gap: Gap) {
        let position = match after {
            After::Id(id) => id.seq,
            After::Position(position) => position,
            After::Earliest | After::Since(_) => 0,
        };
        let user = self.streams[at].user;
        match gap {
            Gap::Expired => {
                self.seen.expired += 1;
                let oldest = self.oldest();
                // Who follows a pattern that begins with a wildcard is told of what any topic has lost.
                let may_want = |batch: &Batch| {
                    batch.to.is_for(user) || (user == USERS - 1 && matches!(batch.to, To::Topic(_)))
                };
                let is_removed = |batch: &Batch| match batch.outcome {
                    Outcome::Acknowledged(first, last) => last.seq > position && first.seq < oldest,
                    // Where something was lost or not finished, nobody knows whom it was for.
                    Outcome::Open | Outcome::Lost => true,
                    Outcome::Refused => false,
                };
                let is_told = |batch: &Batch| {
                    is_removed(batch)
                        && (may_want(batch) || !matches!(batch.outcome, Outcome::Acknowledged(..)))
                };
                let some = self.model.batches.iter().any(is_told);
                assert!(some, "{user} has lost nothing after {after:?}; the oldest is {oldest}");
            }
            Gap::Epoch | Gap::Future => {
                self.seen.epochs += 1;
                let After::Id(id) = after else { panic!("{gap:?} after {after:?}") };
                let is_lost =
                    |batch: &Batch| batch.outcome == Outcome::Lost || batch.outcome == Outcome::Open;
                let what = self.model.seen.get(&place(id)).map(|(number, _)| &self.model.batches[*number]);
                assert!(what.is_none_or(is_lost), "{id} is there: {what:?}");
            }
            other => panic!("{other:?}"),
        }
    }

    fn receive(&mut self, at: usize, record: &Record) {
        let (number, of_batch) = identity(record);
        let batch = &self.model.batches[number];
        let same = *self.model.seen.entry(place(record.id)).or_insert((number, of_batch));
        assert_eq!(same, (number, of_batch), "{} is another event than before", record.id);
        assert!(!matches!(batch.outcome, Outcome::Refused), "{number} was refused, and is sent");
        if let Outcome::Acknowledged(first, last) = batch.outcome {
            assert_eq!(record.id.seq, first.seq + of_batch as u64);
            assert_eq!(last.epoch, record.id.epoch);
        }
        if self.top.is_none_or(|top| place(top) < place(record.id)) {
            self.top = Some(record.id);
        }
        let stream = &mut self.streams[at];
        let is_next = stream.last_id.is_none_or(|last| place(last) < place(record.id));
        assert!(is_next, "user {at} gets {} behind {:?}", record.id, stream.last_id);
        stream.last_id = Some(record.id);
        stream.got.push((record.id, number, of_batch));
    }

    /// Whether a stream has everything up to where it is. What was published before it was told of a loss may have been
    /// removed before it came to that.
    fn check(&self, at: usize, oldest: u64) {
        let stream = &self.streams[at];
        let Some(began) = stream.began else { return };
        let upto = match stream.phase {
            // It has what was in the inbox.
            Phase::Live => self.top,
            _ => stream.last_id,
        };
        let Some(upto) = upto else { return };
        let got: Vec<(u64, u64)> = stream.got.iter().map(|(id, ..)| place(*id)).collect();
        for (number, batch) in self.model.batches.iter().enumerate() {
            let Outcome::Acknowledged(first, _) = batch.outcome else { continue };
            // What has a life of its own may have been over when it was read.
            if batch.ttl_ms.is_some() || !batch.to.is_for(stream.user) {
                continue;
            }
            for of_batch in 0..batch.count as u64 {
                let id = (first.epoch, first.seq + of_batch);
                let is_told = id.1 <= stream.told && id.1 < oldest;
                if id > place(began) && id <= place(upto) && !is_told {
                    assert!(
                        got.binary_search(&id).is_ok(),
                        "user {at} lacks {id:?} of {number}; began {began}, is {:?} at {upto}",
                        stream.phase,
                    );
                }
            }
        }
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

    fn current_epoch(&mut self) -> u64 {
        let now = self.now;
        self.opened().journal.report(now).epoch
    }

    /// The oldest event that is held.
    fn oldest(&mut self) -> u64 {
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

    /// What was acknowledged or seen is there after a start, unless a power failure may have taken it.
    fn judge_start(&mut self, is_power: bool) {
        let newest = self.opened().journal.newest();
        let epoch_before = self.epoch;
        self.epoch = self.current_epoch();
        let may_lose = (is_power && self.options.sync != SyncPolicy::Always) || self.has_failed;
        self.has_failed = false;
        if may_lose {
            self.judge_survivors();
        }
        let Some(top) = self.top else { return };
        let is_lost = newest.id.seq < top.seq || newest.id.epoch < top.epoch;
        assert!(!is_lost || may_lose, "{top} was seen, and {newest:?} is there");
        if !is_lost {
            // A fault may have hit the file that says how it ended.
            let is_doubtful = may_lose || self.disk.hit().len() > self.hits;
            self.hits = self.disk.hit().len();
            assert!(self.epoch == epoch_before || is_doubtful, "nothing was lost, and an epoch begins");
            return;
        }
        assert!(self.epoch > top.epoch, "what was seen is lost, and its epoch goes on");
        self.seen.lost_tails += 1;
        self.top = Some(newest.id);
    }

    /// What a power failure has taken, as far as that can be read.
    fn judge_survivors(&mut self) {
        let held = self.held();
        let (now_ms, oldest) = (self.now.unix_ms, self.oldest());
        let newest = self.opened().journal.newest().position;
        for batch in &mut self.model.batches {
            let Outcome::Acknowledged(first, last) = batch.outcome else { continue };
            if batch.ttl_ms.is_some() || last.seq < oldest {
                // Nobody knows.
                batch.outcome = if batch.ttl_ms.is_some() { Outcome::Open } else { batch.outcome };
                continue;
            }
            if last.seq <= newest && now_ms >= batch.published_ms + self.log_options.max_age_ms {
                // It is too old to be read.
                batch.outcome = Outcome::Open;
                continue;
            }
            let is_there = |seq: &u64| held.contains(&(first.epoch, *seq));
            let count = (first.seq..=last.seq).filter(is_there).count();
            assert!(count == 0 || count == batch.count, "{batch:?} is whole or not there at all");
            if count == 0 {
                batch.outcome = Outcome::Lost;
            }
        }
    }

    /// All that is held, whomever it is for.
    fn held(&mut self) -> BTreeSet<(u64, u64)> {
        let (mut held, mut after, now) = (BTreeSet::new(), After::Earliest, self.now);
        loop {
            let page = Arc::new(Mutex::new(None));
            let told = page.clone();
            let reading = Reading { after, user: None, session: None, topics: Vec::new(), limit: 50 };
            let done =
                Box::new(move |read| *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(read));
            self.opened().journal.read(reading, now, done);
            self.opened().replayer.turn(now);
            let read = page.lock().unwrap_or_else(PoisonError::into_inner).take().expect("an answer");
            let page = read.expect("a page");
            held.extend(page.events.iter().map(|event| place(event.record.id)));
            match page.next {
                Some(next) => after = After::Id(next),
                None => return held,
            }
        }
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
