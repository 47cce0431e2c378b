//! The settings of a shard, which do not change after its start.

use std::time::Duration;

use crate::api::{Cors, Parameters, Routes};
use crate::event::{ClientKey, TopicLimits};
use crate::http::RequestLimits;
use crate::http::TrustedProxies;

/// What is sent to keep idle streams alive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Heartbeat {
    /// An `event: ping` with the time, which clients can observe.
    #[default]
    Event,
    /// A comment line, which clients do not see.
    Comment,
    /// Nothing. Only TCP keep-alive detects clients that vanished.
    Off,
}

/// The settings that all shards of an engine share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The key of client ids, drawn at random at each start.
    pub ids: ClientKey,
    /// The paths of the server.
    pub routes: Routes,
    /// Limits on the size of requests.
    pub requests: RequestLimits,
    /// Whether streams are opened on what their query claims. Otherwise a [judge](super::Judge) decides.
    pub open: bool,
    /// Which query parameters the server reads.
    pub parameters: Parameters,
    /// Whether `Host` must be a loopback address, which prevents DNS rebinding by pages of other sites.
    pub loopback_host: bool,
    /// Which other origins may read responses.
    pub cors: Cors,
    /// Proxies that are trusted to name the client's address.
    pub proxies: TrustedProxies,
    /// The reconnection time sent to clients.
    pub retry: Duration,
    /// What keeps idle streams alive.
    pub heartbeat: Heartbeat,
    /// How long a stream must be idle before it is sent a heartbeat.
    pub heartbeat_interval: Duration,
    /// How long a stream may go without write progress.
    pub connection_timeout: Duration,
    /// How long a connection may stay silent, and how long a head may take from its first byte.
    pub head_timeout: Duration,
    /// How long a request for a stream may wait for a decision about who it is from.
    pub decision_timeout: Duration,
    /// Maximum bytes queued for a stream before it is sent back to history. A stream that still reads is not slow just
    /// because much was published at once: it may have four times as much queued.
    pub max_backlog: usize,
    /// Maximum number of comparisons of events with patterns for the replays that are in progress on a shard; a network
    /// (an IPv4 address or an IPv6 /64) may have a quarter of it.
    pub replay_effort: usize,
    /// Limits on the topics and patterns of a stream.
    pub topics: TopicLimits,
    /// Maximum bytes written to one stream before others have their turn.
    pub turn_bytes: usize,
    /// Whether to report every stream that is opened or ended.
    pub watch: bool,
}

impl Settings {
    /// Default of [`turn_bytes`](Self::turn_bytes). An event of the largest body accepted by default is written in one
    /// turn: in slices, one event to all streams would reach every stream as late as the last one.
    pub const TURN_BYTES: usize = 1024 * 1024 + 4096;

    /// Default of [`replay_effort`](Self::replay_effort): takes about a millisecond where the patterns nearly match.
    pub const REPLAY_EFFORT: usize = 16 * 1024;

    /// Maximum bytes queued for a stream, however fast it reads.
    pub(super) fn most_backlog(&self) -> usize {
        self.max_backlog.saturating_mul(4)
    }

    /// When a client that is refused temporarily should return: after one to four times the reconnection time, drawn by
    /// `chance` (from 0 to 1), so that clients refused together do not return together. Never at once, however short
    /// the reconnection time, since there will hardly be room by then.
    pub fn refusal_retry(&self, chance: f64) -> Duration {
        self.retry.max(MIN_REFUSAL_RETRY).mul_f64(1.0 + 3.0 * chance).min(MAX_REFUSAL_RETRY)
    }

    /// Bytes of history that a stream is given at once while it catches up: the more parts it has taken, the more, from 16 to
    /// 256 KiB. What is queued for a stream that does not read is held though history may have dropped it; so such a
    /// stream holds little.
    pub(super) fn replay_budget(&self, taken: u8) -> usize {
        let doubled = u32::from(taken) / PARTS;
        self.max_backlog.min(FIRST_PART << doubled.min(4))
    }

    /// Bytes in progress to all streams before the next publication waits.
    pub(super) fn pass_quota(&self) -> u64 {
        self.max_backlog as u64 / 2
    }
}

/// Bytes of the first parts of history that a stream is given.
const FIRST_PART: usize = 16 * 1024;
/// Parts of one size that a stream takes before they are doubled. The first two sizes are more than the kernel takes for a
/// stream that does not read.
const PARTS: u32 = 8;

const MIN_REFUSAL_RETRY: Duration = Duration::from_secs(1);
const MAX_REFUSAL_RETRY: Duration = Duration::from_secs(24 * 60 * 60);

/// A stream is slow if its socket is full and has accepted nothing for this many ms. Longer than a round trip, since
/// over a long path the socket accepts more only once a round trip.
pub(super) const SLOW_MS: u32 = 1_000;

/// Maximum bytes that a client may send on an open stream in its lifetime.
pub(super) const MAX_RECEIVED: u16 = 4 * 1024;

impl Settings {
    /// Settings for tests, simulations and benchmarks: open mode, the defaults of the program, and nothing drawn at
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
