//! Where a stream begins without an id, and reading what history holds; in memory and on disk.

use std::time::Duration;

use fanfare::{Denial, Identity};
use serde_json::{Value, json};

use crate::server::{Server, parts};
use crate::support::clock::{eventually, unix_ms};
use crate::support::folder::TestFolder;
use crate::support::sse::Message;
use crate::support::subscriber::Subscriber;

/// A server for each kind of history, and the folder of the second.
fn servers() -> (Server, Server, TestFolder) {
    let folder = TestFolder::new();
    let on_disk = Server::with(|builder| builder.history_dir(folder.path()).history_memory(64 << 10));
    (Server::start(), on_disk, folder)
}

fn seqs(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| parts(message.id.as_deref().expect("an id")).1).collect()
}

/// The place before the first event that a stream was to begin with, and all its events up to a last one.
fn begun(server: &Server, query: &str) -> (Option<String>, u64, Vec<u64>) {
    let mut stream = server.subscribe(query);
    let last = server.publish(&json!({"event": "last", "data": null}));
    let (reason, at) = (stream.reason(), parts(stream.last_event_id()).1);
    let mut messages = Vec::new();
    while messages.last().is_none_or(|message: &Message| message.id.as_ref() != Some(&last)) {
        messages.push(stream.next());
    }
    messages.retain(|message| message.event != "last");
    (reason, at, seqs(&messages))
}

fn get(server: &Server, query: &str) -> Value {
    let response = server.connect().get(&format!("/api/sse/events{query}"));
    assert_eq!(response.status(), 200, "{query}: {}", response.text());
    response.json()
}

fn ids(page: &Value) -> Vec<u64> {
    let id = |event: &Value| parts(event["id"].as_str().expect("an id")).1;
    page["events"].as_array().expect("events").iter().map(id).collect()
}

#[test]
fn a_stream_begins_with_all_that_history_holds_for_it() {
    let (memory, disk, _folder) = servers();
    for server in [&memory, &disk] {
        let empty = server.subscribe("?userId=ada&lastEventId=earliest");
        assert_eq!((empty.reason(), parts(empty.last_event_id()).1), (None, 0), "before any event");
        for n in 1..=600 {
            let to = if n % 3 == 0 { "ada" } else { "bob" };
            server.publish(&json!({"data": [n, "x".repeat(300)], "to": {"user": to}}));
        }
        let wanted: Vec<u64> = (1..=600).filter(|n| n % 3 == 0).collect();
        for query in ["?userId=ada&lastEventId=earliest", "?userId=ada&since=1h", "?userId=ada&since=0"] {
            assert_eq!(begun(server, query), (None, 2, wanted.clone()), "{query}");
        }
        let nobody = begun(server, "?userId=eve&lastEventId=earliest");
        assert_eq!((nobody.0, nobody.2), (None, vec![]));
        // The position of a client that comes back counts.
        let epoch = server.stats().engine.history.epoch;
        for query in ["?userId=ada&lastEventId=earliest", "?userId=ada&since=1h"] {
            let mut again = server.resume(query, &format!("{epoch}-597"));
            assert_eq!((again.reason(), seqs(&again.take(1))), (None, vec![600]));
        }
        let mut by_query = server.subscribe(&format!("?userId=ada&since=1h&lastEventId={epoch}-594"));
        assert_eq!((by_query.reason(), seqs(&by_query.take(2))), (None, vec![597, 600]));
        let mut invalid = server.resume("?userId=ada&since=1h", "nonsense");
        assert_eq!((invalid.reason(), seqs(&invalid.take(1))), (None, vec![3]), "not an id of ours");
    }
}

#[test]
fn a_stream_begins_with_what_was_published_since_a_time() {
    let (memory, disk, _folder) = servers();
    for server in [&memory, &disk] {
        (1..=50).for_each(|n| drop(server.publish(&json!({"data": n}))));
        // The time of an event is that of the clock when the server took it.
        let before = unix_ms();
        eventually("time goes on", || unix_ms() > before + 2);
        let between = unix_ms();
        eventually("time goes on", || unix_ms() > between + 2);
        (51..=80).for_each(|n| drop(server.publish(&json!({"data": n}))));
        let (reason, at, got) = begun(server, &format!("?since={between}"));
        assert_eq!((reason, at), (None, 50));
        assert_eq!(got, (51..=80).collect::<Vec<_>>());
        let after = unix_ms();
        eventually("time goes on", || unix_ms() > after + 2);
        let (reason, at, got) = begun(server, "?since=0s");
        assert_eq!((reason, at, got), (None, 81, vec![]), "the newest is the last of the stream before");
    }
}

