//! Streams that wait: for history that does not answer, or for a client that takes nothing.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fanfare::EventId;
use fanfare::event::{Continuity, Draft, Now, Publication, Record, Refusal};
use fanfare::shard::{
    Admission, CloseReason, Command, Effect, Heartbeat, Join, Missed, Newest, Resume, Settings, Shard,
    StreamLimits, Totals,
};

use crate::settings::{EPOCH, HEARTBEAT_MS, TIMEOUT_MS, settings};
use crate::socket::{FakeSocket, Pipe};
use crate::sse::Message;
use crate::stream::StreamReader;

/// All streams are looked at so often within the shortest of these.
const ROUND_MS: u64 = HEARTBEAT_MS / 16 + 10;

pub(crate) const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(crate) fn now(elapsed_ms: u64) -> Now {
    Now { elapsed_ms, unix_ms: EPOCH + elapsed_ms }
}

pub(crate) fn streams() -> StreamLimits {
    StreamLimits { total: 10_000, per_address: usize::MAX, per_user: usize::MAX }
}

/// One stream, and the shard that it is on.
struct Stream {
    shard: Shard<FakeSocket>,
    slot: u32,
    pipe: Rc<RefCell<Pipe>>,
    clock: Rc<Cell<u64>>,
    reader: StreamReader,
    asked: Vec<Resume>,
    refused: Vec<Refusal>,
    /// Messages, and when they came.
    messages: Vec<(u64, Message)>,
    finished_ms: Option<u64>,
}

impl Stream {
    /// Opened with that id, if any.
    fn open(settings: Settings, id: Option<&str>) -> Self {
        let admission = Arc::new(Admission::new(streams()));
        let turn = settings.turn_bytes;
        let mut shard = Shard::new(0, Arc::new(settings), admission, Newest::before_first(EPOCH));
        let (pipe, clock) = (Pipe::with_room(1_000_000), Rc::default());
        let socket = FakeSocket::new(pipe.clone(), Rc::clone(&clock), HEARTBEAT_MS, turn);
        let slot = shard.accept(socket, PEER, now(0));
        let field = id.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        pipe.borrow_mut().send(format!("GET /api/sse HTTP/1.1\r\nHost: localhost\r\n{field}\r\n").as_bytes());
        shard.readable(slot, false, now(0));
        let (reader, asked, refused, messages) = (StreamReader::new(), Vec::new(), Vec::new(), Vec::new());
        let mut stream =
            Self { shard, slot, pipe, clock, reader, asked, refused, messages, finished_ms: None };
        stream.turn();
        stream
    }

    fn turn(&mut self) {
        let at = now(self.clock.get());
        if std::mem::take(&mut self.pipe.borrow_mut().writable) {
            self.shard.writable(self.slot);
        }
        self.shard.sweep(at);
        while self.shard.flush(8, at) {}
        for effect in self.shard.effects() {
            match effect {
                Effect::Resume(resume) => self.asked.push(resume),
                Effect::Refused(reason) => self.refused.push(reason),
                Effect::Finish(slot) => {
                    self.shard.socket_mut(slot).expect("still there").finish();
                    self.finished_ms = Some(at.elapsed_ms);
                }
                _ => panic!("nothing else is asked for"),
            }
        }
        self.shard.check_invariants();
        let arrived = std::mem::take(&mut self.pipe.borrow_mut().arrived);
        self.reader.push(&arrived);
        let new = self.reader.messages.drain(..);
        self.messages.extend(new.map(|message| (at.elapsed_ms, message)));
    }

    fn until(&mut self, elapsed_ms: u64) {
        while self.clock.get() < elapsed_ms {
            self.clock.set((self.clock.get() + 5).min(elapsed_ms));
            self.turn();
        }
    }

    /// The answer to what it asked last.
    fn answer(&mut self, position: u64, last: bool) {
        let token = self.asked.last().expect("it has asked").token;
        let (records, continuity) = (Vec::new(), Continuity::Recovered);
        let missed = Missed { records, position, id: first_id().parse().unwrap(), last, continuity };
        let join = Join { token, missed: Some(missed) };
        self.shard.apply(Command::Join(join), now(self.clock.get()));
        self.turn();
    }

    fn publish(&mut self, seq: u64, length: usize) {
        let publication =
            Publication::from_json(&format!("{{\"text\":\"{}\"}}", "x".repeat(length))).unwrap();
        let record: Record = Draft::from(publication).seal(seq, EventId { epoch: EPOCH, seq });
        self.shard.apply(Command::Publish(Arc::new(record)), now(self.clock.get()));
        self.turn();
    }

    fn names(&self) -> Vec<&str> {
        self.messages.iter().map(|(_, message)| message.event.as_str()).collect()
    }

    fn totals(&self) -> Totals {
        self.shard.report(now(self.clock.get())).totals
    }

    /// It was ended once history had had the connection timeout from that time on, and not sooner.
    fn check_end(&self, asked_ms: u64) {
        let ended_ms = self.finished_ms.expect("it has ended");
        let due_ms = asked_ms + TIMEOUT_MS;
        assert!((due_ms..due_ms + ROUND_MS).contains(&ended_ms), "ended at {ended_ms}, due at {due_ms}");
        assert!(self.reader.ended && self.reader.is_at_boundary(), "in good order");
        assert_eq!(self.totals().closed_for(CloseReason::Unanswered), 1);
        assert_eq!(self.shard.report(now(self.clock.get())).streams, 0);
    }
}

fn first_id() -> String {
    format!("{EPOCH}-0")
}

