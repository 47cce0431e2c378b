//! Shards, a journal, publishers and clients, on a virtual clock, all out of one seed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fanfare::EventId;
use fanfare::api::{CrossOrigin, LastEventId};
use fanfare::event::{ClientKey, Draft, Drafts, Framing, Now, Pattern, Profile, Refusal};
use fanfare::journal::{Delivery, HistoryLimits, Journal, MemoryJournal};
use fanfare::shard::{
    Admission, Arrival, Command, Effect, Heartbeat, Inquiry, Newest, Resume, Settings, Shard, ShardSender,
    StreamLimits, StreamToken,
};
use fastrand::Rng;

use crate::answers::{Answer, later};
use crate::client::{Client, Connection};
use crate::inbox::Inbox;
use crate::judge::{FakeJudge, Judged};
use crate::model::Published;
use crate::plan;
use crate::settings::{EPOCH, HEARTBEAT_MS, settings};
use crate::socket::{FakeSocket, Pipe};

pub(crate) fn shards(
    count: usize,
    settings: &Arc<Settings>,
    admission: &Arc<Admission>,
    newest: Newest,
) -> Vec<Shard<FakeSocket>> {
    let judge = FakeJudge::new(newest.id.epoch ^ newest.position);
    let shard = |n| Shard::new(n as u16, settings.clone(), admission.clone(), newest);
    (0..count).map(|n| shard(n).with_judge(judge.clone())).collect()
}

pub(crate) struct World {
    pub rng: Rng,
    /// For what was added later, so that it does not change what a seed stands for more than it has to.
    pub fate: Rng,
    pub epoch: u64,
    pub now_ms: Rc<Cell<u64>>,
    pub settings: Arc<Settings>,
    pub admission: Arc<Admission>,
    pub journal: MemoryJournal,
    pub inboxes: Vec<Arc<Inbox>>,
    pub shards: Vec<Shard<FakeSocket>>,
    pub more: Vec<bool>,
    pub clients: Vec<Client>,
    pub history: Vec<Published>,
    pub streams: StreamLimits,
    /// What streams asked of a journal that takes its time.
    pub asked: Vec<Resume>,
    /// Streams of which it is not known who they are for, and since when; and those of which nobody will say so.
    pub inquiries: Vec<(Inquiry, u64)>,
    pub forgotten: Vec<(Inquiry, u64)>,
    pub judged: Judged,
    max_frame: usize,
    /// Greetings that told of a gap, and those of them for nothing.
    pub gaps: (usize, usize),
    /// Goodbyes of servers in whose drain everybody had to be told; and those of streams that had to catch up first.
    pub farewells: u64,
    pub late_farewells: u64,
    pub deliveries: u64,
    pub lags: u64,
    /// Answers of the journal after which more had to be asked for.
    pub pieces: u64,
    /// The answers that are under way.
    pub answers: HashMap<StreamToken, Answer>,
    /// Both of the shards of servers that have ended.
    pub retired: (u64, u64),
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let epoch = EPOCH + seed;
        let max_backlog = rng.usize(4096..40_000);
        let settings = Arc::new(Settings {
            ids: ClientKey::new([seed, seed]),
            heartbeat: if rng.bool() { Heartbeat::Event } else { Heartbeat::Comment },
            max_backlog,
            replay_effort: [1, 50, 700, 5_000, 32_768][rng.usize(..5)],
            turn_bytes: rng.usize(300..60_000),
            // Some servers believe nobody.
            open: seed % 5 != 3,
            decision_timeout: Duration::from_secs(2),
            ..settings()
        });
        let history = HistoryLimits {
            events: rng.usize(0..300),
            bytes: rng.usize(1_000..400_000),
            age: Duration::from_millis(rng.u64(1_000..60_000)),
        };
        let streams = StreamLimits {
            total: rng.usize(5..40),
            per_address: usize::MAX,
            per_user: if rng.bool() { 3 } else { usize::MAX },
        };
        let admission = Arc::new(Admission::new(streams));
        let limit = rng.usize(4..200);
        let inboxes: Vec<Arc<Inbox>> =
            (0..rng.usize(1..=3)).map(|_| Arc::new(Inbox::with_limit(limit))).collect();
        let senders = inboxes.iter().map(|inbox| inbox.clone() as Arc<dyn ShardSender>).collect();
        let journal =
            MemoryJournal::new(epoch, ClientKey::new([seed, seed]), history, Delivery::new(senders));
        let shards = shards(inboxes.len(), &settings, &admission, journal.newest());
        let clients = (0..rng.usize(1..20)).map(|_| plan::client(&mut rng)).collect();
        Self {
            epoch,
            now_ms: Rc::default(),
            more: vec![false; shards.len()],
            settings,
            admission,
            journal,
            inboxes,
            shards,
            clients,
            history: Vec::new(),
            streams,
            asked: Vec::new(),
            inquiries: Vec::new(),
            forgotten: Vec::new(),
            judged: Judged::default(),
            fate: Rng::with_seed(!seed),
            retired: (0, 0),
            max_frame: 0,
            gaps: (0, 0),
            farewells: 0,
            late_farewells: 0,
            deliveries: 0,
            lags: 0,
            pieces: 0,
            answers: HashMap::new(),
            rng,
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now { elapsed_ms: self.now_ms.get(), unix_ms: EPOCH + self.now_ms.get() }
    }

