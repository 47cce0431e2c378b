//! Streams that wait for their turn to be given history.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use fanfare::EventId;
use fanfare::event::Continuity;
use fanfare::shard::{
    Admission, After, CloseReason, Command, Effect, Join, Missed, Newest, Resume, Settings, Shard,
};

use crate::settings::{EPOCH, HEARTBEAT_MS, TIMEOUT_MS, settings};
use crate::socket::{FakeSocket, Pipe};
use crate::stream::StreamReader;
use crate::waiting::{PEER, now, streams};

/// Streams of one address, of which one may be given history at a time.
struct Queue {
    shard: Shard<FakeSocket>,
    streams: Vec<(u32, Rc<RefCell<Pipe>>, StreamReader)>,
    clock: Rc<Cell<u64>>,
    asked: Vec<Resume>,
}

impl Queue {
    fn of(count: usize) -> Self {
        let settings = Settings { replay_effort: 1, ..settings() };
        let turn = settings.turn_bytes;
        let shard = Shard::new(
            0,
            Arc::new(settings),
            Arc::new(Admission::new(streams())),
            Newest::before_first(EPOCH),
        );
        let mut queue = Self { shard, streams: Vec::new(), clock: Rc::default(), asked: Vec::new() };
        for _ in 0..count {
            let pipe = Pipe::with_room(1_000_000);
            let socket = FakeSocket::new(pipe.clone(), queue.clock.clone(), HEARTBEAT_MS, turn);
            let slot = queue.shard.accept(socket, PEER, now(0));
            let head =
                format!("GET /api/sse HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {EPOCH}-0\r\n\r\n");
            pipe.borrow_mut().send(head.as_bytes());
            queue.shard.readable(slot, false, now(0));
            queue.streams.push((slot, pipe, StreamReader::new()));
        }
        queue.turn();
        queue
    }

    fn turn(&mut self) {
        let at = now(self.clock.get());
        self.shard.sweep(at);
        while self.shard.flush(8, at) {}
        for effect in self.shard.effects() {
            match effect {
                Effect::Resume(resume) => self.asked.push(resume),
                Effect::Finish(slot) => self.shard.socket_mut(slot).expect("still there").finish(),
                Effect::Refused(_) => {}
                _ => panic!("nothing else is asked for"),
            }
        }
        self.shard.check_invariants();
        for (_, pipe, reader) in &mut self.streams {
            reader.push(&std::mem::take(&mut pipe.borrow_mut().arrived));
        }
    }

    fn wait(&mut self, ms: u64) {
        let until = self.clock.get() + ms;
        while self.clock.get() < until {
            self.clock.set((self.clock.get() + 5).min(until));
            self.turn();
        }
    }

    /// Answers the one that is asked, and tells which stream that is.
    fn answer(&mut self, last: bool) -> usize {
        let asked = self.asked.pop().expect("one has asked");
        assert!(self.asked.is_empty(), "one at a time");
        let (token, id) = (asked.token, EventId { epoch: EPOCH, seq: 0 });
        let position = match asked.after {
            After::Position(position) => position + 5,
            _ => 5,
        };
        let (records, continuity) = (Vec::new(), Continuity::Recovered);
        let join = Join { token, missed: Some(Missed { records, position, id, last, continuity }) };
        self.shard.apply(Command::Join(join), now(self.clock.get()));
        self.turn();
        self.streams.iter().position(|(slot, ..)| *slot == token.slot).expect("one of ours")
    }

    fn names(&self, stream: usize) -> Vec<&str> {
        self.streams[stream].2.messages.iter().map(|message| message.event.as_str()).collect()
    }

    fn closed(&self) -> u64 {
        self.shard.report(now(self.clock.get())).totals.closed.iter().sum()
    }
}

#[test]
fn who_waits_for_its_turn_is_not_refused_however_long_that_takes() {
    let mut queue = Queue::of(4);
    for stream in 0..4 {
        queue.wait(TIMEOUT_MS - 1_000);
        assert!(queue.streams[stream].2.head.is_none(), "not greeted yet");
        assert_eq!(queue.answer(true), stream, "the first to come is the first to ask");
        assert_eq!(queue.names(stream)[0], "connection");
    }
    assert_eq!((queue.closed(), queue.asked.len()), (0, 0));
}

#[test]
fn who_waits_for_the_rest_in_a_queue_gets_heartbeats_meanwhile() {
    let mut queue = Queue::of(4);
    assert_eq!(queue.answer(false), 0);
    for stream in 1..4 {
        queue.wait(TIMEOUT_MS - 1_000);
        assert_eq!(queue.answer(true), stream);
    }
    let pings = queue.names(0)[1..].iter().filter(|name| **name == "ping").count() as u64;
    assert!(pings >= 3 * (TIMEOUT_MS - 1_000) / (HEARTBEAT_MS + 500), "{pings}");
    assert_eq!((queue.answer(true), queue.closed()), (0, 0));
}

#[test]
fn one_that_is_not_answered_holds_the_others_up_for_so_long_and_no_longer() {
    let mut queue = Queue::of(3);
    queue.asked.clear();
    queue.wait(TIMEOUT_MS - 5);
    assert!(queue.asked.is_empty());
    queue.wait(1_000);
    assert_eq!((queue.names(0), queue.asked.len()), (vec!["connection"], 1));
    // The same with one that goes away while it is asked for.
    let (slot, pipe, _) = &queue.streams[1];
    pipe.borrow_mut().close(false);
    queue.shard.readable(*slot, true, now(queue.clock.get()));
    queue.asked.clear();
    queue.wait(TIMEOUT_MS - 1_000);
    assert!(queue.asked.is_empty());
    queue.wait(1_000);
    assert_eq!(queue.answer(true), 2);
    let totals = queue.shard.report(now(queue.clock.get())).totals;
    let closed = [CloseReason::Unanswered, CloseReason::PeerClosed].map(|reason| totals.closed_for(reason));
    assert_eq!((closed, queue.closed()), ([1, 1], 2));
}
