//! What is checked of streams and starts.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use fanfare::event::{Continuity, EventId, Gap, Record};
use fanfare::journal::durable::SyncPolicy;
use fanfare::journal::{Journal as _, Reading};
use fanfare::shard::{After, Missed};

use crate::model::{Batch, Outcome, To, USERS, identity};
use crate::stream::Phase;
use crate::world::World;

fn before(id: EventId) -> EventId {
    EventId { seq: id.seq - 1, ..id }
}

pub(crate) fn place(id: EventId) -> (u64, u64) {
    (id.epoch, id.seq)
}

impl World {
    pub(crate) fn greet(&mut self, at: usize, after: After, missed: &Missed) {
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

    pub(crate) fn receive(&mut self, at: usize, record: &Record) {
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

    /// Nothing of what was published since then stands before the beginning.
    pub(crate) fn judge_since(&mut self, at: usize, unix_ms: u64, begin: EventId) {
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
    pub(crate) fn judge_loss(&mut self, at: usize, after: After, gap: Gap) {
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
                // Who follows a pattern that begins with a wildcard is told of what any topic has lost, and who is
                // excepted of what went to all others.
                let may_want = |batch: &Batch| {
                    let is_topic = user == USERS - 1 && matches!(batch.to, To::Topic(_));
                    batch.to.is_for(user) || is_topic || matches!(batch.to, To::AllBut(_))
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

    /// Whether a stream has everything up to where it is. What was published before it was told of a loss may have been
    /// removed before it came to that.
    pub(crate) fn check(&self, at: usize, oldest: u64) {
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

    /// What was acknowledged or seen is there after a start, unless a power failure may have taken it.
    pub(crate) fn judge_start(&mut self, is_power: bool) {
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
    pub(crate) fn judge_survivors(&mut self) {
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
    pub(crate) fn held(&mut self) -> BTreeSet<(u64, u64)> {
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
}
