//! What was published, and what became of it.

use std::collections::BTreeMap;

use fanfare::event::{Framing, Record};
use fanfare::{Event, EventId, Publication, Target, Topic};

/// Users; one more stream has none.
pub(crate) const USERS: usize = 4;

/// Whom a publication is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    All,
    User(usize),
    AllBut(usize),
    Topic(usize),
}

/// One publication, or one batch: all of its events are alike.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) to: To,
    pub(crate) count: usize,
    pub(crate) ttl_ms: Option<u64>,
    pub(crate) size: usize,
    pub(crate) published_ms: u64,
    /// Its idempotency key, and what it stands for.
    pub(crate) key: Option<(String, [u8; 32])>,
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nobody knows yet, or nobody was told.
    Open,
    Acknowledged(EventId, EventId),
    Refused,
    /// It was acknowledged, or seen, and a power failure took it; its streams are to be told.
    Lost,
}

/// All publications by their numbers, and the events that somebody has seen, by id.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) batches: Vec<Batch>,
    /// What each id was when it was seen first: never another.
    pub(crate) seen: BTreeMap<(u64, u64), (usize, usize)>,
}

impl To {
    pub(crate) fn is_for(self, user: usize) -> bool {
        match self {
            Self::All => true,
            Self::User(one) => one == user,
            Self::AllBut(one) => one != user,
            // A stream follows the topic of its user.
            Self::Topic(one) => one == user,
        }
    }

    fn target(self) -> Target {
        match self {
            Self::All => Target::all(),
            Self::User(user) => Target::user(name(user)),
            Self::AllBut(user) => Target::all().except(Target::user(name(user))),
            Self::Topic(user) => Target::topic(Topic::parse(&format!("t.{user}.x")).expect("a topic")),
        }
    }
}

pub(crate) fn name(user: usize) -> String {
    format!("user-{user}")
}

impl Batch {
    pub(crate) fn publications(&self, number: usize) -> Vec<Publication> {
        let publication = |at: usize| {
            let text = format!("{number}.{at}.{}", "x".repeat(self.size));
            let publication = Publication::new(Event::text("e", &text).expect("an event"), self.to.target());
            match self.ttl_ms {
                Some(ms) => publication.ttl(std::time::Duration::from_millis(ms)),
                None => publication,
            }
        };
        (0..self.count).map(publication).collect()
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.ttl_ms != Some(0)
    }
}

/// The number of the batch of an event, and its place in it.
pub(crate) fn identity(record: &Record) -> (usize, usize) {
    let text = String::from_utf8_lossy(record.frame.bytes(Framing::Plain)).into_owned();
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).expect("data").to_owned();
    let mut parts = data.split('.');
    let mut number = || parts.next().and_then(|part| part.parse().ok()).expect("a number");
    (number(), number())
}