    /// One thing happens.
    pub(crate) fn step(&mut self) {
        match self.rng.u32(..100) {
            0..30 => self.publish(),
            30..55 => {
                let shard = self.rng.usize(..self.shards.len());
                self.turn(shard);
            }
            55..90 => {
                let client = self.rng.usize(..self.clients.len());
                self.client_acts(client);
            }
            90..97 => self.now_ms.set(self.now_ms.get() + self.rng.u64(..40)),
            97..99 => self.now_ms.set(self.now_ms.get() + self.rng.u64(..1_500)),
            _ => self.administrate(),
        }
        self.check();
    }

    fn publish(&mut self) {
        let ids: Vec<String> = self.clients.iter().filter_map(client_id).collect();
        let count = if self.rng.u32(..8) == 0 { self.rng.usize(2..30) } else { 1 };
        let first = self.history.len() as u64 + 1;
        let batch: Vec<Published> = (first..)
            .take(count)
            .map(|seq| plan::published(&mut self.rng, seq, &ids, self.settings.max_backlog))
            .collect();
        let drafts: Drafts = batch.iter().map(|event| Draft::from(event.publication())).collect();
        let largest = drafts.iter().map(Draft::size).max().unwrap_or(0);
        let Ok(Some(appended)) = self.journal.append(drafts.into(), self.now(), &mut later) else { return };
        assert_eq!(appended.first, EventId { epoch: self.epoch, seq: first });
        assert_eq!(appended.last.seq, first + count as u64 - 1);
        self.max_frame = self.max_frame.max(largest);
        self.history.extend(batch);
    }

    /// As an event loop's turn.
    pub(crate) fn turn(&mut self, n: usize) {
        let now = self.now();
        self.open_inbox(n);
        self.connections_of(n).for_each(|connection| connection.pipe.borrow_mut().written_in_turn = 0);
        self.tell_edges(n, now);
        let shard = &mut self.shards[n];
        while shard.accepts_commands() {
            let Some(command) = self.inboxes[n].commands.lock().unwrap().pop_front() else { break };
            if let Command::Join(join) = &command {
                self.pieces += u64::from(join.missed.as_ref().is_some_and(|missed| !missed.last));
                self.answers.remove(&join.token);
            }
            shard.apply(command, now);
            shard.check_invariants();
        }
        shard.sweep(now);
        self.more[n] = shard.flush(self.rng.usize(1..8), now);
        shard.check_invariants();
        for effect in self.shards[n].effects() {
            match effect {
                Effect::Resume(resume) => {
                    self.note(&resume);
                    self.asked.push(resume);
                }
                Effect::Inquire(inquiry) => self.inquire(inquiry),
                Effect::HandOver(hand_over) => self.take_over(hand_over),
                Effect::Finish(slot) => self.shards[n].socket_mut(slot).expect("still there").finish(),
                Effect::Refused(reason) => assert_eq!(reason, Refusal::History),
                Effect::Connected(_) | Effect::Disconnected(..) => panic!("nobody watches"),
            }
        }
        self.answer(3, now);
        self.decide(3);
        self.check_efforts(n);
        if !self.more[n] {
            self.check_rest(n);
            self.close_inbox(n);
        }
    }

