//! The end of a server: all streams end at once, their goodbye is the last that they are sent, and whatever they were
//! still owed the next server gives them.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fanfare::event::{Draft, Drafts};
use fanfare::journal::{AppendError, Journal};
use fanfare::shard::{Admission, CloseReason, Command, Effect, Newest, ShardSender, Totals};
use fanfare::{Event, Publication, Target};

use crate::answers::later;
use crate::client::{Connection, Farewell};
use crate::settings::{EPOCH, settings};
use crate::socket::{FakeSocket, Pipe};
use crate::waiting::{PEER, now, streams};
use crate::world::{World, shards};

/// Ends of a client that the server waits for, in ms.
const LINGER_MS: u64 = 250;
/// A client waits this long at least before it comes back, in ms.
const SOONEST_MS: u64 = 1_000;

impl World {
    /// The server drains in the midst of things, and one with the same history takes its place.
    pub(crate) fn restart(&mut self) {
        // The next server publishes to the same journal.
        let ends_publishing = false;
        self.drain(ends_publishing);
        let reports = self.shards.iter().map(|shard| shard.report(self.now()).totals);
        let (deliveries, lags) =
            reports.fold((0, 0), |sum, totals| (sum.0 + totals.deliveries, sum.1 + totals.lags));
        self.retired = (self.retired.0 + deliveries, self.retired.1 + lags);
        self.asked.clear();
        self.inquiries.clear();
        self.forgotten.clear();
        self.answers.clear();
        self.inboxes.iter().for_each(|inbox| inbox.commands.lock().unwrap().clear());
        self.admission = Arc::new(Admission::new(self.streams));
        self.shards = shards(self.inboxes.len(), &self.settings, &self.admission, self.journal.newest());
        self.more.fill(false);
    }

    /// All go: drained by the server, or by themselves. Nothing is left.
    pub(crate) fn end(&mut self) {
        if self.rng.bool() {
            return self.drain(true);
        }
        for client in &self.clients {
            if let Some(connection) = &client.connection {
                connection.pipe.borrow_mut().close(false);
            }
        }
        (0..self.shards.len()).for_each(|n| self.turn(n));
        self.check_empty();
    }

    fn drain(&mut self, ends_publishing: bool) {
        let spread_ms = self.fate.u64(..5_000);
        let ended = self.ended_otherwise();
        let ending = self.shards.iter().any(|shard| shard.report(self.now()).ending > 0);
        let spread = Duration::from_millis(spread_ms);
        self.admission.drain();
        if ends_publishing {
            self.journal.drain(spread);
            let publication = Publication::new(Event::text("late", "x").unwrap(), Target::all());
            let late: Drafts = [Draft::from(publication)].into_iter().collect();
            assert_eq!(self.journal.append(late.into(), self.now(), &mut later), Err(AppendError::Ended));
        } else {
            self.inboxes.iter().for_each(|inbox| inbox.send(Command::Drain(spread)));
        }
        let cut = self.let_drain();
        // Some were ended before that came to them.
        let others = ending || self.ended_otherwise() > ended;
        for at in 0..self.clients.len() {
            let client = &mut self.clients[at];
            let Some(connection) = &mut client.connection else { continue };
            connection.check(&client.who, self.epoch, &self.history);
            assert!(is_over(connection), "a stream that is read outlives the drain");
            let finished = connection.pipe.borrow().finished;
            match connection.farewell {
                Some(Farewell::Draining(retry)) => {
                    assert!((SOONEST_MS..=SOONEST_MS + spread_ms).contains(&retry), "{retry} of {spread_ms}");
                    assert!(finished && connection.ended_cleanly(), "in good order");
                    // It was sent all that was published, whether it had that still before it or not.
                    if !cut {
                        connection.check_current(&client.who, &self.history);
                        self.late_farewells += u64::from(connection.was_behind);
                    }
                    self.farewells += u64::from(!others);
                }
                // Or it was not yet known to be a stream.
                _ => assert!(
                    others || (connection.greeting.is_none() && !finished),
                    "told that the server ends"
                ),
            }
            if self.fate.bool() {
                connection.pipe.borrow_mut().close(false);
                self.hang_up(at);
            }
        }
        assert_eq!(self.admission.total(), 0, "nobody counts any more");
        // Those that did not close have had their time.
        self.now_ms.set(self.now_ms.get() + LINGER_MS);
        (0..self.shards.len()).for_each(|n| self.turn(n));
        self.check_empty();
        for at in 0..self.clients.len() {
            self.hang_up(at);
        }
    }

