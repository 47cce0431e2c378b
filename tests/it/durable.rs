//! A history on disk, through the library and over HTTP.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanfare::journal::log::{Disk, File, Folder};
use fanfare::{
    AppendError, Event, EventId, OpenError, Publication, PublishError, StartError, SyncPolicy, Target, Topic,
    Unstorable,
};
use serde_json::{Value, json};

use crate::server::{Server, parts};
use crate::support::clock::eventually;
use crate::support::folder::TestFolder;
use crate::support::sse::Message;
use crate::support::subscriber::Subscriber;

fn on(folder: &TestFolder) -> Server {
    Server::with(|builder| builder.history_dir(folder.path()))
}

/// A server that holds next to nothing in memory, so that what is old is read from disk.
fn forgetful(folder: &TestFolder) -> Server {
    Server::with(|builder| builder.history_dir(folder.path()).history_memory(64 << 10))
}

fn seqs(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| parts(message.id.as_deref().expect("an id")).1).collect()
}

/// What follows, up to a marker that is published now, without earlier markers. It is kept, for a stream that is still
/// behind would miss it otherwise.
fn before_marker(server: &Server, subscriber: &mut Subscriber) -> Vec<u64> {
    let marker = server.publish(&json!({"event": "marker", "data": null}));
    let mut messages = Vec::new();
    while messages.last().is_none_or(|last: &Message| last.id.as_ref() != Some(&marker)) {
        messages.push(subscriber.next());
    }
    messages.retain(|message| message.event != "marker");
    seqs(&messages)
}

fn text(n: usize) -> Event {
    Event::text("note", &format!("{n} {}", "x".repeat(n % 300))).expect("an event")
}

#[test]
fn what_was_published_before_a_restart_follows_after_it() {
    let folder = TestFolder::new();
    for policy in [SyncPolicy::Always, SyncPolicy::Every(Duration::from_millis(50)), SyncPolicy::Never] {
        let start =
            || Server::with(|builder| builder.history_dir(folder.path()).history_sync(policy).workers(3));
        let server = start();
        let ids: Vec<String> =
            (0..50).map(|n| server.publish(&json!({"data": n, "to": {"user": "ada"}}))).collect();
        server.publish(&json!({"data": "not for ada", "to": {"user": "bob"}}));
        let mut live = server.resume("?userId=ada", &ids[10]);
        assert_eq!((live.reason(), live.take(39).len()), (None, 39));
        drop(server);
        let server = start();
        for (at, id) in ids.iter().enumerate() {
            let mut again = server.resume("?userId=ada", id);
            assert_eq!((again.reason(), again.last_event_id()), (None, &**id));
            let wanted: Vec<u64> = ids[at + 1..].iter().map(|id| parts(id).1).collect();
            assert_eq!(before_marker(&server, &mut again), wanted);
        }
        let next = server.publish(&json!({"data": "on", "to": {"user": "ada"}}));
        assert_eq!(parts(&next).0, parts(&ids[0]).0, "the same epoch");
    }
}

#[test]
fn one_engine_at_a_time_has_a_folder() {
    let folder = TestFolder::new();
    let server = on(&folder);
    let second = fanfare::Engine::builder()
        .listen("127.0.0.1:0".parse().expect("an address"))
        .history_dir(folder.path())
        .start();
    assert!(matches!(second, Err(StartError::History { error: OpenError::Locked, .. })), "{second:?}");
    assert!(server.publish(&json!({"data": 1})).ends_with("-1"));
    drop(server);
    assert!(on(&folder).publish(&json!({"data": 1})).ends_with("-2"));
}