    fn connections_of(&self, n: usize) -> impl Iterator<Item = &Connection> {
        let connections = self.clients.iter().filter_map(|client| client.connection.as_ref());
        connections.filter(move |connection| connection.shard == n)
    }

    /// The loop would sleep now: whoever takes something has been given all that it is owed.
    fn check_rest(&self, n: usize) {
        let waits = |connection: &Connection| {
            let pipe = connection.pipe.borrow();
            pipe.no_space || pipe.writable
        };
        if !self.connections_of(n).any(waits) {
            let owed = self.shards[n].report(self.now()).backlog_bytes;
            assert_eq!(owed, 0, "nothing is written any more, though every socket takes it");
        }
    }

    fn close_inbox(&self, n: usize) {
        self.inboxes[n].close_unless(self.shards[n].has_streams());
    }

    fn open_inbox(&mut self, n: usize) {
        if let Some(newest) = self.inboxes[n].open() {
            self.shards[n].pass_over(newest);
        }
    }

    fn tell_edges(&mut self, n: usize, now: Now) {
        for client in &mut self.clients {
            let Some(connection) = client.connection.as_mut().filter(|connection| connection.shard == n)
            else {
                continue;
            };
            let (readable, writable, hung_up) = {
                let mut pipe = connection.pipe.borrow_mut();
                if pipe.server_closed {
                    continue;
                }
                (std::mem::take(&mut pipe.readable), std::mem::take(&mut pipe.writable), pipe.closed)
            };
            if readable {
                self.shards[n].readable(connection.slot, hung_up, now);
            }
            if writable && !connection.pipe.borrow().server_closed {
                self.shards[n].writable(connection.slot);
            }
            self.shards[n].check_invariants();
        }
    }

    fn client_acts(&mut self, at: usize) {
        let Some(connection) = &mut self.clients[at].connection else { return self.connect(at) };
        let mut pipe = connection.pipe.borrow_mut();
        match self.rng.u32(..100) {
            _ if !connection.head.is_empty() => {
                let count = if self.rng.bool() {
                    connection.head.len()
                } else {
                    self.rng.usize(1..=connection.head.len())
                };
                let piece: Vec<u8> = connection.head.drain(..count).collect();
                pipe.send(&piece);
            }
            0..40 => pipe.make_room(self.rng.usize(1..30_000)),
            40..60 => pipe.make_room(self.rng.usize(1..300)),
            60..64 => pipe.send(b"x"),
            64..66 => pipe.send(&[b'y'; 3_000]),
            66..70 => {
                let reset = self.rng.bool();
                pipe.close(reset);
                drop(pipe);
                self.hang_up(at);
            }
            _ => {}
        }
    }

