//! A client: what it asks for, what it has seen, and whether that is right.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::Value;

use crate::model::{Published, Who};
use crate::socket::Pipe;
use crate::stream::StreamReader;

/// One client over all its connections.
pub(crate) struct Client {
    pub who: Who,
    pub http10: bool,
    /// What it would send as `Last-Event-ID`.
    pub last_id: Option<String>,
    pub connection: Option<Connection>,
}

/// One connection of a client.
pub(crate) struct Connection {
    pub pipe: Rc<RefCell<Pipe>>,
    pub shard: usize,
    pub slot: u32,
    /// Of the request, not yet sent.
    pub head: Vec<u8>,
    /// The id it was opened with.
    asked: Option<String>,
    /// The newest event when it was opened.
    newest_at_open: u64,
    reader: StreamReader,
    /// Messages looked at.
    seen: usize,
    pub greeting: Option<Greeting>,
    /// The last event that was received or need not be.
    at: u64,
    /// What the server said at the end, if it did: that it ends, or that history does not answer.
    pub farewell: Option<Farewell>,
    /// History will not answer it.
    pub forsaken: bool,
    /// Its permission may end before anything else does.
    pub expires: bool,
    /// In a drain, it had to be sent history first.
    pub was_behind: bool,
}

/// The `connection` event at the end of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Farewell {
    /// The server ends; the client comes back after so many ms.
    Draining(u64),
    /// History did not answer.
    Refused,
}

/// What its `connection` event said.
pub(crate) struct Greeting {
    pub client_id: String,
    pub reason: String,
    /// It says that something is lost, though nothing that it could have seen is.
    pub false_alarm: bool,
}

impl Client {
    /// The request for a stream.
    pub(crate) fn request(&self, epoch: u64, odd_id: Option<String>) -> (Vec<u8>, Option<String>) {
        let mut query = Vec::new();
        query.extend(self.who.user.iter().map(|user| format!("userId={user}")));
        query.extend(self.who.session.iter().map(|session| format!("sessionId={session}")));
        query.extend(self.who.topics.iter().map(|topic| format!("topic={topic}")));
        query.extend(self.who.meta.iter().map(|(key, value)| format!("meta.{key}={value}")));
        let asked = odd_id.or_else(|| self.last_id.clone());
        let field = match &asked {
            Some(id) if epoch.is_multiple_of(2) => format!("Last-Event-ID: {id}\r\n"),
            Some(id) => {
                query.push(format!("lastEventId={id}"));
                String::new()
            }
            None => String::new(),
        };
        let version = if self.http10 { "1.0" } else { "1.1" };
        let query = query.join("&");
        let head = format!("GET /api/sse?{query} HTTP/{version}\r\nHost: localhost\r\n{field}\r\n");
        (head.into_bytes(), asked)
    }
}

impl Connection {
    pub(crate) fn new(pipe: Rc<RefCell<Pipe>>, head: Vec<u8>, asked: Option<String>, newest: u64) -> Self {
        Self {
            pipe,
            shard: 0,
            slot: 0,
            head,
            asked,
            newest_at_open: newest,
            reader: StreamReader::new(),
            seen: 0,
            greeting: None,
            at: 0,
            farewell: None,
            forsaken: false,
            expires: false,
            was_behind: false,
        }
    }

    /// The id it was opened with.
    pub(crate) fn asked(&self) -> Option<&str> {
        self.asked.as_deref()
    }

    /// Looks at what has arrived, and whether it is what should have.
    pub(crate) fn check(&mut self, who: &Who, epoch: u64, history: &[Published]) {
        let arrived = std::mem::take(&mut self.pipe.borrow_mut().arrived);
        self.reader.push(&arrived);
        while let Some(message) = self.reader.messages.get(self.seen).cloned() {
            self.seen += 1;
            assert!(self.farewell.is_none(), "something follows the farewell: {message:?}");
            match (message.event.as_str(), &message.id) {
                ("connection", Some(id)) => self.greet(who, epoch, history, id, &message.data, message.retry),
                ("connection", None) => self.say_farewell(&message.data, message.retry),
                ("ping", None) => assert!(message.data.starts_with("{\"timestamp\":"), "{message:?}"),
                (name, Some(id)) => self.event(who, epoch, history, id, name, &message.data),
                (_, None) => panic!("an event without an id: {message:?}"),
            }
        }
    }

    fn say_farewell(&mut self, data: &str, retry: Option<u64>) {
        let retry = retry.expect("when to come back");
        self.farewell = Some(match data {
            "{\"status\":\"draining\"}" => Farewell::Draining(retry),
            "{\"status\":\"refused\",\"reason\":\"history\"}" => {
                assert!(self.forsaken && self.greeting.is_none(), "refused while history answers");
                assert!((3_000..=12_000).contains(&retry), "{retry}");
                Farewell::Refused
            }
            _ => panic!("not a farewell: {data}"),
        });
    }

