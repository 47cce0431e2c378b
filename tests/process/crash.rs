//! A server with a history on disk that is killed again and again, under publishers and subscribers that come back.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::server::{Server, alone, command, patient};
use crate::support::client::request;
use crate::support::clock::{Deadline, PATIENCE, eventually};
use crate::support::folder::TestFolder;
use crate::support::response::{Part, ResponseReader};
use crate::support::stream::StreamReader;

/// Rounds of a run; `FANFARE_CRASHES` asks for another number.
const ROUNDS: usize = 100;
const PUBLISHERS: usize = 4;
/// How long nothing may come before a reader looks around.
const MOMENT: Duration = Duration::from_millis(50);

/// What publishers were told.
#[derive(Default)]
struct Ledger {
    /// The batches by their numbers, each with what was answered. `None`: nobody knows what became of it.
    batches: BTreeMap<usize, Published>,
}

struct Published {
    count: usize,
    user: Option<&'static str>,
    /// The ids of the first and the last event.
    ids: Option<(String, String)>,
}

/// Where the server is, for those who come back. It is no address while there is none.
#[derive(Default)]
struct Whereabouts {
    address: Mutex<Option<SocketAddr>>,
    /// Nothing more is published.
    is_over: AtomicBool,
}

impl Whereabouts {
    fn set(&self, address: Option<SocketAddr>) {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }

    /// A connection, as soon as there is a server, and while `goes_on`.
    fn connect_while(&self, goes_on: impl Fn() -> bool) -> Option<TcpStream> {
        let deadline = Deadline::new();
        while goes_on() && deadline.left().is_some() {
            let address = *self.address.lock().unwrap_or_else(PoisonError::into_inner);
            let socket = address.and_then(|address| TcpStream::connect_timeout(&address, PATIENCE).ok());
            if let Some(socket) = socket {
                socket.set_read_timeout(Some(MOMENT)).expect("a timeout");
                return Some(socket);
            }
            thread::sleep(Duration::from_millis(2));
        }
        None
    }
}

/// Sends a request and reads its answer. `None` where the server dies before it is whole.
fn exchange(socket: &mut TcpStream, request: &[u8]) -> Option<(u16, Vec<u8>)> {
    socket.write_all(request).ok()?;
    let (mut reader, mut status, mut body) = (ResponseReader::new(), 0, Vec::new());
    let deadline = Deadline::new();
    loop {
        let mut input = [0; 4096];
        let count = match socket.read(&mut input) {
            Ok(0) => return None,
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                assert!(deadline.left().is_some(), "no answer within {PATIENCE:?}");
                continue;
            }
            Err(_) => return None,
        };
        for part in reader.push(&input[..count]) {
            match part {
                Part::Head(head) => status = head.status,
                Part::Data(data) => body.extend(data),
                Part::End => return Some((status, body)),
            }
        }
    }
}

/// Publishes events and batches until it is over.
fn publish(at: &Whereabouts, next: &AtomicUsize, ledger: &Mutex<Ledger>, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let goes_on = || !at.is_over.load(Ordering::SeqCst);
    let mut socket = at.connect_while(goes_on);
    while let Some(connected) = &mut socket {
        let number = next.fetch_add(1, Ordering::SeqCst);
        let count = if random.u8(..3) == 0 { random.usize(2..20) } else { 1 };
        let user = [None, Some("ada"), Some("bob")][random.usize(..3)];
        let to = user.map_or(json!("all"), |user| json!({"user": user}));
        let size = if random.u8(..8) == 0 { random.usize(..20_000) } else { random.usize(..200) };
        let line = |at: usize| json!({"data": [number, at, "x".repeat(size)], "to": to}).to_string();
        let body = (0..count).map(line).collect::<Vec<_>>().join("\n");
        let media_type = if count == 1 { "application/json" } else { "application/x-ndjson" };
        let fields = format!("Content-Type: {media_type}\r\n");
        let answer = exchange(connected, &request("POST", "/api/sse/events", &fields, body));
        let ids = answer.as_ref().map(|(status, body)| {
            let answer: Value = serde_json::from_slice(body).expect("JSON");
            assert_eq!(*status, 202, "{answer}");
            let id = |name: &str| answer[name].as_str().expect("an id").to_owned();
            if count == 1 { (id("id"), id("id")) } else { (id("firstId"), id("lastId")) }
        });
        if ids.is_none() {
            socket = at.connect_while(goes_on);
        } else if !goes_on() {
            socket = None;
        }
        let published = Published { count, user, ids };
        ledger.lock().unwrap_or_else(PoisonError::into_inner).batches.insert(number, published);
    }
}