/// Streams of many kinds come back with every position, to a server that has nearly all of it on disk only, while others
/// publish.
#[test]
fn what_memory_does_not_hold_is_read_from_disk_exactly_once() {
    const EVENTS: usize = 3_000;
    let folder = TestFolder::new();
    let server = forgetful(&folder);
    let topic = |name: &str| Target::topic(Topic::parse(name).expect("a topic"));
    let target = |n: usize| match n % 7 {
        0 => Target::user("ada"),
        1 => topic("a.b"),
        2 => topic("a.c.d"),
        3 => Target::all(),
        4 => Target::all().except(Target::user("ada")),
        5 => Target::session("s"),
        _ => Target::user(format!("other-{}", n % 50)),
    };
    let publications = (0..EVENTS).map(|n| Publication::new(text(n), target(n)));
    let receipts: Vec<_> = publications.map(|one| server.publisher.submit(one).expect("room")).collect();
    let ids: Vec<EventId> = receipts.into_iter().map(|receipt| receipt.wait().expect("kept").0).collect();
    assert!(ids.windows(2).all(|two| two[0].seq + 1 == two[1].seq), "in the order in which they were given");
    let kinds: [(&str, &[usize]); 5] = [
        ("?userId=ada", &[0, 3]),
        ("?topic=a.*", &[1, 3, 4]),
        ("?topic=*.c.%3E&userId=ada", &[0, 2, 3]),
        ("?sessionId=s&topic=a.b", &[1, 3, 4, 5]),
        ("", &[3, 4]),
    ];
    for (query, wanted) in kinds {
        for from in [0, 1, 700, EVENTS - 40, EVENTS - 1] {
            let mut subscriber = server.resume(query, &ids[from].to_string());
            assert_eq!(subscriber.reason(), None, "{query} from {from}");
            let expected: Vec<u64> =
                (from + 1..EVENTS).filter(|n| wanted.contains(&(n % 7))).map(|n| ids[n].seq).collect();
            assert_eq!(before_marker(&server, &mut subscriber), expected, "{query} from {from}");
        }
    }
    let disk = server.stats().engine.history.disk.expect("a disk");
    assert!(disk.bytes > 500_000 && disk.segments == 1 && !disk.failed, "{disk:?}");
    assert!(server.stats().engine.history.bytes < 200_000, "memory is bounded");
}

#[test]
fn a_stream_that_reads_slowly_is_caught_up_from_disk() {
    let folder = TestFolder::new();
    let server = Server::with(|builder| {
        builder.history_dir(folder.path()).history_memory(64 << 10).max_backlog(64 << 10).workers(1)
    });
    let mut slow = server.subscribe("?userId=ada");
    let mut fast = server.subscribe("?userId=bob");
    let large = "x".repeat(50_000);
    for n in 0..400 {
        server.publish(&json!({"data": [n, large]}));
        fast.next();
    }
    assert_eq!(seqs(&slow.take(400)), (1..=400).collect::<Vec<_>>());
    assert!(server.stats().engine.lags > 0, "it fell behind");
}

#[test]
fn a_target_with_a_filter_cannot_be_kept() {
    let folder = TestFolder::new();
    let server = on(&folder);
    let mut subscriber = server.subscribe("?meta.room=5");
    let in_room = || Target::filter(|client| client.meta("room") == Some("5"));
    let refused = server.publisher.publish(Publication::new(text(1), in_room()));
    let is_filter = |error: &PublishError| {
        matches!(error, PublishError::Append(AppendError::Unstorable(Unstorable::Filter)))
    };
    assert!(refused.as_ref().is_err_and(is_filter), "{refused:?}");
    let batch = vec![Publication::new(text(1), Target::all()), Publication::new(text(2), in_room())];
    assert!(server.publisher.publish_all(batch).as_ref().is_err_and(is_filter), "all or none");
    let transient = Publication::new(text(3), in_room()).ttl(Duration::ZERO);
    let id = server.publisher.publish(transient).expect("it is not kept");
    assert_eq!(subscriber.next().id, Some(id.to_string()));
}

#[test]
fn a_drain_comes_behind_everything_that_was_acknowledged() {
    let folder = TestFolder::new();
    let server = on(&folder);
    let mut streams: Vec<_> = (0..20).map(|_| server.subscribe("")).collect();
    let receipts: Vec<_> = (0..500)
        .map(|n| server.publisher.submit(Publication::new(text(n), Target::all())).expect("room"))
        .collect();
    let Server { engine, publisher, .. } = server;
    engine.shutdown(Duration::from_secs(60));
    let kept = receipts.into_iter().filter_map(|receipt| receipt.wait().ok()).count();
    assert!(
        kept > 0
            && matches!(
                publisher.publish(Publication::new(text(1), Target::all())),
                Err(PublishError::Ended)
            )
    );
    for stream in &mut streams {
        let mut messages = stream.rest();
        let farewell = messages.pop().expect("a farewell");
        assert_eq!(farewell.event, "connection");
        assert_eq!(seqs(&messages), (1..=kept as u64).collect::<Vec<_>>());
    }
}

