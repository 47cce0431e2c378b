//! Publications: what a publisher sends, read from JSON, and the record that it becomes.

use std::borrow::Cow;
use std::io::Write as _;
use std::time::Duration;

use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::content::{Event, EventError, MAX_RETRY_MS};
use super::excerpt::excerpt;
use super::frame::{CHUNK_END, CHUNK_HEAD, Frame};
use super::framing::Framing;
use super::id::EventId;
use super::json::{self, JsonError, Members};
use super::target::{Few, Pair, Selector, Target, TargetKind};
use super::topic::Topic;

/// An event and its target, before it has a position in history.
///
/// ```
/// use fanfare::{Event, Publication, Target};
/// use std::time::Duration;
/// let event = Event::json("typing", &true)?;
/// let publication = Publication::new(event, Target::user("ada")).ttl(Duration::ZERO);
/// # Ok::<(), fanfare::EventError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Publication {
    /// The event.
    pub event: Event,
    /// Who gets it.
    pub target: Target,
    /// How long history keeps it at most; zero: never in history. `None`: only the limits of the history apply.
    pub ttl: Option<Duration>,
}

/// A publication with its position: encoded once, and shared by all event loops and the history.
#[derive(Debug)]
pub struct Record {
    /// Its number among the events of this process, in order, from 1 and without holes.
    pub position: u64,
    /// Its id.
    pub id: EventId,
    /// The encoded event.
    pub frame: Frame,
    /// Who gets it.
    pub target: Target,
    /// How long history keeps it at most, in ms; zero: it is not in history.
    pub ttl_ms: Option<u64>,
    /// Whether its data is text rather than JSON.
    pub is_text: bool,
    size: usize,
}

/// A publication whose event is encoded except for its id: this is what an append takes under the journal's lock.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The encoded fields, after `room` bytes.
    fields: Vec<u8>,
    /// Room for the `retry:` and `id:` lines before large fields, so that these need not be copied under that lock.
    room: u8,
    retry: Option<u64>,
    pub(crate) target: Target,
    target_size: usize,
    pub(crate) ttl: Option<Duration>,
    is_text: bool,
}

/// Drafts in order; usually one.
pub type Drafts = SmallVec<[Draft; 1]>;

impl From<Publication> for Draft {
    fn from(publication: Publication) -> Self {
        let Publication { event, target, ttl } = publication;
        let (size, retry, is_text) = (event.fields_size(), event.retry_ms(), event.is_text());
        Self::of(size, |out| event.write_fields(out), retry, target.sorted(), ttl, is_text)
    }
}

impl Draft {
    /// The draft of a stored event, given its encoded fields without `id:` and `retry:`. `target` must be sorted.
    pub(crate) fn restored(
        fields: &[u8],
        retry: Option<u64>,
        target: Target,
        ttl_ms: Option<u64>,
        is_text: bool,
    ) -> Self {
        let ttl = ttl_ms.map(Duration::from_millis);
        Self::of(fields.len(), |out| out.extend_from_slice(fields), retry, target, ttl, is_text)
    }

    fn of(
        size: usize,
        write: impl FnOnce(&mut Vec<u8>),
        retry: Option<u64>,
        target: Target,
        ttl: Option<Duration>,
        is_text: bool,
    ) -> Self {
        let room = if size < LARGE { 0 } else { ROOM };
        let end = if size < LARGE { 0 } else { CHUNK_END };
        let mut fields = Vec::with_capacity(room + size + end);
        fields.resize(room, 0);
        write(&mut fields);
        Self { fields, room: room as u8, retry, target_size: target.size(), target, ttl, is_text }
    }

    /// An estimate of the bytes that the record will use, for limits.
    pub fn size(&self) -> usize {
        self.fields.len() + ID_FIELD + size_of::<Record>() + self.target_size
    }

    /// The kind of its target.
    pub fn kind(&self) -> TargetKind {
        self.target.kind()
    }