    fn seq(epoch: u64, id: &str) -> u64 {
        let (at, seq) = id.split_once('-').expect("an id");
        assert_eq!(at, epoch.to_string(), "epoch of {id}");
        seq.parse().expect("a count")
    }

    fn greet(
        &mut self,
        who: &Who,
        epoch: u64,
        history: &[Published],
        id: &str,
        data: &str,
        retry: Option<u64>,
    ) {
        assert!(self.greeting.is_none(), "a second greeting");
        assert_eq!(retry, Some(3000));
        let data: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(data["status"], "connected");
        assert_eq!(data["userId"].as_str(), who.user.as_deref());
        assert_eq!(data["sessionId"].as_str(), who.session.as_deref());
        let (start, recovered) = (Self::seq(epoch, id), data["recovered"].as_bool().expect("a bool"));
        let reason = data["reason"].as_str().unwrap_or_default().to_owned();
        let client_id = data["clientId"].as_str().expect("an id").to_owned();
        let newest = history.last().map_or(0, |event| event.seq);
        assert!(start <= newest, "goes on after an event that is not there: {id}");
        let false_alarm = self.check_continuity(who, epoch, history, &client_id, start, recovered, &reason);
        self.at = start;
        self.greeting = Some(Greeting { client_id, reason, false_alarm });
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one greeting")]
    fn check_continuity(
        &self,
        who: &Who,
        epoch: u64,
        history: &[Published],
        client_id: &str,
        start: u64,
        recovered: bool,
        reason: &str,
    ) -> bool {
        let given = self.asked.as_deref();
        let parsed = given.and_then(|id| id.split_once('-'));
        let parsed = parsed.and_then(|(e, s)| Some((e.parse::<u64>().ok()?, s.parse::<u64>().ok()?)));
        match (given, parsed) {
            (None, _) => assert_eq!((recovered, reason), (false, "none")),
            (Some(id), None) => assert_eq!((recovered, reason), (false, "invalid"), "{id}"),
            (Some(id), Some((at, _))) if at != epoch => {
                assert_eq!((recovered, reason), (false, "epoch"), "{id}")
            }
            (Some(id), Some((_, seq))) if seq > history.last().map_or(0, |event| event.seq) => {
                assert_eq!((recovered, reason), (false, "future"), "{id}");
            }
            (Some(_), Some((_, seq))) if recovered => assert_eq!(start, seq, "goes on where it left off"),
            (Some(id), Some((_, seq))) => {
                if reason == "future" {
                    assert!(seq > self.newest_at_open, "{id} was not beyond the newest");
                    return false;
                }
                assert_eq!(reason, "expired", "{id}");
                // Everything that it may have seen up to the new place is lost, and there is some.
                let lost = history.iter().filter(|event| event.seq > seq && event.seq <= start);
                let wild = who.topics.iter().any(|topic| topic.contains(['*', '>']));
                return !wild && !lost.into_iter().any(|event| event.may_be_for(who, client_id));
            }
        }
        false
    }

    fn event(&mut self, who: &Who, epoch: u64, history: &[Published], id: &str, name: &str, data: &str) {
        let seq = Self::seq(epoch, id);
        let greeting = self.greeting.as_ref().expect("a greeting first");
        assert!(seq > self.at, "{id} after {}: a repeat, or out of order", self.at);
        self.check_hole(who, history, &greeting.client_id, seq);
        let event = &history[seq as usize - 1];
        assert!(event.is_for(who, &greeting.client_id), "{id} is not for {who:?}: {event:?}");
        assert_eq!((name, data), (event.name.as_str(), event.data().as_str()), "what {id} says");
        self.at = seq;
    }

    /// Nothing that is for this client lies between the last event and that one.
    fn check_hole(&self, who: &Who, history: &[Published], client_id: &str, before: u64) {
        let exempt = self.asked.is_some() || self.pipe.borrow().was_blocked;
        for event in &history[self.at as usize..before as usize - 1] {
            let excused = exempt && event.ttl.is_some();
            assert!(excused || !event.is_for(who, client_id), "lost before {before}: {event:?} for {who:?}");
        }
    }

    /// Everything has been given time: nothing may be missing.
    pub(crate) fn check_current(&self, who: &Who, history: &[Published]) {
        let Some(greeting) = &self.greeting else { panic!("no greeting came") };
        self.check_hole(who, history, &greeting.client_id, history.len() as u64 + 1);
        assert!(self.reader.is_at_boundary(), "the last event is whole");
    }

    /// What it would send as `Last-Event-ID`.
    pub(crate) fn last_id(&self) -> Option<String> {
        let last = self.reader.messages.last()?;
        (!last.last_event_id.is_empty()).then(|| last.last_event_id.clone())
    }

    /// The server has ended it in good order.
    pub(crate) fn ended_cleanly(&self) -> bool {
        self.reader.is_at_boundary() && (self.reader.ended || !self.reader.is_chunked())
    }
}