    /// No time passes: everybody that reads is sent what it is owed, and told. Returns whether some had to be cut short,
    /// as they are once the time for a drain is over, since history did not answer.
    fn let_drain(&mut self) -> bool {
        for _ in 0..20_000 {
            for client in &mut self.clients {
                let Some(connection) = &mut client.connection else { continue };
                connection.pipe.borrow_mut().make_room(1_000);
            }
            (0..self.shards.len()).for_each(|n| self.turn(n));
            for client in &mut self.clients {
                let Some(connection) = &mut client.connection else { continue };
                let asks = self.answers.keys().any(|token| {
                    (usize::from(token.shard), token.slot) == (connection.shard, connection.slot)
                });
                connection.was_behind |= asks && !connection.pipe.borrow().server_closed;
            }
            if self.is_over() {
                return false;
            }
            if self.is_idle() && self.has_forgotten() {
                break;
            }
        }
        assert!(self.has_forgotten(), "history has answered all, but not all have ended");
        let now = self.now();
        self.shards.iter_mut().for_each(|shard| shard.cut_replays(now));
        for _ in 0..1_000 {
            for client in &self.clients {
                let Some(connection) = &client.connection else { continue };
                connection.pipe.borrow_mut().make_room(1_000);
            }
            (0..self.shards.len()).for_each(|n| self.turn(n));
        }
        true
    }

    fn is_over(&self) -> bool {
        self.clients.iter().filter_map(|client| client.connection.as_ref()).all(is_over)
    }

    /// Streams ended for another reason than a drain.
    fn ended_otherwise(&self) -> u64 {
        let reports = self.shards.iter().map(|shard| shard.report(self.now()).totals);
        let others =
            |totals: Totals| totals.closed.iter().sum::<u64>() - totals.closed_for(CloseReason::Draining);
        reports.map(others).sum()
    }

    fn check_empty(&self) {
        for shard in &self.shards {
            assert!(shard.is_empty() && !shard.has_streams(), "everybody has gone");
            shard.check_invariants();
        }
        assert_eq!((self.admission.total(), self.admission.users()), (0, 0));
    }
}

/// It was ended in good order, or was no stream.
fn is_over(connection: &Connection) -> bool {
    let pipe = connection.pipe.borrow();
    pipe.finished || pipe.server_closed
}

/// Thousands of streams are told in one moment, a part of them in a turn, and come back in good order: no more than
/// 1,500 in any second, in less than a second for every thousand and one more.
#[test]
fn a_herd_is_told_at_once_and_comes_back_in_order() {
    const STREAMS: usize = 5_000;
    let settings = Arc::new(settings());
    let admission = Arc::new(Admission::new(streams()));
    let clock = Rc::new(Cell::new(0));
    let mut shards = shards(2, &settings, &admission, Newest::before_first(EPOCH));
    let mut connections = Vec::new();
    for n in 0..STREAMS {
        let pipe = Pipe::with_room(10_000);
        let socket = FakeSocket::new(pipe.clone(), clock.clone(), 30_000, settings.turn_bytes);
        let shard = &mut shards[n % 2];
        let slot = shard.accept(socket, PEER, now(0));
        pipe.borrow_mut().send(b"GET /api/sse HTTP/1.1\r\nHost: localhost\r\n\r\n");
        shard.readable(slot, false, now(0));
        connections.push(Connection::new(pipe, Vec::new(), None, 0));
    }
    shards.iter_mut().for_each(|shard| while shard.flush(usize::MAX, now(0)) {});
    let spread = Duration::from_millis(admission.total() as u64);
    assert_eq!(spread, Duration::from_secs(5));
    for shard in &mut shards {
        shard.apply(Command::Drain(spread), now(0));
        let mut turns = 0;
        while turns == 0 || shard.has_streams_to_dismiss() {
            assert_eq!(
                (turns > 0).then(|| shard.next_deadline()).flatten().unwrap_or(0),
                0,
                "it goes on at once"
            );
            shard.sweep(now(0));
            while shard.flush(usize::MAX, now(0)) {}
            let finished = shard.effects().into_iter().map(|effect| match effect {
                Effect::Finish(slot) => shard.socket_mut(slot).expect("still there").finish(),
                _ => panic!("nothing else is asked for"),
            });
            assert!((1..=1_024).contains(&finished.count()), "a part of them in a turn");
            turns += 1;
        }
    }
    let mut retries: Vec<u64> = Vec::new();
    for connection in &mut connections {
        connection.check(&crate::model::Who::default(), EPOCH, &[]);
        assert!(connection.ended_cleanly() && connection.pipe.borrow().finished);
        let Some(Farewell::Draining(retry)) = connection.farewell else {
            panic!("told that the server ends")
        };
        retries.push(retry);
    }
    retries.sort_unstable();
    assert!(retries[0] >= SOONEST_MS && retries[STREAMS - 1] <= SOONEST_MS + 5_000, "{retries:?}");
    let in_second = |from: usize| retries[from..].partition_point(|at| *at < retries[from] + 1_000);
    let most = (0..STREAMS).map(in_second).max();
    assert!(most < Some(1_500), "{most:?} come back in one second");
}
