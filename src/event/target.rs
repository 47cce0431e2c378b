//! Targets: which streams an event is for.

use std::fmt;
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::client::{Client, ClientId, Profile};
use super::topic::Topic;

/// Which streams an event is for: the union of those named, narrowed by conditions, less the exclusions.
///
/// ```
/// use fanfare::Target;
/// let everyone = Target::all();
/// let two_people = Target::user("ada").or_user("grace");
/// let in_the_room = Target::all().with_meta("roomId", "room-123");
/// let others_in_the_room = in_the_room.clone().except(Target::user("ada"));
/// let by_closure = Target::filter(|client| client.meta("roomId") == Some("room-123"));
/// ```
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) to: Selector,
    pub(crate) except: Vec<Target>,
}

/// What a target names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// Every stream, except for exclusions.
    Everyone,
    /// Users.
    User,
    /// Sessions.
    Session,
    /// Topics.
    Topic,
    /// Single streams.
    Client,
    /// Streams with certain metadata.
    Where,
    /// Streams that a predicate selects.
    Filter,
    /// Several of these, or nothing.
    Mixed,
}

impl TargetKind {
    /// All kinds, in the order of their counters.
    pub const ALL: [Self; 8] = [
        Self::Everyone,
        Self::User,
        Self::Session,
        Self::Topic,
        Self::Client,
        Self::Where,
        Self::Filter,
        Self::Mixed,
    ];

    /// The name in statistics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Everyone => "everyone",
            Self::User => "user",
            Self::Session => "session",
            Self::Topic => "topic",
            Self::Client => "client",
            Self::Where => "where",
            Self::Filter => "filter",
            Self::Mixed => "mixed",
        }
    }

    /// Its index in [`ALL`](Self::ALL).
    pub fn index(self) -> usize {
        self as usize
    }
}

/// A predicate over clients. It runs on an event loop, for each stream there: keep it short.
pub(crate) type Filter = Arc<dyn Fn(&Client) -> bool + Send + Sync>;

/// A metadata key and the value that it must have.
pub(super) type Pair = (Box<str>, Box<str>);

/// A list that nearly always has one element, stored inline.
pub(super) type Few<T> = SmallVec<[T; 1]>;

/// A selection of streams: the union of those named, narrowed by metadata and a filter.
#[derive(Clone, Default)]
pub struct Selector {
    /// Every stream, whatever else is named.
    pub everyone: bool,
    /// All streams of these users.
    pub users: Few<Box<str>>,
    /// All streams of these sessions.
    pub sessions: Few<Box<str>>,
    /// The streams that subscribe to one of these topics.
    pub topics: Few<Topic>,
    /// These streams.
    pub clients: Vec<ClientId>,
    /// Restricts those to streams whose metadata has all of these.
    pub meta: Vec<Pair>,
    /// Restricts those to streams that the predicate selects.
    pub(crate) filter: Option<Filter>,
    /// Whether users, sessions and metadata are sorted.
    pub(super) sorted: bool,
}

impl Target {
    /// Every stream.
    pub fn all() -> Self {
        Selector { everyone: true, ..Selector::default() }.into()
    }

    /// All streams of a user.
    pub fn user(user: impl Into<Box<str>>) -> Self {
        Selector { users: smallvec![user.into()], ..Selector::default() }.into()
    }

    /// All streams of a session.
    pub fn session(session: impl Into<Box<str>>) -> Self {
        Selector { sessions: smallvec![session.into()], ..Selector::default() }.into()
    }

    /// All streams that subscribe to a topic, by its name or a pattern.
    pub fn topic(topic: Topic) -> Self {
        Selector { topics: smallvec![topic], ..Selector::default() }.into()
    }

    /// One stream.
    pub fn client(client: ClientId) -> Self {
        Selector { clients: vec![client], ..Selector::default() }.into()
    }

    /// The streams of clients for which a predicate returns true.
    ///
    /// The event loops call it for every stream, so it costs time in proportion to their number, and again for each
    /// client that resumes past such an event. It must be quick and must not block. A panic counts as false.
    pub fn filter(holds: impl Fn(&Client) -> bool + Send + Sync + 'static) -> Self {
        Selector { everyone: true, filter: Some(Arc::new(holds)), ..Selector::default() }.into()
    }

    /// Also all streams of this user.
    #[must_use]
    pub fn or_user(mut self, user: impl Into<Box<str>>) -> Self {
        self.to.sorted = false;
        self.to.users.push(user.into());
        self
    }