#[test]
fn batches_of_any_size_are_kept_whole() {
    let folder = TestFolder::new();
    let server = forgetful(&folder);
    let mut last = 0;
    for count in [1_usize, 2, 100, 5_000] {
        let lines: Vec<String> = (0..count).map(|n| json!({"data": n}).to_string()).collect();
        let body = lines.join("\n");
        let response = server.connect().request(
            "POST",
            "/api/sse/events",
            "Content-Type: application/x-ndjson\r\n",
            &body,
        );
        let answer: Value = response.json();
        assert_eq!((response.status(), &answer["accepted"]), (202, &json!(count)), "{}", response.text());
        let ends = ["firstId", "lastId"].map(|name| parts(answer[name].as_str().expect("an id")).1);
        assert_eq!(ends, [last + 1, last + count as u64]);
        last = ends[1];
    }
    let epoch = server.stats().engine.history.epoch;
    let mut again = server.resume("", &format!("{epoch}-0"));
    assert_eq!(seqs(&again.take(last as usize)), (1..=last).collect::<Vec<_>>());
}

/// A folder whose disk can be full, and whose syncs can fail.
#[derive(Clone, Debug)]
struct Moody {
    folder: Arc<Folder>,
    moods: Arc<Moods>,
}

#[derive(Debug, Default)]
pub(crate) struct Moods {
    full: AtomicBool,
    broken: AtomicBool,
    /// Held where syncs are to take long.
    syncs: Mutex<()>,
}

#[derive(Debug)]
struct MoodyFile(Arc<dyn File>, Arc<Moods>);

impl Moods {
    /// No sync ends before what this returns is dropped.
    pub(crate) fn hold(&self) -> MutexGuard<'_, ()> {
        self.syncs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is room again.
    pub(crate) fn empty(&self) {
        self.full.store(false, Ordering::SeqCst);
    }

    /// Whatever is written finds no room from now on.
    pub(crate) fn fill(&self) {
        self.full.store(true, Ordering::SeqCst);
    }
}

impl Moody {
    fn file(&self, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(MoodyFile(file, self.moods.clone()))
    }
}

