//! Whom a publication reaches: every kind of target, unions, conditions and exceptions.

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::subscriber::Subscriber;

/// Streams by a letter each, in the order of their letters.
const CROWD: [(char, &str); 7] = [
    ('a', "?userId=ada&sessionId=s1&meta.room=1&meta.lang=de"),
    ('b', "?userId=ada&sessionId=s2&meta.room=2"),
    ('c', "?userId=bob&sessionId=s1&topic=orders.eu.created"),
    ('d', "?topic=orders.*.created&meta.room=1"),
    ('e', "?topic=orders.%3E&topic=news"),
    ('f', "?topic=%3E&meta.lang=de"),
    ('g', ""),
];

struct Crowd {
    server: Server,
    subscribers: Vec<Subscriber>,
}

impl Crowd {
    fn gather() -> Self {
        let server = Server::start();
        let subscribers = CROWD.iter().map(|(_, query)| server.subscribe(query)).collect();
        Self { server, subscribers }
    }

    fn id(&self, letter: char) -> String {
        let at = CROWD.iter().position(|(name, _)| *name == letter).expect("a letter");
        self.subscribers[at].client_id()
    }

    /// The letters of the streams that a publication reaches; each sees it once.
    fn reached(&mut self, address: Value) -> String {
        let mut publication = address;
        (publication["event"], publication["data"]) = (json!("news"), json!(1));
        let id = self.server.publish(&publication);
        self.server.publish(&json!({"event": "marker", "data": null}));
        let mut letters = String::new();
        for (subscriber, (letter, _)) in self.subscribers.iter_mut().zip(CROWD) {
            let messages = subscriber.before("marker");
            assert!(messages.len() <= 1, "{publication} reaches {letter} more than once");
            for message in messages {
                assert_eq!(message.id.as_ref(), Some(&id));
                letters.push(letter);
            }
        }
        letters
    }

    fn check(&mut self, address: Value, letters: &str) {
        assert_eq!(self.reached(address.clone()), letters, "{address}");
    }
}

#[test]
fn everyone() {
    let mut crowd = Crowd::gather();
    crowd.check(json!({}), "abcdefg");
    crowd.check(json!({"to": "all"}), "abcdefg");
}

#[test]
fn users_and_sessions() {
    let mut crowd = Crowd::gather();
    crowd.check(json!({"to": {"user": "ada"}}), "ab");
    crowd.check(json!({"to": {"user": ["ada", "bob", "nobody", "ada"]}}), "abc");
    crowd.check(json!({"to": {"user": []}}), "");
    crowd.check(json!({"to": {"user": "Ada"}}), "");
    crowd.check(json!({"to": {"user": ""}}), "");
    crowd.check(json!({"to": {"session": "s1"}}), "ac");
    crowd.check(json!({"to": {"session": ["s1", "s2"]}}), "abc");
}

#[test]
fn topics() {
    let mut crowd = Crowd::gather();
    crowd.check(json!({"to": {"topic": "orders.eu.created"}}), "cdef");
    crowd.check(json!({"to": {"topic": "orders.us.created"}}), "def");
    crowd.check(json!({"to": {"topic": "orders.eu"}}), "ef");
    crowd.check(json!({"to": {"topic": "orders"}}), "f");
    crowd.check(json!({"to": {"topic": "news"}}), "ef");
    crowd.check(json!({"to": {"topic": "News"}}), "f");
    crowd.check(json!({"to": {"topic": ["orders.eu.created", "news"]}}), "cdef");
}

#[test]
fn clients() {
    let mut crowd = Crowd::gather();
    let (a, c) = (crowd.id('a'), crowd.id('c'));
    crowd.check(json!({"to": {"client": a}}), "a");
    crowd.check(json!({"to": {"client": [a, c, a, "no-such-client"]}}), "ac");
    crowd.check(json!({"to": {"client": "no-such-client"}}), "");
    crowd.check(json!({"to": {"client": [&a[1..], &*format!("{a}0")]}}), "");
    let elsewhere = a.replace(&a[..8], if a.starts_with("00000000") { "11111111" } else { "00000000" });
    crowd.check(json!({"to": {"client": elsewhere}}), "");
}

#[test]
fn kinds_are_united() {
    let mut crowd = Crowd::gather();
    let g = crowd.id('g');
    crowd.check(json!({"to": {"user": "bob", "session": "s2"}}), "bc");
    crowd.check(json!({"to": {"user": "ada", "session": "s1"}}), "abc");
    crowd.check(json!({"to": {"user": "bob", "topic": "news", "client": g, "session": "s2"}}), "bcefg");
}

#[test]
fn metadata_narrow() {
    let mut crowd = Crowd::gather();
    crowd.check(json!({"to": {"where": {"room": "1"}}}), "ad");
    crowd.check(json!({"to": {"where": {"room": 1}}}), "ad");
    crowd.check(json!({"to": {"where": {"room": "1", "lang": "de"}}}), "a");
    crowd.check(json!({"to": {"user": ["ada", "bob"], "where": {"room": "2"}}}), "b");
    crowd.check(json!({"to": {"topic": "orders.eu.created", "where": {"lang": "de"}}}), "f");
    crowd.check(json!({"to": {"where": {"room": "3"}}}), "");
    crowd.check(json!({"to": {"where": {"none": ""}}}), "");
    crowd.check(json!({"to": {"user": [], "where": {"room": "1"}}}), "");
}

#[test]
fn exceptions() {
    let mut crowd = Crowd::gather();
    let g = crowd.id('g');
    crowd.check(json!({"except": {"user": "ada"}}), "cdefg");
    crowd.check(json!({"to": "all", "except": {"user": "ada", "client": g}}), "cdef");
    crowd.check(json!({"except": {"session": "s1", "topic": "news"}}), "bdg");
    crowd.check(json!({"except": {"topic": ["orders.eu.created"]}}), "abg");
    crowd.check(json!({"to": {"user": ["ada", "bob"]}, "except": {"session": "s1"}}), "b");
    crowd.check(json!({"to": {"where": {"room": "1"}}, "except": {"user": "ada"}}), "d");
    crowd.check(json!({"to": {"user": "ada"}, "except": {"user": "ada"}}), "");
    crowd.check(json!({"except": {"user": "nobody"}}), "abcdefg");
    crowd.check(json!({"except": {"user": []}}), "abcdefg");
}

#[test]
fn a_replay_is_addressed_as_what_is_live() {
    let mut crowd = Crowd::gather();
    let start = crowd.server.newest();
    let a = crowd.id('a');
    let mut reached: Vec<String> = Vec::new();
    for address in [
        json!({"to": {"user": "ada"}}),
        json!({"to": {"topic": "orders.eu.created"}, "except": {"topic": "news"}}),
        json!({"to": {"topic": ["news", "orders.eu"]}}),
        json!({"to": {"where": {"lang": "de"}}, "except": {"user": "ada"}}),
        json!({"to": {"session": "s1", "user": "ada"}}),
        json!({}),
    ] {
        reached.push(crowd.reached(address));
    }
    crowd.server.publish(&json!({"event": "news", "data": 1, "to": {"client": a}}));
    for (letter, query) in CROWD {
        let mut resumed = crowd.server.resume(query, &start);
        for letters in &reached {
            let expected = usize::from(letters.contains(letter));
            assert_eq!(resumed.before("marker").len(), expected, "{letter} {letters}");
        }
        let end = crowd.server.publish(&json!({"event": "end", "data": null, "ttl": 0}));
        assert_eq!(resumed.next().id, Some(end), "a stream's name does not outlive it");
    }
}