    /// Also all streams of this session.
    #[must_use]
    pub fn or_session(mut self, session: impl Into<Box<str>>) -> Self {
        self.to.sorted = false;
        self.to.sessions.push(session.into());
        self
    }

    /// Also all streams that subscribe to this topic.
    #[must_use]
    pub fn or_topic(mut self, topic: Topic) -> Self {
        self.to.topics.push(topic);
        self
    }

    /// Also this stream.
    #[must_use]
    pub fn or_client(mut self, client: ClientId) -> Self {
        self.to.clients.push(client);
        self
    }

    /// Restricts the target to streams whose metadata has this value for this key.
    #[must_use]
    pub fn with_meta(mut self, key: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        self.to.sorted = false;
        self.to.meta.push((key.into(), value.into()));
        self
    }

    /// Excludes the streams that `other` selects.
    #[must_use]
    pub fn except(mut self, other: Self) -> Self {
        self.except.push(other);
        self
    }

    /// Whether the target selects this client.
    pub fn matches(&self, client: &Client) -> bool {
        self.to.matches(client) && !self.except.iter().any(|except| except.matches(client))
    }

    /// The same target, sorted for quick lookups, in no more memory than [`size`](Self::size) returns.
    pub(crate) fn sorted(mut self) -> Self {
        self.to.sort();
        self.except = self.except.into_iter().map(Self::sorted).collect();
        self.except.shrink_to_fit();
        self
    }

    /// Whether the names alone decide.
    pub(crate) fn is_plain(&self) -> bool {
        !self.is_narrowed() && self.except.is_empty()
    }

    /// Whether it has conditions on metadata or a filter.
    pub(crate) fn is_narrowed(&self) -> bool {
        !self.to.meta.is_empty() || self.to.filter.is_some()
    }

    /// Whether the target selects a client that is known to match the names.
    pub(crate) fn matches_named(&self, client: &Client) -> bool {
        self.to.narrows_to(client) && !self.except.iter().any(|except| except.matches(client))
    }

    /// An estimate of the bytes of memory that the target uses.
    pub(crate) fn size(&self) -> usize {
        self.to.size() + self.except.iter().map(|except| except.size() + size_of::<Self>()).sum::<usize>()
    }

    /// An estimate of the maximum number of comparisons to match a client with this many patterns.
    pub(crate) fn effort(&self, patterns: usize) -> usize {
        let excepted = self.except.iter().map(|except| except.effort(patterns)).sum::<usize>();
        1 + self.to.effort(patterns) + excepted
    }

    /// What it names, regardless of conditions and exclusions; conditions without names count themselves.
    pub fn kind(&self) -> TargetKind {
        let Selector { everyone, users, sessions, topics, clients, meta, filter, .. } = &self.to;
        let named = [users.is_empty(), sessions.is_empty(), topics.is_empty(), clients.is_empty()];
        match (everyone, named) {
            (true, _) if filter.is_some() => TargetKind::Filter,
            (true, _) if !meta.is_empty() => TargetKind::Where,
            (true, _) => TargetKind::Everyone,
            (false, [false, true, true, true]) => TargetKind::User,
            (false, [true, false, true, true]) => TargetKind::Session,
            (false, [true, true, false, true]) => TargetKind::Topic,
            (false, [true, true, true, false]) => TargetKind::Client,
            (false, _) => TargetKind::Mixed,
        }
    }

    /// The topics that it names, if it selects their subscribers, or some of them, and nobody else.
    pub fn only_topics(&self) -> Option<&[Topic]> {
        let Selector { everyone, users, sessions, topics, clients, .. } = &self.to;
        let others = *everyone || !users.is_empty() || !sessions.is_empty() || !clients.is_empty();
        (!others && !topics.is_empty()).then_some(topics)
    }

    /// Whether it is every stream, without condition or exclusion.
    pub fn is_everyone(&self) -> bool {
        self.except.is_empty() && self.to.is_everyone()
    }
}

impl From<Selector> for Target {
    fn from(to: Selector) -> Self {
        Self { to, except: Vec::new() }
    }
}

impl Selector {
    /// Whether it selects this client.
    pub fn matches(&self, client: &Client) -> bool {
        let is_named = || !self.clients.is_empty() && self.clients.contains(&client.id());
        (self.names_profile(client.profile()) || is_named()) && self.narrows_to(client)
    }

    /// Whether it is every stream, without condition.
    pub fn is_everyone(&self) -> bool {
        self.everyone && self.meta.is_empty() && self.filter.is_none()
    }

