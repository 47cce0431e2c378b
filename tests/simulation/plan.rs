//! What is drawn from the seed: clients, addresses, events.

use fastrand::Rng;

use crate::client::Client;
use crate::model::{Address, Published, Who};

const NAMES: [&str; 4] = ["ada", "grace", "alan", "barbara"];
const TOPICS: [&str; 6] = ["a", "a.b", "a.c", "a.b.c", "d", "d.b"];
const PATTERNS: [&str; 10] = ["a", "a.b", "a.*", "a.>", "*.b", ">", "*", "d.>", "a.*.c", "d"];
const META: [(&str, &str); 4] = [("room", "1"), ("room", "2"), ("lang", "en"), ("lang", "fr")];
const PIECES: [&str; 10] = ["x", "\n", "\r", "\r\n", " ", "data: ", "é", "\u{2028}", ":", "id: 1"];

fn some<T: Clone>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())].clone()
}

fn sometimes<T>(rng: &mut Rng, one_in: u32, make: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    (rng.u32(..one_in) == 0).then(|| make(rng))
}

/// A client that has not connected yet.
pub(crate) fn client(rng: &mut Rng) -> Client {
    let mut topics: Vec<String> = (0..rng.usize(..4)).map(|_| some(rng, &PATTERNS).to_owned()).collect();
    let mut meta: Vec<(String, String)> = Vec::new();
    for _ in 0..rng.usize(..3) {
        let (key, value) = some(rng, &META);
        if meta.iter().all(|(known, _)| known != key) {
            meta.push((key.to_owned(), value.to_owned()));
        }
    }
    topics.sort();
    topics.dedup();
    let mut who = Who {
        user: sometimes(rng, 2, |rng| some(rng, &NAMES).to_owned()),
        session: sometimes(rng, 2, |rng| format!("s-{}", some(rng, &NAMES))),
        topics,
        meta,
    };
    if rng.u32(..4) == 0 {
        who = Who::default();
    }
    Client { who, http10: rng.u32(..6) == 0, last_id: None, connection: None }
}

/// An id that no client would come to have by itself.
pub(crate) fn odd_id(rng: &mut Rng, epoch: u64, newest: u64) -> Option<String> {
    match rng.u32(..40) {
        0 => Some("nonsense".to_owned()),
        1 => Some(format!("{}-{}", epoch - 1, rng.u64(..50))),
        2 => Some(format!("{epoch}-{}", newest + rng.u64(1..50))),
        3 => Some(format!("{epoch}-{}", rng.u64(..=newest))),
        _ => None,
    }
}

fn address(rng: &mut Rng, ids: &[String]) -> Address {
    let names =
        |rng: &mut Rng| (0..rng.usize(1..3)).map(|_| some(rng, &NAMES).to_owned()).collect::<Vec<_>>();
    let mut to = Address::default();
    for _ in 0..rng.usize(1..3) {
        match rng.u32(..4) {
            0 => to.users = names(rng),
            1 => to.sessions = names(rng).into_iter().map(|name| format!("s-{name}")).collect(),
            2 => to.topics = (0..rng.usize(1..3)).map(|_| some(rng, &TOPICS).to_owned()).collect(),
            _ if !ids.is_empty() => to.clients = vec![some(rng, ids)],
            _ => to.users = names(rng),
        }
    }
    to
}

fn text(rng: &mut Rng, max_backlog: usize) -> String {
    let mut text: String = (0..rng.usize(..12)).map(|_| some(rng, &PIECES)).collect();
    match rng.u32(..60) {
        0 => text.push_str(&"L".repeat(rng.usize(..max_backlog * 3 / 2))),
        1..10 => text.push_str(&"m".repeat(rng.usize(..2_000))),
        _ => {}
    }
    text
}

/// The next event.
pub(crate) fn published(rng: &mut Rng, seq: u64, ids: &[String], max_backlog: usize) -> Published {
    let everyone = Address { everyone: true, ..Address::default() };
    let mut to = if rng.u32(..10) < 4 { everyone } else { address(rng, ids) };
    for _ in 0..sometimes(rng, 5, |rng| rng.usize(1..3)).unwrap_or(0) {
        let (key, value) = some(rng, &META);
        if to.meta.iter().all(|(known, _)| known != key) {
            to.meta.push((key.to_owned(), value.to_owned()));
        }
    }
    let by_closure = to.everyone && !to.meta.is_empty() && rng.bool();
    let except = if by_closure { None } else { sometimes(rng, 5, |rng| address(rng, ids)) };
    Published {
        seq,
        to,
        except,
        by_closure,
        name: some(rng, &["update", "message", "notification", "my event"]).to_owned(),
        text: text(rng, max_backlog),
        ttl: sometimes(rng, 6, |rng| some(rng, &[0, 0, 1, 30])),
    }
}