    /// Sets the position and the id.
    pub fn seal(self, position: u64, id: EventId) -> Record {
        let mut lead = [0; LEAD];
        let mut room = &mut lead[..];
        // There is room for the longest numbers, so this cannot fail.
        if let Some(ms) = self.retry {
            let _ = writeln!(room, "retry: {ms}");
        }
        let _ = room.write_all(b"id: ").and_then(|()| id.write_to(&mut room));
        let _ = room.write_all(b"\n");
        let length = LEAD - room.len();
        let frame = match usize::from(self.room).checked_sub(length) {
            Some(start) => {
                let mut bytes = self.fields;
                bytes[start..start + length].copy_from_slice(&lead[..length]);
                Frame::around(bytes, start as u8)
            }
            None => Frame::build(length + self.fields.len(), |out| {
                out.extend_from_slice(&lead[..length]);
                out.extend_from_slice(&self.fields);
            }),
        };
        let ttl_ms = self.ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        let size = frame.size() + size_of::<Record>() + self.target_size;
        Record { position, id, frame, target: self.target, ttl_ms, is_text: self.is_text, size }
    }
}

/// Maximum number of users, and of sessions, in one target.
const MAX_NAMES: usize = 10_000;
/// Maximum number of streams in one target.
const MAX_CLIENTS: usize = 1_000;
/// Maximum number of topics in one target.
const MAX_TOPICS: usize = 100;

/// Room for the longest `retry:` and `id:` lines.
const LEAD: usize = 80;
/// Room for those and the chunk header.
const ROOM: usize = CHUNK_HEAD + LEAD;
/// Events of this size or larger are encoded with that room before them.
const LARGE: usize = 4 * 1024;
/// An estimate of the bytes of those lines (nearly always `id:` alone) and of the framing.
const ID_FIELD: usize = 48;

impl Record {
    /// Whether it is never in history.
    pub fn is_transient(&self) -> bool {
        self.ttl_ms == Some(0)
    }

    /// Its reconnection time, and its encoded fields without that and `id:`.
    pub(crate) fn fields(&self) -> (Option<u64>, &[u8]) {
        let bytes = self.frame.bytes(Framing::Plain);
        let line = |bytes: &'_ [u8], name: &[u8]| {
            let end = bytes.starts_with(name).then(|| bytes.iter().position(|byte| *byte == b'\n'))??;
            Some((name.len()..end, end + 1))
        };
        let retry = line(bytes, b"retry: ");
        let number = |value| std::str::from_utf8(&bytes[value]).ok()?.parse().ok();
        let retry_ms = retry.clone().and_then(|(value, _)| number(value));
        let bytes = retry.map_or(bytes, |(_, end)| &bytes[end..]);
        (retry_ms, line(bytes, b"id: ").map_or(bytes, |(_, end)| &bytes[end..]))
    }

    /// An estimate of the bytes of memory that this record uses.
    pub fn size(&self) -> usize {
        self.size
    }
}

impl Publication {
    /// Creates a publication that is kept as long as the limits of the history allow.
    pub fn new(event: Event, target: Target) -> Self {
        Self { event, target, ttl: None }
    }

    /// Limits how long history keeps it; zero: it is never in history.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Reads one publication: `{"event", "data" | "text", "to", "except", "retry", "ttl"}`.
    pub fn from_json(text: &str) -> Result<Self, JsonError> {
        let mut members = Members::parse(text, "the publication")?;
        let name = members.take("event").map(|value| json::string(value, "event")).transpose()?;
        let name = name.as_deref().unwrap_or("message");
        let mut event = event(name, members.take("data"), members.take("text"))?;
        if let Some(value) = members.take("retry") {
            event = event.retry(retry(value)?);
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

    /// Reads one publication per line (NDJSON), ignoring empty lines. An error has the number of the line, from 1.
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
        EventError::Name | EventError::Reserved => JsonError::invalid("event", error.to_string()),
        EventError::Data(error) => JsonError::invalid("data", error.to_string()),
        EventError::Retry => JsonError::invalid("retry", error.to_string()),
    })
}

fn retry(value: &RawValue) -> Result<u64, JsonError> {
    let ms = json::whole_number(value, "retry").ok().filter(|ms| *ms <= MAX_RETRY_MS);
    let must = || format!("must be a whole number of ms from 0 to {MAX_RETRY_MS}, which is one day");
    ms.ok_or_else(|| JsonError::invalid("retry", must()))
}

