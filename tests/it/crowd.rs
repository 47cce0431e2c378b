//! A crowd of random subscribers that come and go, and random publications: everybody gets exactly what the model
//! says, in order, over all their streams together.

use fanfare::{EngineBuilder, Event, Publication};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::model::{Address, Identity};
use crate::server::{Server, id_of, parts};
use crate::support::client::Connection;
use crate::support::clock::unix_ms;
use crate::support::sse::Message;
use crate::support::subscriber::Subscriber;

const SUBSCRIBERS: usize = 50;
const PUBLICATIONS: usize = 1000;

/// One subscriber: the stream that it has open, and those that it had.
struct Member {
    identity: Identity,
    stream: Option<Subscriber>,
    /// What it would send as `Last-Event-ID`.
    place: Option<String>,
    stays: Vec<Stay>,
}

/// What one stream brought.
struct Stay {
    client: String,
    after: u64,
    received: Vec<(u64, String)>,
}

struct Published {
    seq: u64,
    address: Address,
    data: String,
}

impl Member {
    fn come(&mut self, server: &Server) {
        let query = self.identity.query();
        let stream = match &self.place {
            None => server.subscribe(&query),
            Some(place) => server.resume(&query, place),
        };
        if let Some(place) = &self.place {
            assert_eq!((stream.reason(), stream.last_event_id()), (None, &**place));
        }
        let after = parts(stream.last_event_id()).1;
        self.stays.push(Stay { client: stream.client_id(), after, received: Vec::new() });
        self.stream = Some(stream);
    }

    /// Takes some of what has arrived, and breaks off; the rest is lost on the way.
    fn go(&mut self, rng: &mut Rng) {
        let Some(mut stream) = self.stream.take() else { return };
        while stream.read_for(std::time::Duration::from_millis(1)) && rng.u8(..8) > 0 {}
        let count = rng.usize(..=stream.ready());
        let messages = stream.take(count);
        self.place = Some(stream.last_event_id().to_owned());
        self.receive(messages);
    }

    fn receive(&mut self, messages: Vec<Message>) {
        let brief = |message: Message| {
            let seq = parts(message.id.as_deref().expect("an id")).1;
            (seq, message.data)
        };
        self.stays.last_mut().expect("a stream").received.extend(messages.into_iter().map(brief));
    }

    /// Holds what it got against what the model says.
    fn check(&self, all: &[Published], seed: u64) {
        for (n, stay) in self.stays.iter().enumerate() {
            // It broke off after its last event, and went on there; all before that must have come.
            let until = self.stays.get(n + 1).map_or(u64::MAX, |next| next.after);
            let expected: Vec<(u64, String)> = all
                .iter()
                .filter(|published| published.seq > stay.after && published.seq <= until)
                .filter(|published| published.address.means(&self.identity, &stay.client))
                .map(|published| (published.seq, published.data.clone()))
                .collect();
            assert_eq!(stay.received, expected, "seed {seed}, stream {n} of {:?}", self.identity);
        }
    }
}

/// Publishes one to five events in one of the three ways.
fn publish(rng: &mut Rng, server: &Server, connection: &mut Connection, batch: &[(Address, Value)]) -> u64 {
    let line = |(address, data): &(Address, Value)| {
        let mut publication = json!({"event": "n", "data": data});
        address.write(&mut publication);
        publication.to_string()
    };
    match rng.u8(..3) {
        0 => {
            let publication = |(address, data): &(Address, Value)| {
                Publication::new(Event::json("n", data).expect("an event"), address.target())
            };
            let batch = batch.iter().map(publication).collect();
            server.publisher.publish_all(batch).expect("room").expect("ids").0.seq
        }
        1 if batch.len() == 1 => parts(&id_of(&connection.post("/api/sse/events", line(&batch[0])))).1,
        _ => {
            let lines: Vec<String> = batch.iter().map(line).collect();
            let fields = "Content-Type: application/x-ndjson\r\n";
            let response = connection.request("POST", "/api/sse/events", fields, lines.join("\n"));
            parts(response.json()["firstId"].as_str().expect("an id")).1
        }
    }
}

fn run(seed: u64, padding: usize, configure: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Server {
    let mut rng = Rng::with_seed(seed);
    let server = Server::with(configure);
    let mut connection = server.connect();
    let member = |rng: &mut Rng| Member {
        identity: Identity::random(rng),
        stream: None,
        place: None,
        stays: Vec::new(),
    };
    let mut members: Vec<Member> = (0..SUBSCRIBERS).map(|_| member(&mut rng)).collect();
    members.iter_mut().for_each(|member| member.come(&server));
    let mut all: Vec<Published> = Vec::new();
    while all.len() < PUBLICATIONS {
        let clients: Vec<String> =
            members.iter().map(|member| member.stays.last().expect("a stream").client.clone()).collect();
        let count = if rng.u8(..4) == 0 { rng.usize(1..=5) } else { 1 };
        let event = |n: usize| json!([n, "x".repeat(padding)]);
        let batch: Vec<(Address, Value)> =
            (0..count).map(|n| (Address::random(&mut rng, &clients), event(all.len() + n))).collect();
        let first = publish(&mut rng, &server, &mut connection, &batch);
        assert_eq!(first, all.len() as u64 + 1, "seed {seed}: ids have no holes");
        for (seq, (address, data)) in (first..).zip(batch) {
            all.push(Published { seq, address, data: data.to_string() });
        }
        if rng.u8(..4) == 0 {
            let member = &mut members[rng.usize(..SUBSCRIBERS)];
            match member.stream {
                Some(_) => member.go(&mut rng),
                None => member.come(&server),
            }
        }
    }
    members.iter_mut().filter(|member| member.stream.is_none()).for_each(|member| member.come(&server));
    server.publish(&json!({"event": "end", "data": null}));
    for member in &mut members {
        let rest = member.stream.as_mut().expect("all are here").before("end");
        member.receive(rest);
        member.check(&all, seed);
    }
    let comings: usize = members.iter().map(|member| member.stays.len()).sum();
    let received: usize =
        members.iter().flat_map(|member| &member.stays).map(|stay| stay.received.len()).sum();
    assert!(
        comings > 2 * SUBSCRIBERS && received > 5 * PUBLICATIONS,
        "{comings} {received}: it tests something"
    );
    server
}

#[test]
fn everybody_gets_exactly_what_is_for_them() {
    for seed in [1, 2, unix_ms()] {
        run(seed, 0, |builder| builder.workers(3));
    }
}

#[test]
fn so_they_do_when_they_fall_behind() {
    for seed in [3, unix_ms()] {
        let server = run(seed, 3000, |builder| builder.max_backlog(8 * 1024).unsent_limit(4096));
        let engine = server.stats().engine;
        assert!(engine.lags > 0 && engine.slow_clients_closed == 0, "{engine:?}");
    }
}
