//! The replayer: answers from disk what memory no longer holds.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;

use crossbeam_channel::Receiver;

use super::hot::Portioned;
use super::shared::Shared;
use super::work::Clock;
use crate::event::{Continuity, EventId, Gap, Now, Profile, Record, StreamToken};
use crate::journal::history::Portion;
use crate::journal::log::{Budget, Piece, Query, Replay, Stored};
use crate::journal::{Page, Published, ReadError, Reading, Told};
use crate::shard::{After, Join, Missed, Resume};

/// A question that is answered from disk.
pub(super) enum Question {
    /// What a stream missed.
    Resume(Resume),
    /// What is held.
    Read(Reading, Told),
    /// None: the journal is closed.
    End,
}

/// Reads the log for streams and for operators, a piece at a time for each.
#[derive(Debug)]
pub struct Replayer {
    shared: Arc<Shared>,
    questions: Receiver<Question>,
    /// Replays of streams that will ask on, the one that was read last at the end.
    going: VecDeque<(StreamToken, Replay)>,
    /// Of streams that will ask on, the newest loss that they have been told of.
    told: HashMap<StreamToken, u64>,
}

/// Where an answer begins.
struct Begin {
    position: u64,
    /// Why that is not where the client left off.
    gap: Option<Gap>,
}

/// Replays that are kept until their streams ask on. One that is not is begun anew, which costs a few reads.
const GOING: usize = 256;
/// Streams whose losses are remembered. Where there are more, all are forgotten: some are told of a loss again.
const TOLD: usize = 1 << 16;
/// Events in one piece.
const RECORDS: usize = 1_024;
/// Bytes of the events on one page.
const PAGE_BYTES: usize = 1 << 20;

impl Replayer {
    pub(super) fn new(shared: Arc<Shared>, questions: Receiver<Question>) -> Self {
        Self { shared, questions, going: VecDeque::new(), told: HashMap::new() }
    }

    pub(super) fn run(mut self, clock: &dyn Clock) {
        let questions = self.questions.clone();
        for question in &questions {
            if !self.answer(question, clock.now()) {
                return;
            }
        }
    }

    /// Answers what has been asked so far, one piece of each.
    pub fn turn(&mut self, now: Now) {
        for _ in 0..self.questions.len() {
            if let Ok(question) = self.questions.try_recv() {
                self.answer(question, now);
            }
        }
    }

    /// Answers one question. False at the end.
    fn answer(&mut self, question: Question, now: Now) -> bool {
        match question {
            Question::Resume(resume) => self.resume(&resume, now),
            Question::Read(reading, done) => done(self.read(&reading, now)),
            Question::End => return false,
        }
        true
    }

    fn newest(&self) -> u64 {
        self.shared.hot.lock().newest()
    }

    fn begin(&self, after: After, newest: u64) -> io::Result<Begin> {
        let epochs = self.shared.reader.epochs();
        let position = match after {
            After::Position(position) => Ok(position),
            After::Earliest | After::Since(0) => Ok(0),
            After::Since(unix_ms) => Ok(self.shared.reader.before_time(unix_ms)?),
            After::Id(id) => epochs.position(id, newest),
        };
        Ok(match position {
            // What has not been delivered is not to be passed over.
            Ok(position) => Begin { position: position.min(newest), gap: None },
            Err(gap) => Begin { position: 0, gap: Some(gap) },
        })
    }

    /// Sends a stream the next piece of what it missed, or the end of it.
    fn resume(&mut self, resume: &Resume, now: Now) {
        let Resume { token, after, profile, budget, effort } = resume;
        let shared = self.shared.clone();
        let profile = profile.as_deref().unwrap_or(&shared.nobody);
        // The disk may have newer events, which are delivered in a moment.
        let newest = self.newest();
        let begin = match self.begin(*after, newest) {
            Ok(begin) => begin,
            Err(error) => {
                tracing::error!(%error, "the history cannot be read");
                return shared.delivery.join(Join { token: *token, missed: None });
            }
        };
        let mut replay = self.replay(*token, profile, begin.position);
        let told = match after {
            After::Position(_) => self.told.get(token).copied().unwrap_or(0),
            _ => 0,
        };
        let known_lost = replay.known_lost();
        let is_whole = known_lost <= begin.position.max(told);
        let budget_of_piece =
            Budget { bytes: *budget, records: RECORDS, through: newest, ..Budget::default() };
        let piece = replay.next(budget_of_piece, now.unix_ms);
        let continuity = match begin.gap {
            Some(gap) => Continuity::Lost(gap),
            None if !is_whole || piece.lost => Continuity::Lost(Gap::Expired),
            None => Continuity::Recovered,
        };
        let portion = Portion { bytes: *budget, effort: *effort, patterns: profile.topics.len() };
        let (records, position, is_cut) = self.take(piece, portion);
        if !is_cut && position < newest {
            self.keep(*token, replay);
        }
        if self.send(resume, (records, position), continuity, portion, now) {
            self.told.remove(token);
        } else {
            if self.told.len() >= TOLD {
                self.told.clear();
            }
            self.told.insert(*token, known_lost.max(told));
        }
    }