/// A target: everyone, or those named, narrowed by metadata.
fn selector(value: &RawValue, member: &str) -> Result<Selector, JsonError> {
    if value.get().starts_with('"') && json::string(value, member).is_ok_and(|text| text == "all") {
        return Ok(Selector { everyone: true, ..Selector::default() });
    }
    if !value.get().starts_with('{') {
        return Err(JsonError::invalid(member, "must be \"all\" or an object"));
    }
    let mut members = Members::of(value, member)?;
    let named = names(&mut members, member)?;
    let meta = members.take("where").map(|value| metadata(value, &format!("{member}.where"))).transpose()?;
    members.finish(member)?;
    match (named, meta) {
        (None, None) => {
            let needed = "names nobody: user, session, topic, client or where is needed";
            Err(JsonError::invalid(member, needed))
        }
        (named, meta) => {
            let (everyone, meta) = (named.is_none(), meta.unwrap_or_default());
            Ok(Selector { everyone, meta, ..named.unwrap_or_default() })
        }
    }
}

/// An exclusion: those named.
fn except(value: &RawValue) -> Result<Selector, JsonError> {
    let mut members = Members::of(value, "except")?;
    let named = names(&mut members, "except")?;
    members.finish("except")?;
    named
        .ok_or_else(|| JsonError::invalid("except", "names nobody: user, session, topic or client is needed"))
}

/// The union of those named by user, session, topic and client; `None` if all of these members are absent.
fn names(members: &mut Members<'_>, member: &str) -> Result<Option<Selector>, JsonError> {
    let path = |name: &str| format!("{member}.{name}");
    let mut named = false;
    let mut names = |key: &str| match members.take(key) {
        None => Ok(Few::new()),
        Some(value) => {
            named = true;
            let names = json::strings(value);
            names.ok_or_else(|| JsonError::invalid(path(key), "must be a string or an array of strings"))
        }
    };
    let (users, sessions) = (names("user")?, names("session")?);
    // An id that is not one of ours belongs to no stream, like that of a stream that has ended.
    let clients: Vec<_> = names("client")?.iter().filter_map(|id| id.parse().ok()).collect();
    let topics = names("topic")?.iter().map(|topic| Topic::parse(topic)).collect::<Result<Few<_>, _>>();
    let topics = topics.map_err(|error| JsonError::invalid(path("topic"), error.to_string()))?;
    for (list, length, most) in [
        ("user", users.len(), MAX_NAMES),
        ("session", sessions.len(), MAX_NAMES),
        ("client", clients.len(), MAX_CLIENTS),
        ("topic", topics.len(), MAX_TOPICS),
    ] {
        if length > most {
            return Err(JsonError::invalid(path(list), format!("must not name more than {most}")));
        }
    }
    Ok(named.then(|| Selector { users, sessions, topics, clients, ..Selector::default() }))
}