#[test]
fn a_resume_that_is_never_answered_is_refused_for_now() {
    for heartbeat in [Heartbeat::Event, Heartbeat::Comment, Heartbeat::Off] {
        let mut stream = Stream::open(Settings { heartbeat, ..settings() }, Some(&first_id()));
        stream.until(TIMEOUT_MS - 1);
        assert!(stream.reader.head.is_none(), "nothing is said before it is known where it goes on");
        stream.until(TIMEOUT_MS + 1_000);
        stream.check_end(0);
        assert!(stream.reader.head.as_ref().is_some_and(|head| head.status == 200), "or a browser gives up");
        let [(_, refusal)] = &stream.messages[..] else { panic!("one event: {:?}", stream.messages) };
        assert_eq!((&*refusal.event, &refusal.id), ("connection", &None));
        assert_eq!(refusal.data, r#"{"status":"refused","reason":"history"}"#);
        assert!(refusal.retry.is_some_and(|retry| (3_000..=12_000).contains(&retry)), "{refusal:?}");
        assert_eq!((&stream.refused[..], stream.asked.len()), (&[Refusal::History][..], 1));
        // The answer comes after all: too late.
        stream.answer(0, true);
        assert_eq!(stream.messages.len(), 1);
    }
}

#[test]
fn a_refused_client_is_never_told_to_come_back_within_a_second() {
    let retry = Duration::from_millis(1);
    let mut stream = Stream::open(Settings { retry, ..settings() }, Some(&first_id()));
    stream.until(TIMEOUT_MS + 1_000);
    assert!(stream.messages[0].1.retry.is_some_and(|retry| (1_000..=4_000).contains(&retry)));
}

#[test]
fn an_answer_in_the_last_moment_is_one() {
    let mut stream = Stream::open(settings(), Some(&first_id()));
    stream.until(TIMEOUT_MS - 1);
    stream.answer(0, true);
    stream.until(3 * TIMEOUT_MS);
    assert_eq!((stream.finished_ms, stream.names()[0]), (None, "connection"));
    assert!(stream.names()[1..].iter().all(|name| *name == "ping"));
}

#[test]
fn one_that_waits_for_the_rest_gets_heartbeats_and_then_an_end() {
    let mut stream = Stream::open(settings(), Some(&first_id()));
    stream.until(1_000);
    stream.answer(5, false);
    assert_eq!((stream.names(), stream.asked.len()), (vec!["connection"], 2));
    stream.until(1_000 + TIMEOUT_MS + 1_000);
    stream.check_end(1_000);
    assert_eq!(stream.names(), ["connection", "ping", "ping", "ping"]);
    for pair in stream.messages.windows(2) {
        let waited_ms = pair[1].0 - pair[0].0;
        assert!((HEARTBEAT_MS..HEARTBEAT_MS + ROUND_MS).contains(&waited_ms), "{waited_ms}");
    }
    // Its client comes back with this.
    assert_eq!(stream.messages.last().map(|(_, message)| &*message.last_event_id), Some(&*first_id()));
}

#[test]
fn one_that_has_fallen_behind_gets_heartbeats_and_then_an_end() {
    let mut stream = Stream::open(settings(), None);
    let first = stream.messages[0].1.last_event_id.clone();
    stream.pipe.borrow_mut().room = 100;
    for seq in 1..=20 {
        stream.publish(seq, 2_000);
    }
    stream.until(2_000);
    assert_eq!((stream.totals().lags, stream.asked.len()), (1, 0));
    stream.pipe.borrow_mut().make_room(1_000_000);
    stream.until(2_005);
    assert_eq!(stream.asked.len(), 1, "what it was sent a part of is sent whole, and then it asks");
    stream.until(2_005 + TIMEOUT_MS + 1_000);
    stream.check_end(2_005);
    assert_eq!(stream.names(), ["connection", "message", "ping", "ping", "ping"]);
    let last = &stream.messages[4].1.last_event_id;
    assert_eq!((first, last), (first_id(), &format!("{EPOCH}-1")));
}

#[test]
fn without_heartbeats_it_still_does_not_wait_for_ever() {
    let mut stream = Stream::open(Settings { heartbeat: Heartbeat::Off, ..settings() }, Some(&first_id()));
    stream.answer(5, false);
    stream.until(2 * TIMEOUT_MS);
    let ended_ms = stream.finished_ms.expect("it has ended");
    // Streams are looked after less often where only the timeout counts.
    assert!((TIMEOUT_MS..TIMEOUT_MS + TIMEOUT_MS / 8).contains(&ended_ms), "{ended_ms}");
    assert_eq!(stream.names(), ["connection"]);
}

#[test]
fn a_client_that_takes_nothing_is_stale_and_then_closed() {
    let mut stream = Stream::open(settings(), None);
    stream.until(1_000);
    stream.pipe.borrow_mut().room = 0;
    stream.publish(1, 2_000);
    let standing = |stream: &Stream| {
        let report = stream.shard.report(now(stream.clock.get()));
        (report.streams, report.stale_streams)
    };
    stream.until(1_000 + TIMEOUT_MS / 2);
    assert_eq!(standing(&stream), (1, 0));
    stream.until(1_000 + TIMEOUT_MS / 2 + 5);
    assert_eq!(standing(&stream), (1, 1));
    stream.until(1_000 + TIMEOUT_MS);
    assert_eq!(standing(&stream), (1, 1));
    stream.until(1_000 + TIMEOUT_MS + ROUND_MS);
    assert_eq!(standing(&stream), (0, 0));
    assert_eq!(stream.totals().closed_for(CloseReason::Stalled), 1);
    assert!(stream.pipe.borrow().server_closed && !stream.pipe.borrow().finished, "at once");
}