    /// The replay that a stream goes on with, or a new one.
    fn replay(&mut self, token: StreamToken, profile: &Profile, position: u64) -> Replay {
        let kept = self.going.iter().position(|(known, _)| *known == token);
        let kept = kept.and_then(|at| self.going.remove(at)).map(|(_, replay)| replay);
        let client = self.shared.ids.seal(token);
        kept.filter(|replay| replay.position() == position)
            .unwrap_or_else(|| self.shared.reader.replay(Query::of(profile, Some(client)), position))
    }

    fn keep(&mut self, token: StreamToken, replay: Replay) {
        if self.going.len() >= GOING {
            self.going.pop_front();
        }
        self.going.push_back((token, replay));
    }

    /// The records of a piece, as many as may be compared with the patterns of the stream, up to where they go, and whether
    /// that is not all of the piece.
    fn take(&self, piece: Piece, portion: Portion) -> (Vec<Arc<Record>>, u64, bool) {
        let Piece { records: stored, position, .. } = piece;
        let (mut records, mut effort) = (Vec::with_capacity(stored.len()), 0_usize);
        for stored in stored {
            let record = self.restored(stored);
            effort = effort.saturating_add(record.target.effort(portion.patterns));
            if effort > portion.effort && !records.is_empty() {
                let position = records.last().map_or(position, |last: &Arc<Record>| last.position);
                return (records, position, true);
            }
            records.push(record);
        }
        (records, position, false)
    }

    fn restored(&self, stored: Stored) -> Arc<Record> {
        self.shared.counters.read_events.add(1);
        self.shared.counters.read_bytes.add(stored.fields.len());
        self.shared.record(stored)
    }

    /// Sends a piece, with the end of the answer where memory has it and there is room for it. Whether that is all.
    fn send(
        &self,
        resume: &Resume,
        (mut records, mut position): (Vec<Arc<Record>>, u64),
        continuity: Continuity,
        portion: Portion,
        now: Now,
    ) -> bool {
        let Resume { token, after, profile, .. } = resume;
        let profile = profile.as_deref().unwrap_or(&self.shared.nobody);
        let bytes = records.iter().map(|record| record.size()).sum();
        let effort: usize = records.iter().map(|record| record.target.effort(portion.patterns)).sum();
        let rest = Portion {
            bytes: portion.bytes.saturating_sub(bytes),
            effort: portion.effort.saturating_sub(effort),
            ..portion
        };
        let has_room = records.is_empty() || (rest.bytes > 0 && rest.effort > 0);
        let wanted = self.shared.wanted(profile, self.shared.ids.seal(*token));
        let hot = self.shared.hot.lock();
        let end = if has_room { hot.after(position, &wanted, rest, now) } else { None };
        let mut last = false;
        if let Some(Portioned { records: more, position: through, last: is_last }) = end {
            records.extend(more);
            (position, last) = (through, is_last);
        }
        let id = self.greeting(*after, continuity, &records, position);
        let missed = Missed { records, position, id, last, continuity };
        self.shared.delivery.join(Join { token: *token, missed: Some(missed) });
        last
    }

    /// The id in the greeting of a stream: see [`Missed::id`].
    fn greeting(
        &self,
        after: After,
        continuity: Continuity,
        records: &[Arc<Record>],
        position: u64,
    ) -> EventId {
        let at_position = self.shared.reader.epochs().id(position);
        match (after, continuity) {
            (After::Id(id), Continuity::Recovered) => id,
            (_, Continuity::Recovered) => records.first().map_or(at_position, |first| first.id.preceding()),
            _ => at_position,
        }
    }

    fn read(&self, reading: &Reading, now: Now) -> Result<Page, ReadError> {
        let newest = self.newest();
        let begin = self.begin(reading.after, newest).map_err(|error| {
            tracing::error!(%error, "the history cannot be read");
            ReadError::Unreadable
        })?;
        let query = if reading.is_everything() {
            Query::all()
        } else {
            Query::addressed(reading.user.as_deref(), reading.session.as_deref(), &reading.topics)
        };
        let mut replay = self.shared.reader.replay(query, begin.position);
        let is_whole = replay.known_lost() <= begin.position;
        let budget =
            Budget { bytes: PAGE_BYTES, records: reading.limit, through: newest, ..Budget::default() };
        let piece = replay.next(budget, now.unix_ms);
        let continuity = match begin.gap {
            Some(gap) => Continuity::Lost(gap),
            None if !is_whole || piece.lost => Continuity::Lost(Gap::Expired),
            None => Continuity::Recovered,
        };
        let next = (piece.position < newest).then(|| self.shared.reader.epochs().id(piece.position));
        let publish = |stored: Stored| Published { unix_ms: stored.unix_ms, record: self.restored(stored) };
        Ok(Page { events: piece.records.into_iter().map(publish).collect(), next, continuity })
    }
}

impl Drop for Replayer {
    /// What is not answered is told so.
    fn drop(&mut self) {
        for question in self.questions.try_iter() {
            match question {
                Question::Resume(resume) => {
                    self.shared.delivery.join(Join { token: resume.token, missed: None });
                }
                Question::Read(_, done) => done(Err(ReadError::Unreadable)),
                Question::End => {}
            }
        }
    }
}