    fn connect(&mut self, at: usize) {
        let newest = self.history.len() as u64;
        let odd = plan::odd_id(&mut self.rng, self.epoch, newest);
        let client = &mut self.clients[at];
        let (head, asked) = client.request(self.epoch, odd);
        let pipe = Rc::new(RefCell::new(Pipe::default()));
        pipe.borrow_mut().room = [0, 100, 4_000, 1_000_000][self.rng.usize(..4)].max(600);
        let turn = self.settings.turn_bytes;
        let socket = FakeSocket::new(pipe.clone(), self.now_ms.clone(), HEARTBEAT_MS, turn);
        let n = self.rng.usize(..self.shards.len());
        let mut connection = Connection::new(pipe, head, asked, newest);
        connection.shard = n;
        let now = self.now();
        if self.rng.u32(..6) == 0 {
            let Some(arrival) = self.arrival(at, &connection) else { return };
            connection.head.clear();
            connection.expires = arrival.expires_unix_ms.is_some();
            self.open_inbox(n);
            connection.slot = self.shards[n].adopt(socket, arrival, now);
        } else {
            connection.slot = self.shards[n].accept(socket, peer(at), now);
        }
        self.clients[at].connection = Some(connection);
    }

    /// A stream that comes by the control thread.
    fn arrival(&mut self, at: usize, connection: &Connection) -> Option<Arrival> {
        let client = &self.clients[at];
        let who = &client.who;
        let mut topics: Vec<Pattern> =
            who.topics.iter().map(|topic| Pattern::parse(topic).unwrap()).collect();
        topics.sort();
        let mut meta: Vec<_> =
            who.meta.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect();
        meta.sort();
        let profile = Profile {
            user: who.user.as_deref().map(Into::into),
            session: who.session.as_deref().map(Into::into),
            topics: topics.into(),
            meta: meta.into(),
        };
        self.admission.admit(peer(at), profile.user.as_ref()).ok()?;
        let last_event_id = match connection.asked() {
            None => LastEventId::None,
            Some(id) => id.parse().map_or(LastEventId::Invalid, LastEventId::Id),
        };
        let framing = if client.http10 { Framing::Plain } else { Framing::Chunked };
        let expires_unix_ms = self.rng.bool().then(|| self.now().unix_ms + self.rng.u64(..5_000));
        Some(Arrival {
            peer: peer(at),
            framing,
            last_event_id,
            profile,
            expires_unix_ms,
            cross_origin: CrossOrigin::Silent,
        })
    }

    /// The client looks at what it got, and will come back with the last id.
    pub(crate) fn hang_up(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let Some(mut connection) = client.connection.take() else { return };
        connection.check(&client.who, self.epoch, &self.history);
        if let Some(greeting) = &connection.greeting {
            self.gaps.0 += usize::from(greeting.reason == "expired");
            self.gaps.1 += usize::from(greeting.false_alarm);
        }
        client.last_id = connection.last_id().or(client.last_id.take());
        if self.rng.u32(..20) == 0 {
            client.last_id = None;
        }
        // A peer that is gone sees no more, but the server still has to be told.
        let mut gone = plan::client(&mut self.rng);
        if !connection.pipe.borrow().server_closed {
            gone.connection = Some(connection);
            self.bury(gone);
        }
    }

    /// Lets the server notice that a connection is gone, in a turn of its shard.
    fn bury(&mut self, gone: Client) {
        let n = gone.connection.as_ref().map_or(0, |connection| connection.shard);
        self.clients.push(gone);
        self.turn(n);
        let gone = self.clients.pop().expect("what was pushed");
        let closed = gone.connection.is_none_or(|connection| connection.pipe.borrow().server_closed);
        assert!(closed, "a peer that hung up is let go within a turn");
    }

    fn administrate(&mut self) {
        let n = self.rng.usize(..self.clients.len());
        let who = match (self.rng.bool(), &self.clients[n].who.user, client_id(&self.clients[n])) {
            (true, Some(user), _) => fanfare::shard::DisconnectTarget::User(user.as_str().into()),
            (false, _, Some(id)) => {
                fanfare::shard::DisconnectTarget::Client(id.parse().expect("an id of ours"))
            }
            _ => return,
        };
        for inbox in &self.inboxes {
            inbox.send(Command::Disconnect(who.clone(), Box::new(|_| {})));
        }
    }

