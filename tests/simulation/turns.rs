//! Large events: what one stream gets in a turn, who waits for it, and who counts as slow.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fanfare::api::{CrossOrigin, LastEventId};
use fanfare::event::{Draft, Framing, Now, Profile, Record};
use fanfare::shard::{Admission, Arrival, Command, Heartbeat, Newest, Settings, Shard, StreamLimits};
use fanfare::{Event, EventId, Publication, Target};

use crate::settings::settings;

const MIB: usize = 1024 * 1024;
/// Less than a large event.
const TURN: usize = 256 * 1024;

/// What the kernel holds of one connection.
#[derive(Default)]
struct Kernel {
    /// Bytes that it would still take.
    room: usize,
    /// Bytes that it has taken.
    taken: usize,
    /// It was full, so there will be an edge.
    is_full: bool,
}

#[derive(Clone, Default)]
struct Socket(Rc<RefCell<Kernel>>);

impl Read for Socket {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kernel = self.0.borrow_mut();
        let count = bytes.len().min(kernel.room);
        kernel.is_full |= count < bytes.len();
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        kernel.room -= count;
        kernel.taken += count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A shard with a clock, and a stream for each of its users.
struct Stage {
    shard: Shard<Socket>,
    streams: Vec<(u32, Socket)>,
    now_ms: u64,
    seq: u64,
}

impl Stage {
    fn new(streams: usize) -> Self {
        let settings = Arc::new(large());
        let none = usize::MAX;
        let admission =
            Arc::new(Admission::new(StreamLimits { total: none, per_address: none, per_user: none }));
        let shard = Shard::new(0, settings, admission.clone(), Newest::before_first(1));
        let mut stage = Self { shard, streams: Vec::new(), now_ms: 1_000, seq: 0 };
        for n in 0..streams {
            let profile = Profile { user: Some(format!("u{n}").into()), ..Profile::default() };
            let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
            admission.admit(peer, profile.user.as_ref()).expect("there is no limit");
            let socket = Socket::default();
            socket.0.borrow_mut().room = 1000;
            let arrival = Arrival {
                peer,
                framing: Framing::Chunked,
                last_event_id: LastEventId::None,
                profile,
                expires_unix_ms: None,
                cross_origin: CrossOrigin::Silent,
            };
            let slot = stage.shard.adopt(socket.clone(), arrival, stage.now());
            stage.streams.push((slot, socket));
        }
        while stage.turn() {}
        for (_, socket) in &stage.streams {
            *socket.0.borrow_mut() = Kernel::default();
        }
        stage
    }

    fn now(&self) -> Now {
        Now { elapsed_ms: self.now_ms, unix_ms: 1_790_000_000_000 + self.now_ms }
    }

    fn record(&mut self, target: Target, bytes: usize) -> Arc<Record> {
        self.seq += 1;
        let event = Event::text("update", &"x".repeat(bytes)).expect("an event");
        let id = EventId { epoch: 1, seq: self.seq };
        Arc::new(Draft::from(Publication::new(event, target)).seal(self.seq, id))
    }

    /// Publishes as soon as the shard has appetite; returns the bytes that a stream gets.
    fn publish(&mut self, target: Target, bytes: usize) -> usize {
        let record = self.record(target, bytes);
        while !self.shard.accepts_commands() {
            self.turn();
        }
        self.shard.apply(Command::Publish(record.clone()), self.now());
        record.frame.bytes(Framing::Chunked).len()
    }

    /// The kernel takes so much more of a stream, and says so.
    fn make_room(&mut self, n: usize, bytes: usize) {
        let (slot, socket) = &self.streams[n];
        socket.0.borrow_mut().room += bytes;
        if std::mem::take(&mut socket.0.borrow_mut().is_full) {
            self.shard.writable(*slot);
        }
    }

    fn turn(&mut self) -> bool {
        let now = self.now();
        self.shard.sweep(now);
        self.shard.flush(128, now)
    }

    fn taken(&self, n: usize) -> usize {
        self.streams[n].1.0.borrow().taken
    }