#[test]
fn times_that_are_none_are_refused() {
    let server = Server::start();
    for query in [
        "since=soon",
        "since=10x",
        "since=-5s",
        "since=1.5h",
        "since=10%20m",
        "since=99999999999999999999s",
        "since=1h&since=1h",
        "since=1h&lastEventId=earliest",
    ] {
        assert_eq!(server.connect().get(&format!("/api/sse?{query}")).status(), 400, "{query}");
    }
    let to_come = format!("/api/sse?since={}", unix_ms() + 60_000);
    assert!(server.connect().get(&to_come).problem(400).contains("a time to come"));
    for near in ["Since=1h", "since_ms=1", "since[]=1"] {
        let response = server.connect().get(&format!("/api/sse?{near}"));
        assert!(response.problem(400).contains("use since"), "{near}");
    }
    assert_eq!(server.subscribe("?since=").reason().as_deref(), Some("none"), "an empty one is none");
}

#[test]
fn what_history_dropped_since_is_told() {
    let folder = TestFolder::new();
    let memory = Server::with(|builder| builder.history(10, 64 << 20, Duration::from_secs(3600)));
    let disk = Server::with(|builder| {
        builder.history_dir(folder.path()).history_bytes(1 << 20).history_memory(64 << 10)
    });
    for (server, size) in [(&memory, 10), (&disk, 30_000)] {
        server.publish(&json!({"data": 0, "to": {"user": "ada"}}));
        let large = "x".repeat(size);
        eventually("the first is dropped", || {
            (0..20).for_each(|n| drop(server.publish(&json!({"data": [n, large], "to": {"user": "bob"}}))));
            server.subscribe("?userId=ada&lastEventId=earliest").reason().is_some()
        });
        for begin in ["lastEventId=earliest", "since=1h", "since=0"] {
            let of = |user: &str| server.subscribe(&format!("?userId={user}&{begin}")).reason();
            assert_eq!(of("ada").as_deref(), Some("expired"), "{begin}");
            assert_eq!(of("bob").as_deref(), Some("expired"), "{begin}");
            assert_eq!(of("eve"), None, "nothing of eve's was dropped");
        }
        let page = get(server, "");
        assert_eq!(page["reason"], "expired");
        assert!(!ids(&page).contains(&1), "{page}");
        assert_eq!(get(server, "?user=ada")["reason"], "expired");
    }
}

#[test]
fn history_is_read_in_pages() {
    let (memory, disk, _folder) = servers();
    for server in [&memory, &disk] {
        assert_eq!(get(server, ""), json!({"events": [], "next": null}));
        let began = unix_ms();
        for n in 1..=250 {
            server.publish(&json!({"event": "tick", "data": n, "to": {"topic": format!("t.{}", n % 5)}}));
        }
        let first = get(server, "");
        assert_eq!(ids(&first), (1..=100).collect::<Vec<_>>(), "a hundred where nobody says how many");
        let event = &first["events"][0];
        let published = event["publishedAt"].as_u64().expect("a time");
        assert!(published + 1_000 >= began && published <= unix_ms() + 1_000, "{event}");
        assert_eq!(event["to"], json!({"topic": "t.1"}));
        assert_eq!((&event["event"], &event["data"]), (&json!("tick"), &json!(1)));
        for limit in [1, 7, 99, 250, 1000] {
            let (mut all, mut after) = (Vec::new(), "earliest".to_owned());
            loop {
                let page = get(server, &format!("?limit={limit}&after={after}"));
                assert!(ids(&page).len() <= limit);
                all.extend(ids(&page));
                match page["next"].as_str() {
                    Some(next) => next.clone_into(&mut after),
                    None => break,
                }
            }
            assert_eq!(all, (1..=250).collect::<Vec<_>>(), "{limit}");
        }
        let filtered = get(server, "?topic=t.0&topic=t.*&limit=1000");
        assert_eq!(ids(&filtered).len(), 250);
        let filtered = get(server, "?topic=t.0&limit=1000");
        assert_eq!(ids(&filtered), (1..=250).filter(|n| n % 5 == 0).collect::<Vec<_>>());
    }
}

#[test]
fn filters_are_united_and_leave_out_what_goes_to_everyone() {
    let (memory, disk, _folder) = servers();
    for server in [&memory, &disk] {
        for to in [
            json!("all"),
            json!({"user": "ada"}),
            json!({"user": ["bob", "ada"], "where": {"room": "5"}}),
            json!({"session": "s"}),
            json!({"topic": ["a.b", "c"]}),
            json!({"user": "bob"}),
            json!({"where": {"room": "5"}}),
        ] {
            server.publish(&json!({"data": 1, "to": to}));
        }
        assert_eq!(ids(&get(server, "?user=ada")), [2, 3]);
        assert_eq!(ids(&get(server, "?user=ada&session=s")), [2, 3, 4]);
        assert_eq!(ids(&get(server, "?topic=a.*&user=bob")), [3, 5, 6]);
        assert_eq!(ids(&get(server, "?topic=%3E")), [5]);
        assert_eq!(ids(&get(server, "?user=nobody")), [0; 0]);
        assert_eq!(ids(&get(server, "")), [1, 2, 3, 4, 5, 6, 7]);
    }
}