impl Disk for Moody {
    fn lock(&self) -> io::Result<Arc<dyn File>> {
        self.folder.lock()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.folder.names()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(self.file(self.folder.open(name)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(self.file(self.folder.create(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.folder.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.folder.sync()
    }

    fn boot_id(&self) -> Option<String> {
        self.folder.boot_id()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.folder.free_bytes()
    }
}

impl File for MoodyFile {
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(out, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if self.1.full.load(Ordering::SeqCst) {
            // A part of it still finds room.
            self.0.write_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.write_at(bytes, offset)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.0.set_size(size)
    }

    fn sync(&self) -> io::Result<()> {
        drop(self.1.hold());
        match self.1.broken.load(Ordering::SeqCst) {
            true => Err(io::Error::other("the disk is broken")),
            false => self.0.sync(),
        }
    }
}

pub(crate) fn moody(folder: &TestFolder) -> (Server, Arc<Moods>) {
    let disk =
        Moody { folder: Arc::new(Folder::open(folder.path()).expect("a folder")), moods: Arc::default() };
    let moods = disk.moods.clone();
    (Server::with(|builder| builder.history_dir(folder.path()).history_disk(Arc::new(disk))), moods)
}

#[test]
fn a_full_disk_refuses_what_is_published_until_there_is_room() {
    let folder = TestFolder::new();
    let (server, moods) = moody(&folder);
    let mut subscriber = server.subscribe("");
    let first = server.publish(&json!({"data": 1}));
    moods.fill();
    for _ in 0..3 {
        let response = server.post(r#"{"data": "too much"}"#);
        let problem: Value = response.json();
        assert_eq!((response.status(), &problem["type"]), (507, &json!("urn:fanfare:problem:disk-full")));
        let error = server.publisher.publish(Publication::new(text(1), Target::all()));
        assert!(matches!(error, Err(PublishError::Append(AppendError::DiskFull))), "{error:?}");
    }
    // All else goes on.
    assert_eq!(server.connect().get("/readyz").status(), 200);
    let mut replayed = server.resume("", &first.replace("-1", "-0"));
    assert_eq!((replayed.reason(), replayed.next().id), (None, Some(first.clone())));
    moods.empty();
    let second = server.publish(&json!({"data": 2}));
    assert_eq!(parts(&second).1, 2, "nothing was kept of what was refused");
    assert_eq!(
        subscriber.take(2).into_iter().filter_map(|message| message.id).collect::<Vec<_>>(),
        [first, second]
    );
    let metrics = server.connect().get("/metrics").text().to_owned();
    assert!(metrics.contains("fanfare_history_refused_total{reason=\"full\"} 6\n"), "{metrics}");
}

#[test]
fn a_failed_sync_ends_publishing_until_a_restart() {
    let folder = TestFolder::new();
    let (server, moods) = moody(&folder);
    let mut subscriber = server.subscribe("");
    let first = server.publish(&json!({"data": 1}));
    moods.broken.store(true, Ordering::SeqCst);
    assert_eq!(server.post(r#"{"data": "lost"}"#).status(), 503);
    // The disk is better, but nobody knows what it holds.
    moods.broken.store(false, Ordering::SeqCst);
    let response = server.post(r#"{"data": "after"}"#);
    assert_eq!((response.status(), response.field("retry-after")), (503, Some("1")));
    let ready = server.connect().get("/readyz");
    assert_eq!(ready.status(), 503);
    assert!(ready.text().contains("restart"), "{}", ready.text());
    assert_eq!(server.connect().get("/healthz").status(), 200);
    let disk = server.stats().engine.history.disk.expect("a disk");
    assert!(disk.failed, "{disk:?}");
    let mut replayed = server.resume("", &first.replace("-1", "-0"));
    assert_eq!((replayed.reason(), replayed.next().id), (None, Some(first.clone())));
    assert_eq!(subscriber.next().id, Some(first.clone()));
    drop(server);
    let server = on(&folder);
    assert_eq!(server.connect().get("/readyz").status(), 200);
    let mut again = server.resume("", &first);
    assert_eq!(again.reason(), None, "it was kept, and acknowledged");
    let next = server.publish(&json!({"data": 2}));
    let (old, new) = (parts(&first), parts(&next));
    assert!(new.0 > old.0, "a new epoch: what was refused may have been kept");
    let mut later = vec![again.next()];
    while later.last().is_some_and(|message| message.id.as_ref() != Some(&next)) {
        later.push(again.next());
    }
    let data: Vec<&str> = later.iter().map(|message| &*message.data).collect();
    assert!(!data.contains(&r#""after""#), "{data:?}");
}

#[test]
fn history_ages_on_disk_and_whom_it_concerns_is_told() {
    let folder = TestFolder::new();
    let server = Server::with(|builder| {
        builder.history_dir(folder.path()).history_memory(64 << 10).history_bytes(1 << 20)
    });
    let ada = server.publish(&json!({"data": 0, "to": {"user": "ada"}}));
    let (epoch, _) = parts(&ada);
    let before = format!("{epoch}-0");
    let large = "x".repeat(20_000);
    eventually("old segments are removed", || {
        let events = (0..10).map(|n| {
            let event = Event::json("tick", &json!([n, large])).expect("an event");
            Publication::new(event, Target::user("bob"))
        });
        server.publisher.publish_all(events.collect()).expect("room");
        server.resume("?userId=ada", &before).reason().is_some()
    });
    assert_eq!(server.resume("?userId=ada", &before).reason().as_deref(), Some("expired"));
    assert_eq!(server.resume("?userId=ada", &ada).reason(), None, "nothing of ada's is lost since");
    assert_eq!(server.resume("?userId=bob", &before).reason().as_deref(), Some("expired"));
    assert_eq!(server.resume("?userId=eve", &before).reason(), None, "nothing of eve's is lost");
    let disk = server.stats().engine.history.disk.expect("a disk");
    assert!(disk.bytes < 3 << 20, "{disk:?}");
}