fn metadata(value: &RawValue, member: &str) -> Result<Vec<Pair>, JsonError> {
    let pair = |(key, value): (Cow<'_, str>, &RawValue)| {
        let value = json::scalar(value, &format!("{member}.{}", excerpt(&key)))?;
        Ok((key.into(), value.into()))
    };
    let pairs = Members::of(value, member)?.into_iter().map(pair).collect::<Result<Vec<_>, _>>()?;
    if pairs.is_empty() {
        return Err(JsonError::invalid(member, "must not be empty"));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Framing;

    fn sent(text: &str) -> String {
        let record = Draft::from(Publication::from_json(text).unwrap()).seal(1, EventId { epoch: 9, seq: 1 });
        String::from_utf8(record.frame.bytes(Framing::Plain).to_vec()).unwrap()
    }

    #[test]
    fn what_is_posted_is_what_is_sent() {
        let cases = [
            (r#"{"data":{"b":1.0e+5,"a":[1, 2]}}"#, "id: 9-1\ndata: {\"b\":1.0e+5,\"a\":[1,2]}\n\n"),
            (r#"{"event":"message","data":null}"#, "id: 9-1\ndata: null\n\n"),
            (r#"{"event":"update","text":"a\r\nb"}"#, "id: 9-1\nevent: update\ndata: a\ndata: b\n\n"),
            (r#"{"retry":5000,"data":1}"#, "retry: 5000\nid: 9-1\ndata: 1\n\n"),
        ];
        for (posted, expected) in cases {
            assert_eq!(sent(posted), expected, "{posted}");
        }
    }

    #[test]
    fn targets_are_read() {
        let target =
            |to: &str| Publication::from_json(&format!("{{\"data\":1,\"to\":{to}}}")).unwrap().target.to;
        assert!(target("\"all\"").is_everyone());
        let several = target(
            r#"{"user":["a","b"],"session":"s","topic":"t.x","client":"nobody","where":{"k":5,"l":"x"}}"#,
        );
        assert_eq!((several.users.len(), several.sessions.len(), several.topics.len()), (2, 1, 1));
        assert!(several.clients.is_empty() && !several.everyone);
        assert_eq!(several.meta, [("k".into(), "5".into()), ("l".into(), "x".into())]);
        assert!(target(r#"{"where":{"k":true}}"#).everyone);
        let nobody = target(r#"{"user":[]}"#);
        assert!(!nobody.everyone && nobody.users.is_empty());
    }

    /// The member at fault; "malformed" where it is not JSON.
    fn fault(text: &str) -> String {
        match Publication::from_json(text) {
            Ok(_) => "none".to_owned(),
            Err(JsonError::Malformed(_)) => "malformed".to_owned(),
            Err(JsonError::Invalid { member, .. }) => member,
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("", "malformed"),
            ("{", "malformed"),
            ("{\"data\":01}", "malformed"),
            ("{\"data\":1}x", "malformed"),
            ("[]", "the publication"),
            ("5", "the publication"),
            ("{}", "data"),
            ("{\"data\":1,\"text\":\"x\"}", "text"),
            ("{\"text\":1}", "text"),
            ("{\"text\":\"\\ud800\"}", "text"),
            ("{\"data\":1,\"data\":2}", "the publication"),
            ("{\"data\":1,\"evnt\":\"x\"}", "evnt"),
            ("{\"data\":1,\"event\":\"\"}", "event"),
            ("{\"data\":1,\"event\":\"a\\nb\"}", "event"),
            ("{\"data\":1,\"event\":\"a\\u0085\"}", "event"),
            ("{\"data\":1,\"event\":null}", "event"),
            ("{\"data\":1,\"event\":\"ping\"}", "event"),
            ("{\"data\":1,\"event\":\"connection\"}", "event"),
            ("{\"text\":\"\",\"event\":\"p\\u0069ng\"}", "event"),
            ("{\"data\":1,\"retry\":86400001}", "retry"),
            ("{\"data\":1,\"retry\":18446744073709551616}", "retry"),
            ("{\"data\":1,\"retry\":-1}", "retry"),
            ("{\"data\":1,\"retry\":1.5}", "retry"),
            ("{\"data\":1,\"ttl\":\"5\"}", "ttl"),
            ("{\"data\":1,\"to\":\"some\"}", "to"),
            ("{\"data\":1,\"to\":null}", "to"),
            ("{\"data\":1,\"to\":{}}", "to"),
            ("{\"data\":1,\"to\":{\"usr\":\"a\"}}", "to.usr"),
            ("{\"data\":1,\"to\":{\"user\":5}}", "to.user"),
            ("{\"data\":1,\"to\":{\"user\":[\"a\",5]}}", "to.user"),
            ("{\"data\":1,\"to\":{\"topic\":\"a.*\"}}", "to.topic"),
            ("{\"data\":1,\"to\":{\"where\":{}}}", "to.where"),
            ("{\"data\":1,\"to\":{\"where\":{\"k\":null}}}", "to.where.k"),
            ("{\"data\":1,\"except\":\"all\"}", "except"),
            ("{\"data\":1,\"except\":\"some\"}", "except"),
            ("{\"data\":1,\"except\":5}", "except"),
            ("{\"data\":1,\"except\":{}}", "except"),
            ("{\"data\":1,\"except\":{\"usr\":\"a\"}}", "except.usr"),
            ("{\"data\":1,\"except\":{\"where\":{\"k\":\"v\"}}}", "except.where"),
        ];
        for (text, member) in cases {
            assert_eq!(fault(text), member, "{text}");
        }
    }

    #[test]
    fn what_is_allowed_is_named_where_it_is_and_nowhere_else() {
        let detail = |text: &str| Publication::from_json(text).unwrap_err().to_string();
        let to = detail(r#"{"data":1,"to":{}}"#);
        assert_eq!(to, "to: names nobody: user, session, topic, client or where is needed");
        let except = detail(r#"{"data":1,"except":{}}"#);
        assert_eq!(except, "except: names nobody: user, session, topic or client is needed");
        for member in ["\"all\"", "\"some\"", "5", "[]", "null"] {
            let except = detail(&format!("{{\"data\":1,\"except\":{member}}}"));
            assert_eq!(except, "except: must be an object", "{member}");
        }
        for member in ["\"some\"", "5", "[]", "null"] {
            let to = detail(&format!("{{\"data\":1,\"to\":{member}}}"));
            assert_eq!(to, "to: must be \"all\" or an object", "{member}");
        }
        let topic = detail(r#"{"data":1,"to":{"topic":"a.*"}}"#);
        assert_eq!(topic, "to.topic: must not have wildcards: '*' and '>' are for subscriptions");
    }

    #[test]
    fn a_reconnection_time_is_at_most_a_day() {
        for (ms, sent_ms) in [("0", "0"), ("86400000", "86400000")] {
            let text = sent(&format!("{{\"retry\":{ms},\"data\":1}}"));
            assert_eq!(text, format!("retry: {sent_ms}\nid: 9-1\ndata: 1\n\n"));
        }
    }

    #[test]
    fn a_bad_line_of_a_batch_is_named() {
        let batch = Publication::from_ndjson("{\"data\":1}\r\n\n{\"text\":\"x\"}\n").unwrap();
        assert_eq!(batch.len(), 2);
        let (line, _) = Publication::from_ndjson("{\"data\":1}\n\n{\"data\"\n{}").unwrap_err();
        assert_eq!(line, 3);
    }

    #[test]
    fn what_is_kept_of_a_record_makes_the_same_one_again() {
        let id = EventId { epoch: 9, seq: 1 };
        for bytes in [0, 10, LARGE, 100_000] {
            for (text, retry) in [(true, None), (false, Some(86_400_000)), (true, Some(0))] {
                let data = "x".repeat(bytes);
                let event = if text { Event::text("e", &data) } else { Event::json("message", &data) };
                let event = retry.into_iter().fold(event.unwrap(), Event::retry);
                let target = Target::user("ada").or_user("grace");
                let publication = Publication::new(event, target).ttl(Duration::from_millis(1_500));
                let record = Draft::from(publication).seal(7, id);
                let (retry_ms, fields) = record.fields();
                assert_eq!((retry_ms, record.is_text), (retry, text));
                let draft = Draft::restored(fields, retry_ms, record.target.clone(), record.ttl_ms, text);
                assert_eq!(format!("{:?}", draft.seal(7, id)), format!("{record:?}"));
            }
        }
    }

    #[test]
    fn large_events_are_framed_as_small_ones_are() {
        for bytes in [10, LARGE - 20, LARGE, 100_000] {
            for retry in [None, Some(86_400_000)] {
                for text in ["x".repeat(bytes), "x\n".repeat(bytes / 2)] {
                    let mut event = Event::text("e", &text).unwrap();
                    let mut body = String::new();
                    if let Some(ms) = retry {
                        event = event.retry(ms);
                        body = format!("retry: {ms}\n");
                    }
                    body += "id: 1790000000000-7\nevent: e\n";
                    text.split('\n').for_each(|line| body += &format!("data: {line}\n"));
                    body.push('\n');
                    let id = EventId { epoch: 1_790_000_000_000, seq: 7 };
                    let record = Draft::from(Publication::new(event, Target::all())).seal(7, id);
                    assert!(record.frame.bytes(Framing::Plain) == body.as_bytes(), "{bytes} {retry:?}");
                    let chunked = format!("{:x}\r\n{body}\r\n", body.len());
                    assert!(record.frame.bytes(Framing::Chunked) == chunked.as_bytes(), "{bytes} {retry:?}");
                }
            }
        }
    }
}
