//! Requests for streams: what a client subscribes to, and where it left off.

use std::str::FromStr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::parameter::{MAX_PARAMETERS, Parameters};
use super::problem::Problem;
use crate::event::EventId;
use crate::event::Framing;
use crate::event::Now;
use crate::event::Profile;
use crate::event::excerpt;
use crate::event::{Pattern, TopicLimits};
use crate::http::accepts_event_stream;
use crate::http::{Head, QueryPair, Version, named_pairs};

/// Maximum length of a user, session, metadata key or metadata value, in bytes.
pub const MAX_NAME: usize = 256;
/// Maximum number of topic patterns, and of metadata keys, of one stream.
pub const MAX_ENTRIES: usize = 64;

/// Where a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastEventId {
    /// The client sent no id.
    None,
    /// It sent something that is not an id of ours.
    Invalid,
    /// After this event, where the client left off.
    Id(EventId),
    /// With the oldest event that history holds.
    Earliest,
    /// With what was published at this time, in Unix ms.
    Since(u64),
}

/// A request to open a stream.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// How the response body is delimited.
    pub framing: Framing,
    /// Where the stream begins.
    pub last_event_id: LastEventId,
    /// Who the client is, according to the query, and what it asks for. Only open mode believes who it is.
    pub claims: Profile,
}

/// Who a stream is for.
#[derive(Clone, Debug, Default)]
pub struct StreamGrant {
    /// Who it is, and what it may see.
    pub profile: Profile,
    /// When the permission expires, in Unix ms.
    pub expires_unix_ms: Option<u64>,
}

impl Subscription {
    /// Parses a GET request for a stream. `Accept` is checked first (406), then the query (400).
    ///
    /// The query may have `topic`, `lastEventId`, `since`, `userId`, `sessionId`, `meta.KEY` and `access_token`, if they
    /// are among the `parameters`. Others are ignored, unless they are likely misspellings of these. `limits` are the
    /// limits of topics and patterns.
    pub fn from_head(
        head: &Head<'_>,
        parameters: Parameters,
        limits: &TopicLimits,
        now: Now,
    ) -> Result<Self, Problem> {
        if !accepts_event_stream(head) {
            return Err(Problem::new(406, "this resource is a text/event-stream"));
        }
        let mut claims = Claims::default();
        let undecodable = |error| Problem::new(400, format!("the query: {error}"));
        for (n, pair) in named_pairs(head.query.unwrap_or_default()).enumerate() {
            if n == MAX_PARAMETERS {
                return Err(Problem::new(400, format!("at most {MAX_PARAMETERS} query parameters")));
            }
            let QueryPair { name, value } = pair.map_err(undecodable)?;
            match parameters.names(&name) {
                true => claims.take(&name, &value.map_err(undecodable)?, limits)?,
                false => parameters.judge(&name)?,
            }
        }
        let from_field = head.field("last-event-id").filter(|value| !value.is_empty());
        let last_event_id = match from_field {
            Some(value) => std::str::from_utf8(value).map_or(LastEventId::Invalid, LastEventId::of),
            None => claims.last_event_id.unwrap_or(LastEventId::None),
        };
        let since = claims.since.as_deref().map(|text| since(text, now)).transpose()?;
        let last_event_id = match (last_event_id, since) {
            (LastEventId::Earliest, Some(_)) => {
                return Err(Problem::new(400, "lastEventId=earliest or since, not both"));
            }
            // Where a client comes back, the position that it brings counts.
            (LastEventId::Id(_), _) | (_, None) => last_event_id,
            (_, Some(unix_ms)) => LastEventId::Since(unix_ms),
        };
        Ok(Self { framing: framing_of(head.version), last_event_id, claims: claims.into_profile() })
    }
}

/// How the body of a stream is delimited for a client of this version.
pub fn framing_of(version: Version) -> Framing {
    match version {
        Version::Http11 => Framing::Chunked,
        Version::Http10 => Framing::Plain,
    }
}

