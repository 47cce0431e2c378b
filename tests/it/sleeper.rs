//! Event loops without a stream are not woken by what is published; none of it shows once they have one.

use std::thread;

use fanfare::Target;

use crate::server::{Server, parts};

#[test]
fn who_comes_after_a_sleep_is_greeted_with_the_newest_id() {
    // Few enough to be slept through, and more than are.
    for events in [1, 100, 3000] {
        let server = Server::start();
        let ids: Vec<_> = (0..events)
            .map(|n| server.publisher.send_update(&n, Target::all()).expect("room").to_string())
            .collect();
        // On either loop.
        for _ in 0..4 {
            let subscriber = server.subscribe("");
            assert_eq!(Some(subscriber.last_event_id()), ids.last().map(String::as_str), "after {events}");
        }
        let mut subscriber = server.subscribe("");
        let id = server.publisher.send_update(&"news", Target::all()).expect("room");
        let message = subscriber.next();
        assert_eq!((message.id, &*message.data), (Some(id.to_string()), "\"news\""));
    }
}

#[test]
fn who_comes_while_events_are_published_gets_all_from_its_greeting_on() {
    let server = Server::start();
    for round in 0..20 {
        let publisher = server.publisher.clone();
        let publishing = thread::spawn(move || {
            for n in 1..500 {
                publisher.send_update(&n, Target::all()).expect("room");
            }
            publisher.send_update(&500, Target::all()).expect("room").to_string()
        });
        let mut streams: Vec<_> = (0..4).map(|_| server.subscribe("")).collect();
        let (_, last) = parts(&publishing.join().expect("a publisher"));
        for stream in &mut streams {
            let (_, mut seq) = parts(stream.connection().id.as_deref().expect("an id"));
            // The very last event comes, too: nobody slept through the end.
            while seq < last {
                let (_, next) = parts(stream.next().id.as_deref().expect("an id"));
                assert_eq!(next, seq + 1, "round {round}");
                seq = next;
            }
        }
    }
}