    fn check(&mut self) {
        for at in 0..self.clients.len() {
            let client = &mut self.clients[at];
            let Some(connection) = &mut client.connection else { continue };
            connection.check(&client.who, self.epoch, &self.history);
            let (finished, closed) = {
                let pipe = connection.pipe.borrow();
                (pipe.finished, pipe.server_closed)
            };
            if finished {
                assert!(connection.ended_cleanly(), "an end within an event");
            }
            // Some clients close at once where nothing follows, some do not.
            if finished && !closed && self.fate.bool() {
                connection.pipe.borrow_mut().close(false);
                self.hang_up(at);
            } else if closed {
                self.hang_up(at);
            }
        }
        self.check_inquiries();
        // A stream is owed four times its backlog limit of its own and of what goes to everyone, and one event beyond.
        let most = 9 * self.settings.max_backlog + self.max_frame + 1_000;
        for shard in &self.shards {
            let largest = shard.report(self.now()).largest_backlog_bytes as usize;
            assert!(largest <= most, "somebody is owed {largest} bytes, which is over {most}");
        }
    }

    /// Nothing happens any more until time passes or somebody does something.
    pub(crate) fn is_idle(&self) -> bool {
        self.asked.is_empty()
            && self.inquiries.is_empty()
            && self.forgotten.is_empty()
            && !self.more.contains(&true)
            && self.inboxes.iter().all(|inbox| inbox.commands.lock().unwrap().is_empty())
            && self.shards.iter().all(|shard| shard.report(self.now()).backlog_bytes == 0)
    }

    /// Everybody reads, nothing is published: after a while everybody is current.
    pub(crate) fn settle(&mut self) {
        // Replays may come one event a turn, of all streams of a shard.
        let mut is_idle = false;
        for turn in 0..8_000 {
            // Those who wait behind one that history forgot wait until that is given up.
            let ms = if is_idle { 100 } else { u64::from(turn % 20 == 0) };
            self.now_ms.set(self.now_ms.get() + ms);
            for client in &mut self.clients {
                let Some(connection) = &mut client.connection else { continue };
                let mut pipe = connection.pipe.borrow_mut();
                pipe.make_room(10_000_000);
                let rest = std::mem::take(&mut connection.head);
                if !rest.is_empty() {
                    pipe.send(&rest);
                }
            }
            self.answer(0, self.now());
            self.decide(0);
            (0..self.shards.len()).for_each(|n| self.turn(n));
            self.check();
            is_idle = self.is_idle();
            if is_idle && !self.has_forgotten() {
                break;
            }
        }
        // A turn in which one was let go may have brought something to those who were looked at before.
        for client in &mut self.clients {
            let Some(connection) = &mut client.connection else { continue };
            connection.check(&client.who, self.epoch, &self.history);
        }
        let open = self.clients.iter().filter_map(|client| Some((client, client.connection.as_ref()?)));
        let open: Vec<_> = open.filter(|(_, connection)| !connection.pipe.borrow().finished).collect();
        for (client, connection) in open.iter().filter(|(_, connection)| !connection.forsaken) {
            connection.check_current(&client.who, &self.history);
        }
        let reports: Vec<_> = self.shards.iter().map(|shard| shard.report(self.now())).collect();
        let streams: u64 = reports.iter().map(|report| report.streams).sum();
        assert_eq!(
            (streams as usize, streams as usize),
            (open.len(), self.admission.total()),
            "who is there"
        );
        let users = open.iter().filter(|(client, _)| client.who.user.is_some()).count();
        assert_eq!(reports.iter().map(|report| report.user_streams).sum::<u64>() as usize, users);
        self.deliveries = self.retired.0 + reports.iter().map(|report| report.totals.deliveries).sum::<u64>();
        self.lags = self.retired.1 + reports.iter().map(|report| report.totals.lags).sum::<u64>();
    }
}

/// Three networks, so that some have to wait for their turn to be given history.
fn peer(client: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1 + (client % 3) as u8))
}

fn client_id(client: &Client) -> Option<String> {
    Some(client.connection.as_ref()?.greeting.as_ref()?.client_id.clone())
}
