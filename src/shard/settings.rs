//! What a shard is told once, at its start.

use std::time::Duration;

use crate::api::{Cors, Parameters, Routes};
use crate::event::{ClientKey, TopicLimits};
use crate::http::RequestLimits;
use crate::http::TrustedProxies;

/// What keeps idle streams alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Heartbeat {
    /// An `event: ping` with the time, which clients can watch for.
    #[default]
    Event,
    /// A comment line, which clients do not see.
    Comment,
    /// Nothing; only TCP keep-alive is left to find vanished clients.
    Off,
}

/// What all shards of an engine have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What client ids are made with: drawn at random at each start.
    pub ids: ClientKey,
    /// Where the stream is.
    pub routes: Routes,
    /// Sizes of requests.
    pub requests: RequestLimits,
    /// Whether streams are opened on what their query claims. Otherwise a [judge](super::Judge) is asked.
    pub open: bool,
    /// Which parameters of a stream are ours.
    pub parameters: Parameters,
    /// Whether a `Host` must be loopback, which keeps pages of other sites from rebinding their name to us.
    pub loopback_host: bool,
    /// Pages of which other origins may read answers.
    pub cors: Cors,
    /// Proxies whose word on the client's address counts.
    pub proxies: TrustedProxies,
    /// The reconnection time that clients are told.
    pub retry: Duration,
    /// What keeps idle streams alive.
    pub heartbeat: Heartbeat,
    /// How long a stream must have been idle to get a heartbeat.
    pub heartbeat_interval: Duration,
    /// How long a stream may go without write progress.
    pub connection_timeout: Duration,
    /// How long a connection may stay silent, and a head may take from its first byte.
    pub head_timeout: Duration,
    /// How long a request for a stream may wait for the decision on who it is from.
    pub decision_timeout: Duration,
    /// Most bytes that a stream is owed before it is sent back to history. One that still takes what it is given is
    /// not behind because much was published at once: it may be owed four times as much.
    pub max_backlog: usize,
    /// Maximum number of comparisons of events with patterns for the replays that are in progress on a shard; a network
    /// (an IPv4 address or an IPv6 /64) may have a quarter of it.
    pub replay_effort: usize,
    /// Limits on the topics and patterns of a stream.
    pub topics: TopicLimits,
    /// Most bytes that are written to one stream before others have their turn.
    pub turn_bytes: usize,
    /// Whether to tell of every stream that is opened or ended.
    pub watch: bool,
}

impl Settings {
    /// What [`turn_bytes`](Self::turn_bytes) is where nothing else is wanted. An event of the largest body that is
    /// taken by default goes in one turn: in slices, one event to all would reach everybody as late as the last one.
    pub const TURN_BYTES: usize = 1024 * 1024 + 4096;

    /// Default of [`replay_effort`](Self::replay_effort): takes about a millisecond where the patterns nearly match.
    pub const REPLAY_EFFORT: usize = 16 * 1024;

    /// Most bytes that a stream is owed, however eagerly it reads.
    pub(super) fn most_backlog(&self) -> usize {
        self.max_backlog.saturating_mul(4)
    }

    /// When a client that is refused for now is to come back: after one to four times the reconnection time, drawn by
    /// `chance` (from 0 to 1), so that those who were refused together do not come back together; and not at once,
    /// however short that is, since it will hardly be let in then.
    pub fn refusal_retry(&self, chance: f64) -> Duration {
        self.retry.max(MIN_REFUSAL_RETRY).mul_f64(1.0 + 3.0 * chance).min(MAX_REFUSAL_RETRY)
    }

    /// Bytes of history that a stream takes at once while it is caught up.
    pub(super) fn replay_budget(&self) -> usize {
        self.max_backlog.min(256 * 1024)
    }

    /// Bytes that may be under way to all before the next publication waits for them.
    pub(super) fn pass_quota(&self) -> u64 {
        self.max_backlog as u64 / 2
    }
}

const MIN_REFUSAL_RETRY: Duration = Duration::from_secs(1);
const MAX_REFUSAL_RETRY: Duration = Duration::from_secs(24 * 60 * 60);

/// A stream is slow if its socket takes no more and has taken nothing for so long, in ms: longer than a round trip,
/// for over a long path what was sent is acknowledged, and more is taken, once a round trip.
pub(super) const SLOW_MS: u32 = 1_000;

/// Most bytes that a client may send on an open stream, in its life.
pub(super) const MAX_RECEIVED: u16 = 4 * 1024;

impl Settings {
    /// What tests, simulations and benchmarks start from: open mode, the program's defaults, and nothing that is drawn at
    /// random.
    pub fn for_tests() -> Self {
        Self {
            ids: ClientKey::new([1, 2]),
            routes: Routes::new("/api/sse", false, false),
            requests: RequestLimits::default(),
            open: true,
            parameters: Parameters::All,
            loopback_host: false,
            cors: Cors::default(),
            proxies: TrustedProxies::default(),
            retry: Duration::from_secs(3),
            heartbeat: Heartbeat::Event,
            heartbeat_interval: Duration::from_secs(30),
            connection_timeout: Duration::from_secs(60),
            head_timeout: Duration::from_secs(10),
            decision_timeout: Duration::from_secs(5),
            max_backlog: 1024 * 1024,
            replay_effort: Self::REPLAY_EFFORT,
            topics: TopicLimits::DEFAULT,
            turn_bytes: Self::TURN_BYTES,
            watch: false,
        }
    }
}