    fn size(&self) -> usize {
        let names = self.users.iter().chain(&self.sessions).map(|name| NAME + name.len());
        let topics = self.topics.iter().map(|topic| TOPIC + topic.as_str().len());
        let meta = self.meta.iter().map(|(key, value)| 2 * NAME + key.len() + value.len());
        names.chain(topics).chain(meta).sum::<usize>() + size_of::<ClientId>() * self.clients.len()
    }

    fn effort(&self, patterns: usize) -> usize {
        self.topics.len() * patterns + self.clients.len() / CLIENTS_AT_ONCE + self.meta.len()
    }

    fn names_profile(&self, profile: &Profile) -> bool {
        self.everyone
            || profile.user.as_deref().is_some_and(|user| self.has(&self.users, user))
            || profile.session.as_deref().is_some_and(|session| self.has(&self.sessions, session))
            || self.topics.iter().any(|topic| profile.topics.iter().any(|pattern| pattern.matches(topic)))
    }

    fn has(&self, names: &[Box<str>], name: &str) -> bool {
        match self.sorted {
            true => names.binary_search_by(|known| (**known).cmp(name)).is_ok(),
            false => names.iter().any(|known| **known == *name),
        }
    }

    /// Sorts the names and removes duplicates, so that lookups in long lists are quick.
    fn sort(&mut self) {
        self.users.sort_unstable();
        self.users.dedup();
        self.sessions.sort_unstable();
        self.sessions.dedup();
        self.meta.sort_unstable();
        self.meta.dedup();
        self.users.shrink_to_fit();
        self.sessions.shrink_to_fit();
        self.topics.shrink_to_fit();
        self.clients.shrink_to_fit();
        self.meta.shrink_to_fit();
        self.sorted = true;
    }

    /// Whether a profile has all metadata of the selector.
    fn has_meta(&self, profile: &Profile) -> bool {
        let has = |(key, value): &Pair| profile.meta(key) == Some(value);
        if !self.sorted || self.meta.len() < FEW {
            return self.meta.iter().all(has);
        }
        // Both are sorted by key.
        let mut rest = profile.meta.iter();
        self.meta.iter().all(|(key, value)| {
            let known = rest.find(|(known, _)| **known >= **key);
            known.is_some_and(|(known, of)| **known == **key && **of == **value)
        })
    }

    /// Whether a client meets the conditions, regardless of names.
    pub(crate) fn narrows_to(&self, client: &Client) -> bool {
        self.has_meta(client.profile()) && self.filter.as_ref().is_none_or(|filter| holds(filter, client))
    }
}

/// Bytes of a name besides its text: its entry, and the overhead of the allocator.
const NAME: usize = size_of::<Box<str>>() + 16;
/// The same for a topic, which is reference-counted.
const TOPIC: usize = NAME + 16;
/// Up to this many pieces of metadata are looked up one by one.
const FEW: usize = 8;
/// Number of client ids that can be compared in about the time of one pattern.
const CLIENTS_AT_ONCE: usize = 16;

/// A filter is code of the application: its panic must not end an event loop.
fn holds(filter: &Filter, client: &Client) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| filter(client))).unwrap_or(false)
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selector")
            .field("everyone", &self.everyone)
            .field("users", &self.users)
            .field("sessions", &self.sessions)
            .field("topics", &self.topics)
            .field("clients", &self.clients)
            .field("meta", &self.meta)
            .field("filter", &self.filter.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_metadata_is_found_as_little_is() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..2_000 {
            let mut meta: Vec<(Arc<str>, Arc<str>)> = (0..random.usize(..40))
                .map(|_| (format!("k{}", random.u32(..30)).into(), format!("{}", random.u32(..2)).into()))
                .collect();
            meta.sort();
            meta.dedup_by(|a, b| a.0 == b.0);
            let profile = Profile { meta: meta.clone().into(), ..Profile::default() };
            let mut target = Target::all();
            for _ in 0..random.usize(..2 * FEW) {
                let known = random.choice(&meta).filter(|_| random.u32(..30) > 0);
                let (key, value) = known.map_or(("k1", "1"), |(key, value)| (key, value));
                target = target.with_meta(key, value);
            }
            let all = target.to.meta.iter().all(|(key, value)| profile.meta(key) == Some(value));
            assert_eq!(target.to.has_meta(&profile), all);
            let sorted = target.clone().sorted();
            assert_eq!(sorted.to.has_meta(&profile), all, "{target:?} of {profile:?}");
        }
    }
}
