//! What a shard is told once, at its start.

use std::time::Duration;

use crate::wire::http::RequestLimits;
use crate::wire::{Cors, Routes, TopicLimits, TrustedProxies};

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
    /// Drawn at random at each start; part of every client id.
    pub node: u32,
    /// When this history began.
    pub epoch: u64,
    /// Where the stream is.
    pub routes: Routes,
    /// Sizes of requests.
    pub requests: RequestLimits,
    /// Whether streams are opened on what their query claims. Otherwise every request is handed over, to come
    /// back with an identity.
    pub open: bool,
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
    /// Most bytes that a stream is owed before it is sent back to history.
    pub max_backlog: usize,
    /// Comparisons of events with patterns that the answers to streams which are caught up may need that are under
    /// way to one shard; a quarter of it for those of one address.
    pub replay_effort: usize,
    /// How much a stream may subscribe to.
    pub topics: TopicLimits,
    /// Whether to tell of every stream that is opened or ended.
    pub watch: bool,
}

impl Settings {
    /// Bytes of history that a stream takes at once while it is caught up.
    pub(super) fn replay_budget(&self) -> usize {
        self.max_backlog.min(256 * 1024)
    }

    /// Bytes that may be under way to all before the next publication waits for them.
    pub(super) fn pass_quota(&self) -> u64 {
        self.max_backlog as u64 / 2
    }
}

/// A default for [`Settings::replay_effort`]: about a millisecond where the patterns nearly match.
pub const REPLAY_EFFORT: usize = 16 * 1024;

/// Most bytes that a client may send on an open stream, in its life.
pub(super) const MAX_RECEIVED: u16 = 4 * 1024;