#[test]
fn an_event_is_shown_as_it_was_published() {
    let (memory, disk, _folder) = servers();
    for server in [&memory, &disk] {
        let data = r#"{"b":1.0,"a":12345678901234567890123,"e":1e300,"s":"\u0041"}"#;
        let publications = [
            format!(r#"{{"data":{data},"except":{{"session":"s"}}}}"#),
            r#"{"event":"log","text":"one\n\ntwo\n","to":{"client":"3f2a9c4d8b1e07c6f5d4a3920e1b7c68"}}"#
                .to_owned(),
            r#"{"data":null,"to":{"where":{"room":"5"}},"retry":5000}"#.to_owned(),
            r#"{"data":"never held","ttl":0}"#.to_owned(),
        ];
        for publication in &publications {
            assert_eq!(server.post(publication).status(), 202, "{publication}");
        }
        let response = server.connect().get("/api/sse/events");
        assert!(response.text().contains(&format!("\"data\":{data}")), "byte for byte: {}", response.text());
        let page = response.json();
        let events = page["events"].as_array().expect("events");
        assert_eq!(events.len(), 3, "{page}");
        assert_eq!((&events[0]["to"], &events[0]["except"]), (&json!("all"), &json!({"session": "s"})));
        assert_eq!((&events[0]["event"], events[0].get("text")), (&json!("message"), None));
        assert_eq!((&events[1]["text"], events[1].get("data")), (&json!("one\n\ntwo\n"), None));
        assert_eq!(events[1]["to"], json!({"client": "3f2a9c4d8b1e07c6f5d4a3920e1b7c68"}));
        assert_eq!((&events[2]["data"], &events[2]["to"]), (&Value::Null, &json!({"where": {"room": "5"}})));
    }
}

#[test]
fn only_administrators_read_history() {
    let server = Server::with(|builder| {
        builder.authenticate(|head: &fanfare::RequestHead<'_>| match head.bearer() {
            Some("admin") => Ok(Identity::new().allow_admin()),
            Some(user) => Ok(Identity::new().user(user).allow_publish()),
            None => Err(Denial::Unauthorized("who are you?".into())),
        })
    });
    let status = |fields: &str| server.connect().request("GET", "/api/sse/events", fields, "").status();
    assert_eq!(status(""), 401);
    assert_eq!(status("Authorization: Bearer ada\r\n"), 403);
    assert_eq!(status("Authorization: Bearer admin\r\n"), 200);
}

#[test]
fn questions_that_cannot_be_answered_are_refused() {
    let server = Server::start();
    server.publish(&json!({"data": 1}));
    for query in [
        "?after=x",
        "?limit=0",
        "?limit=1001",
        "?limit=x",
        "?userId=ada",
        "?topics=a",
        "?user=",
        "?topic=a..b",
        "?user=a&user=b",
        "?after=%zz",
    ] {
        let status = server.connect().get(&format!("/api/sse/events{query}")).status();
        assert_eq!(status, 400, "{query}");
    }
    let head = server.connect().request("HEAD", "/api/sse/events", "", "");
    assert_eq!((head.status(), head.field("content-type")), (200, Some("application/json")));
    // Of another history, and beyond the newest: what is held is told, and that it is not what was asked for.
    for (after, reason) in [("7-1", "epoch"), ("9999999999999-1", "epoch")] {
        let page = get(&server, &format!("?after={after}"));
        assert_eq!((ids(&page), &page["reason"]), (vec![1], &json!(reason)));
    }
    let epoch = server.stats().engine.history.epoch;
    let page = get(&server, &format!("?after={epoch}-9"));
    assert_eq!((ids(&page), &page["reason"]), (vec![1], &json!("future")));
    let response = server.connect().request("PUT", "/api/sse/events", "", "");
    assert_eq!((response.status(), response.field("allow")), (405, Some("GET, HEAD, POST, OPTIONS")));
}

/// Pages and publishing at once: nothing twice, nothing missing.
#[test]
fn pages_go_on_while_events_are_published() {
    let (memory, disk, _folder) = servers();
    for server in [&memory, &disk] {
        let mut reader = server.connect();
        let (mut all, mut after) = (Vec::new(), "earliest".to_owned());
        for n in 0..200 {
            server.publish(&json!({"data": [n, "x".repeat(n * 10)]}));
            let page = reader.get(&format!("/api/sse/events?limit=3&after={after}")).json();
            all.extend(ids(&page));
            if let Some(last) = page["events"].as_array().expect("events").last() {
                last["id"].as_str().expect("an id").clone_into(&mut after);
            }
        }
        assert_eq!(all, (1..=200).collect::<Vec<_>>());
    }
}

#[test]
fn an_event_that_has_expired_is_not_read() {
    let (memory, disk, _folder) = servers();
    for server in [&memory, &disk] {
        server.publish(&json!({"data": 1, "ttl": 1}));
        server.publish(&json!({"data": 2}));
        eventually("it expires", || ids(&get(server, "")) == [2]);
        let (reason, _, got) = begun(server, "?lastEventId=earliest");
        assert_eq!((reason, got), (None, vec![2]), "that is no loss");
        drop(Subscriber::open(server.address, "/api/sse", ""));
    }
}
