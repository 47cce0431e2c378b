//! Publications: what a publisher posts, read from JSON, and the record it becomes.

use std::time::Duration;

use serde_json::value::RawValue;

use super::event::{Event, EventError};
use super::frame::Frame;
use super::id::EventId;
use super::json::{self, JsonError, Members};
use super::target::{Selector, Target};
use super::topic::Topic;

/// An event and whom it is for, before it has a place in history.
#[derive(Clone, Debug)]
pub struct Publication {
    /// What is sent.
    pub event: Event,
    /// Whom to.
    pub target: Target,
    /// How long history keeps it at most; zero: never in history. `None`: as long as history's own limits say.
    pub ttl: Option<Duration>,
}

/// A publication in its place: the bytes everybody gets, made once, shared by all event loops and history.
#[derive(Debug)]
pub struct Record {
    /// Its count within the history.
    pub seq: u64,
    /// The encoded event.
    pub frame: Frame,
    /// Whom it is for.
    pub target: Target,
    /// How long history keeps it at most, in ms; zero: it is not in history.
    pub ttl_ms: Option<u64>,
}

/// A publication with its event encoded as far as that goes without an id: what an append under the
/// journal's lock takes.
#[derive(Clone, Debug)]
pub struct Draft {
    fields: Vec<u8>,
    retry: Option<u64>,
    target: Target,
    ttl: Option<Duration>,
}

impl From<Publication> for Draft {
    fn from(publication: Publication) -> Self {
        let mut fields = Vec::new();
        publication.event.write_fields(&mut fields);
        let retry = publication.event.retry_ms();
        Self { fields, retry, target: publication.target, ttl: publication.ttl }
    }
}

impl Draft {
    /// About how many bytes the record will take, for limits.
    pub fn size(&self) -> usize {
        self.fields.len() + ID_FIELD + size_of::<Record>() + self.target.size()
    }

    /// Gives it its place.
    pub fn seal(self, id: EventId) -> Record {
        let frame = Frame::build(self.fields.len() + ID_FIELD, |out| {
            use std::io::Write as _;
            if let Some(ms) = self.retry {
                let _ = writeln!(out, "retry: {ms}");
            }
            let _ = writeln!(out, "id: {id}");
            out.extend_from_slice(&self.fields);
        });
        let ttl_ms = self.ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        Record { seq: id.seq, frame, target: self.target, ttl_ms }
    }
}

/// Room for an `id:` line, and a `retry:` line of common length.
const ID_FIELD: usize = 48;

impl Record {
    /// Whether history never holds it.
    pub fn is_transient(&self) -> bool {
        self.ttl_ms == Some(0)
    }

    /// Bytes of memory behind this record, about.
    pub fn size(&self) -> usize {
        self.frame.size() + size_of::<Self>() + self.target.size()
    }
}

impl Publication {
    /// An event for somebody, kept as long as history's limits allow.
    pub fn new(event: Event, target: Target) -> Self {
        Self { event, target, ttl: None }
    }

    /// Reads one publication: `{"event", "data" | "text", "to", "except", "retry", "ttl"}`.
    pub fn from_json(text: &str) -> Result<Self, JsonError> {
        let mut members = Members::parse(text, "the publication")?;
        let name = members.take("event").map(|value| json::string(value, "event")).transpose()?;
        let name = name.as_deref().unwrap_or("message");
        let mut event = event(name, members.take("data"), members.take("text"))?;
        if let Some(value) = members.take("retry") {
            event = event.retry(json::whole_number(value, "retry")?);
        }
        let to = members.take("to").map(|value| selector(value, "to")).transpose()?;
        let mut target = to.map_or_else(Target::all, Target::from);
        if let Some(value) = members.take("except") {
            target = target.except(except(value)?.into());
        }
        let ttl = members.take("ttl").map(|value| json::whole_number(value, "ttl")).transpose()?;
        members.finish("")?;
        Ok(Self { event, target, ttl: ttl.map(Duration::from_secs) })
    }

    /// Reads one publication a line (NDJSON); empty lines are passed over. An error names the line, from 1.
    pub fn from_ndjson(text: &str) -> Result<Vec<Self>, (usize, JsonError)> {
        let lines = text.split('\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
        lines.map(|(at, line)| Self::from_json(line).map_err(|error| (at + 1, error))).collect()
    }
}

fn event(name: &str, data: Option<&RawValue>, text: Option<&RawValue>) -> Result<Event, JsonError> {
    let event = match (data, text) {
        (Some(data), None) => Event::raw_json(name, data),
        (None, Some(text)) => Event::text(name, &json::string(text, "text")?),
        (Some(_), Some(_)) => return Err(JsonError::invalid("text", "cannot stand beside data")),
        (None, None) => return Err(JsonError::invalid("data", "is missing: data or text is needed")),
    };
    event.map_err(|error| match error {
        EventError::Name => JsonError::invalid("event", error.to_string()),
        EventError::Data(error) => JsonError::invalid("data", error.to_string()),
    })
}

fn selector(value: &RawValue, member: &str) -> Result<Selector, JsonError> {
    if value.get().starts_with('"') {
        return match json::string(value, member)?.as_str() {
            "all" => Ok(Selector { everyone: true, ..Selector::default() }),
            _ => Err(JsonError::invalid(member, "must be \"all\" or an object")),
        };
    }
    let mut members = Members::of(value, member)?;
    let path = |name: &str| format!("{member}.{name}");
    let mut named = false;
    let mut names = |key: &str| match members.take(key) {
        None => Ok(Vec::new()),
        Some(value) => {
            named = true;
            json::strings(value, &path(key))
        }
    };
    let (users, sessions) = (names("user")?, names("session")?);
    // An id that is not one of ours is a stream that is not here, like one that has gone.
    let clients = names("client")?.iter().filter_map(|id| id.parse().ok()).collect();
    let topics = names("topic")?.iter().map(|topic| Topic::parse(topic)).collect::<Result<_, _>>();
    let topics = topics.map_err(|error| JsonError::invalid(path("topic"), error.to_string()))?;
    let meta = members.take("where").map(|value| metadata(value, &path("where"))).transpose()?;
    members.finish(&format!("{member}."))?;
    if !named && meta.is_none() {
        return Err(JsonError::invalid(
            member,
            "names nobody: user, session, topic, client or where is needed",
        ));
    }
    let meta = meta.unwrap_or_default();
    Ok(Selector { everyone: !named, users, sessions, topics, clients, meta, filter: None })
}

/// As [`selector`], but for whom an event is not: without `where`, and never everyone.
fn except(value: &RawValue) -> Result<Selector, JsonError> {
    let selector = selector(value, "except")?;
    if !selector.meta.is_empty() {
        return Err(JsonError::invalid("except.where", "is not a known member"));
    }
    if selector.everyone {
        return Err(JsonError::invalid("except", "must be an object that names somebody"));
    }
    Ok(selector)
}

fn metadata(value: &RawValue, member: &str) -> Result<Vec<(Box<str>, Box<str>)>, JsonError> {
    let pair = |(key, value): (String, &RawValue)| {
        let value = json::scalar(value, &format!("{member}.{key}"))?;
        Ok((key.into(), value.into()))
    };
    let pairs = Members::of(value, member)?.into_iter().map(pair).collect::<Result<Vec<_>, _>>()?;
    if pairs.is_empty() {
        return Err(JsonError::invalid(member, "must not be empty"));
    }
    Ok(pairs)
}