impl LastEventId {
    fn of(text: &str) -> Self {
        match text {
            "earliest" => Self::Earliest,
            _ => EventId::from_str(text).map_or(Self::Invalid, Self::Id),
        }
    }
}

/// Units of time, and their ms.
const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 24 * 3_600_000)];

/// The Unix ms that `since` means: so many, or a time ago, as `10m`.
fn since(text: &str, now: Now) -> Result<u64, Problem> {
    let refused = |reason| Problem::new(400, format!("since {:?}: {reason}", excerpt(text)));
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let malformed = || refused("is written as 10m, 30s, 2h, 7d or in Unix ms");
    let number: u64 = number.parse().map_err(|_| malformed())?;
    if unit.is_empty() {
        return if number > now.unix_ms { Err(refused("is a time to come")) } else { Ok(number) };
    }
    let (_, ms) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(malformed)?;
    Ok(now.unix_ms.saturating_sub(number.saturating_mul(ms)))
}

/// A query that is being parsed.
#[derive(Default)]
struct Claims {
    user: Option<Arc<str>>,
    session: Option<Arc<str>>,
    topics: SmallVec<[Pattern; 1]>,
    /// Of these.
    tokens: usize,
    meta: Vec<(Arc<str>, Arc<str>)>,
    last_event_id: Option<LastEventId>,
    since: Option<Box<str>>,
}

impl Claims {
    fn take(&mut self, key: &str, value: &str, limits: &TopicLimits) -> Result<(), Problem> {
        match key {
            "topic" => {
                let refused = |reason| Problem::new(400, format!("topic {:?}: {reason}", excerpt(value)));
                self.tokens = limits.admit(value, self.tokens).map_err(refused)?;
                let pattern = Pattern::parse(value).map_err(|error| refused(error.to_string()))?;
                self.topics.push(pattern);
                within("topics", self.topics.len())
            }
            "lastEventId" | "since" | "userId" | "sessionId" if value.is_empty() => Ok(()),
            "lastEventId" => {
                self.last_event_id = Some(LastEventId::of(value));
                Ok(())
            }
            "since" if self.since.is_some() => Err(Problem::new(400, "since is given twice")),
            "since" => {
                self.since = Some(value.into());
                Ok(())
            }
            "userId" => once("userId", &mut self.user, value),
            "sessionId" => once("sessionId", &mut self.session, value),
            _ => match key.strip_prefix("meta.") {
                Some(key) => self.take_meta(key, value),
                // The token, which is read elsewhere.
                None => Ok(()),
            },
        }
    }

    fn take_meta(&mut self, key: &str, value: &str) -> Result<(), Problem> {
        if self.meta.iter().any(|(name, _)| **name == *key) {
            return Err(Problem::new(400, format!("meta.{} is given twice", excerpt(key))));
        }
        self.meta.push((name("metadata", key)?, name("metadata", value)?));
        within("metadata keys", self.meta.len())
    }

    fn into_profile(mut self) -> Profile {
        self.meta.sort();
        self.topics.sort();
        self.topics.dedup();
        Profile {
            user: self.user,
            session: self.session,
            topics: self.topics,
            meta: self.meta.into_boxed_slice(),
        }
    }
}

fn once(key: &str, place: &mut Option<Arc<str>>, value: &str) -> Result<(), Problem> {
    if place.is_some() {
        return Err(Problem::new(400, format!("{key} is given twice")));
    }
    *place = Some(name(key, value)?);
    Ok(())
}

fn name(what: &str, value: &str) -> Result<Arc<str>, Problem> {
    if value.len() > MAX_NAME || value.chars().any(char::is_control) {
        return Err(Problem::new(400, format!("{what}: at most {MAX_NAME} bytes, no control characters")));
    }
    Ok(value.into())
}

fn within(what: &str, count: usize) -> Result<(), Problem> {
    if count > MAX_ENTRIES {
        return Err(Problem::new(400, format!("at most {MAX_ENTRIES} {what}")));
    }
    Ok(())
}