    fn lags(&self) -> u64 {
        self.shard.report(self.now()).totals.lags
    }
}

/// For large events, which a slow stream may be owed several of.
fn large() -> Settings {
    Settings {
        heartbeat: Heartbeat::Off,
        connection_timeout: Duration::from_secs(60),
        max_backlog: MIB,
        turn_bytes: TURN,
        ..settings()
    }
}

#[test]
fn one_that_takes_megabytes_keeps_nobody_waiting() {
    let mut stage = Stage::new(20);
    (0..20).for_each(|n| stage.make_room(n, usize::MAX / 2));
    let large = stage.publish(Target::user("u0"), 900 * 1024);
    let small = stage.publish(Target::user("u1"), 10);
    assert!(stage.turn(), "more is to be written");
    assert_eq!((stage.taken(0), stage.taken(1)), (TURN, small), "each has its turn");
    let all = stage.publish(Target::all(), 10);
    stage.turn();
    assert!((1..20).all(|n| stage.taken(n) >= all), "the pass goes by the one that is not done");
    assert_eq!(stage.taken(0), 2 * TURN);
    while stage.turn() {}
    assert_eq!(stage.taken(0), large + all);
}

#[test]
fn a_turn_of_many_large_writes_is_cut_short() {
    let mut stage = Stage::new(100);
    (0..100).for_each(|n| stage.make_room(n, usize::MAX / 2));
    let bytes = stage.publish(Target::all(), MIB);
    let mut before = 0;
    let mut turns = 0;
    loop {
        let more = stage.turn();
        let taken = (0..100).map(|n| stage.taken(n)).sum::<usize>();
        // A queue's share and a pass's, 128 writes of 32 KiB each, and what the last stream of each begins.
        assert!(taken - before <= 2 * (128 * 32 * 1024 + TURN), "{} bytes in a turn", taken - before);
        (before, turns) = (taken, turns + 1);
        if !more {
            break;
        }
    }
    assert_eq!(before, 100 * bytes);
    assert!(turns >= 10, "{turns}");
}

#[test]
fn an_eager_stream_does_not_lag_however_large_the_events() {
    // Some under way at once; the kernel takes 16 to 64 KiB a turn, as with a limit on what is unsent.
    for target in [Target::all(), Target::user("u0")] {
        let mut stage = Stage::new(2);
        let mut owed = 0;
        for round in 0..10 {
            for _ in 0..3 {
                owed += stage.publish(target.clone(), MIB);
            }
            while stage.taken(0) < owed {
                stage.make_room(0, (16 * 1024) << (round % 3));
                stage.make_room(1, 64 * 1024);
                stage.turn();
                stage.now_ms += 1;
            }
        }
        assert_eq!((stage.taken(0), stage.lags()), (owed, 0));
    }
}

#[test]
fn a_burst_to_one_waits_for_it_as_long_as_its_socket_takes_it() {
    let mut stage = Stage::new(2);
    (0..2).for_each(|n| stage.make_room(n, usize::MAX / 2));
    // Sixteen times the backlog limit, in one batch.
    let records: Vec<_> = (0..1024).map(|_| stage.record(Target::user("u0"), 16 * 1024)).collect();
    let owed: usize = records.iter().map(|record| record.frame.bytes(Framing::Chunked).len()).sum();
    stage.shard.apply(Command::PublishBatch(records.into()), stage.now());
    loop {
        let largest = stage.shard.report(stage.now()).largest_backlog_bytes as usize;
        assert!(largest <= MIB + 17 * 1024, "{largest} bytes are owed at a limit of {MIB}");
        if !stage.turn() {
            break;
        }
    }
    assert_eq!((stage.taken(0), stage.lags()), (owed, 0));
}

#[test]
fn a_slow_stream_is_owed_its_limit_and_an_eager_one_four_times_that() {
    for target in [Target::all(), Target::user("u0")] {
        let owed = |stage: &Stage| stage.shard.report(stage.now()).largest_backlog_bytes as usize;
        // It has just taken something.
        let mut stage = Stage::new(1);
        stage.make_room(0, 100 * 1024);
        for _ in 0..100 {
            stage.publish(target.clone(), 100 * 1024);
            stage.turn();
            assert!(owed(&stage) <= 4 * MIB + 101 * 1024, "{}", owed(&stage));
        }
        assert_eq!(stage.lags(), 1);
        // It is within four times the limit when it has taken nothing for long, and nothing more comes.
        let mut stage = Stage::new(1);
        for _ in 0..30 {
            stage.publish(target.clone(), 100 * 1024);
            stage.turn();
        }
        assert_eq!(stage.lags(), 0);
        assert!(owed(&stage) > 2 * MIB);
        for _ in 0..100 {
            stage.now_ms += 100;
            stage.turn();
        }
        assert_eq!((stage.lags(), owed(&stage)), (1, 0));
        // It takes nothing for long, and more comes.
        let mut stage = Stage::new(1);
        stage.publish(target.clone(), 10);
        stage.turn();
        stage.now_ms += 2_000;
        for _ in 0..30 {
            stage.publish(target.clone(), 100 * 1024);
            stage.turn();
            assert!(owed(&stage) <= MIB + 101 * 1024, "{}", owed(&stage));
        }
        assert_eq!(stage.lags(), 1);
    }
}