/// Follows a stream until the event `last`, coming back with its id after each loss. Returns the data of each event by its
/// id, in the order in which they came.
fn follow(at: &Whereabouts, user: &str) -> Vec<(String, Value)> {
    let mut events: Vec<(String, Value)> = Vec::new();
    let mut position = String::new();
    while let Some(mut socket) = at.connect_while(|| true) {
        let fields =
            if position.is_empty() { String::new() } else { format!("Last-Event-ID: {position}\r\n") };
        let asked = request("GET", &format!("/api/sse?userId={user}"), &fields, "");
        if socket.write_all(&asked).is_err() {
            continue;
        }
        let (mut reader, mut taken) = (StreamReader::new(), 0);
        loop {
            let mut input = [0; 64 * 1024];
            match socket.read(&mut input) {
                Ok(0) => break,
                Ok(count) => reader.push(&input[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
            for message in &reader.messages[taken..] {
                let data: Value = serde_json::from_str(&message.data).expect("JSON");
                if message.event == "connection" {
                    let is_whole = position.is_empty() || data["recovered"] == json!(true);
                    assert!(is_whole, "{user} lost something behind {position:?}: {data}");
                } else {
                    events.push((message.id.clone().expect("an id"), data.clone()));
                }
                position.clone_from(&message.last_event_id);
                if data == json!("the end") {
                    return events;
                }
            }
            taken = reader.messages.len();
        }
    }
    panic!("{user} has not seen the end");
}

fn start(folder: &TestFolder, random: &mut fastrand::Rng) -> std::process::Command {
    let sync = ["always", "20ms", "never"][random.usize(..3)];
    // Segments are small, so that they are sealed and removed all the time.
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--history-dir",
        folder.text(),
        "--history-sync",
        sync,
        "--history-bytes",
        "32MiB",
        "--history-memory",
        "256KiB",
        "--workers",
        "2",
    ];
    let mut command = command(&args);
    patient(&mut command);
    command
}

/// Kills the server in the midst of what it does, some times while it starts, and starts it again.
fn kill_again_and_again(folder: &TestFolder, at: &Whereabouts, rounds: usize, random: &mut fastrand::Rng) {
    for round in 0..rounds {
        if random.u8(..4) == 0 {
            // A crash behind a crash: it has not come far.
            let mut child = start(folder, random).spawn().expect("the program is there");
            thread::sleep(Duration::from_micros(random.u64(..30_000)));
            child.kill().expect("a child");
            child.wait().expect("a child");
        }
        let mut server = Server::launch(start(folder, random));
        at.set(Some(server.address));
        thread::sleep(Duration::from_millis(random.u64(10..150)));
        assert!(server.is_running(), "round {round}");
        at.set(None);
        server.signal(Signal::KILL);
        server.exit_within(PATIENCE);
    }
}

/// What one subscriber got is what it was to get: each event at most once, in the order of the ids, the acknowledged ones
/// with the ids that were told, batches whole.
fn judge(events: &[(String, Value)], ledger: &Ledger, user: &str) {
    let key = |id: &str| {
        let (epoch, seq) = id.split_once('-').expect("an id");
        (epoch.parse::<u64>().expect("a number"), seq.parse::<u64>().expect("a number"))
    };
    assert!(events.windows(2).all(|two| key(&two[0].0) < key(&two[1].0)), "{user}: in order, each id once");
    let mut got: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for (id, data) in &events[..events.len() - 1] {
        let [number, at] = [0, 1].map(|place| data[place].as_u64().expect("a number") as usize);
        let ids = got.entry(number).or_default();
        assert_eq!(ids.len(), at, "{user}: {number} in order and once");
        ids.push(id);
    }
    let known: BTreeSet<&usize> = ledger.batches.keys().collect();
    assert!(got.keys().all(|number| known.contains(number)), "{user}: only what was published");
    for (number, Published { count, user: to, ids }) in &ledger.batches {
        let found = got.get(number);
        if to.is_some_and(|to| to != user) {
            assert!(found.is_none(), "{user}: {number} is for another");
            continue;
        }
        match (found, ids) {
            (None, Some(ids)) => panic!("{user}: {number} was acknowledged as {ids:?}, and is lost"),
            (None, None) => {}
            (Some(found), ids) => {
                assert_eq!(found.len(), *count, "{user}: {number} is whole");
                if let Some((first, last)) = ids {
                    assert_eq!((found[0], found[count - 1]), (&**first, &**last), "{user}: {number}");
                }
            }
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_kills_and_nothing_comes_twice() {
    let _alone = alone();
    let rounds =
        std::env::var("FANFARE_CRASHES").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let folder = TestFolder::new();
    let mut random = fastrand::Rng::with_seed(13);
    let at = Whereabouts::default();
    let (next, ledger) = (AtomicUsize::new(0), Mutex::new(Ledger::default()));
    thread::scope(|scope| {
        let followers = ["ada", "bob", "eve"].map(|user| {
            let at = &at;
            (user, scope.spawn(move || follow(at, user)))
        });
        // A stream has to begin before there is something to lose.
        let mut server = Server::launch(start(&folder, &mut random));
        at.set(Some(server.address));
        eventually("all follow", || server.stats()["totalConnections"] == 3);
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|seed| {
                let (at, next, ledger) = (&at, &next, &ledger);
                scope.spawn(move || publish(at, next, ledger, seed as u64))
            })
            .collect();
        at.set(None);
        server.signal(Signal::KILL);
        server.exit_within(PATIENCE);
        kill_again_and_again(&folder, &at, rounds, &mut random);
        at.is_over.store(true, Ordering::SeqCst);
        publishers.into_iter().for_each(|publisher| publisher.join().expect("no refusal"));
        let server = Server::launch(start(&folder, &mut random));
        crate::server::publish(&mut server.connect(), &json!({"data": "the end"}));
        at.set(Some(server.address));
        let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let acknowledged = ledger.batches.values().filter(|batch| batch.ids.is_some()).count();
        assert!(acknowledged > rounds, "there was something to lose: {acknowledged}");
        for (user, follower) in followers {
            judge(&follower.join().expect("no loss"), &ledger, user);
        }
    });
}
