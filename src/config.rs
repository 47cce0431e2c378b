//! The options of an engine and their defaults.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::api::{Cors, MAX_ENTRIES};
use crate::event::{MAX_TOKENS, Pattern, TopicLimits};
use crate::http::IpNetwork;
use crate::journal::durable::SyncPolicy;
use crate::shard::Heartbeat;

/// Options of an engine. The documentation of each field gives its default.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Addresses to listen on. `[::]` is every address of the machine, IPv4 included, unless these or
    /// [`control_listen`](Self::control_listen) have an IPv4 address with the same port. Default: port 3000 of both
    /// loopback addresses.
    pub listen: Vec<SocketAddr>,
    /// Addresses for publishers and operators. Where there are any, the other listeners serve only streams and health
    /// checks. Default: none.
    pub control_listen: Vec<SocketAddr>,
    /// Number of event loops, 1 to 1,024. Default: one per processor.
    pub workers: usize,
    /// Path of the stream; the other endpoints, except health checks and the test panel, are below it. Begins with `/`.
    /// Default: `/api/sse`.
    pub base_path: String,
    /// Idle time after which a stream is sent a heartbeat. Default: 30 s.
    pub heartbeat_interval: Duration,
    /// What to send as a heartbeat. Default: an event.
    pub heartbeat: Heartbeat,
    /// A stream is closed that has made no write progress for this long, or whose peer has not acknowledged anything.
    /// Default: 60 s.
    pub connection_timeout: Duration,
    /// Reconnection time sent to clients, 10 ms to 1 day. Default: 3 s.
    pub retry: Duration,
    /// Maximum number of streams. Default: what the file descriptor limit allows, less a reserve.
    pub max_connections: Option<usize>,
    /// Maximum number of streams from one IPv4 address or one IPv6 /64 network. Default: no limit.
    pub max_connections_per_ip: Option<usize>,
    /// Maximum number of connections from one IPv4 address or one IPv6 /64 network that are not streams. As many again
    /// are answered 429, or as a stream refused for now; more are closed. The peer of the connection counts: those of
    /// [`trusted_proxies`](Self::trusted_proxies) and of [`control_listen`](Self::control_listen) are not limited.
    /// Default: no limit.
    pub max_other_connections_per_ip: Option<usize>,
    /// Maximum number of streams of one user. Default: no limit.
    pub max_connections_per_user: Option<usize>,
    /// Maximum number of events per second that one publisher may publish over HTTP: one API key, one user, or in open
    /// mode one IPv4 address or IPv6 /64 network. A second's worth may come at once. Default: no limit.
    pub publish_rate: Option<u32>,
    /// Proxies whose `X-Forwarded-For` and `Forwarded` fields are believed, for the limits by address. No wider than an
    /// IPv4 /8 or an IPv6 /16, but for unique local, link-local and reserved addresses (`fc00::/7`, `fe80::/10`,
    /// `240.0.0.0/4`). Default: none.
    pub trusted_proxies: Vec<IpNetwork>,
    /// Origins, as browsers send them, whose pages may read responses, errors included, and send credentials; or `*`
    /// for any origin, without credentials. Pages may send the header fields that their preflights ask for. With a
    /// list, the error for a head that is too large waits for its `Origin`, up to a second. Default: none.
    pub cors_origins: Vec<String>,
    /// File with the secret that tokens are signed with (HS256); one newline at its end is dropped. Default: none.
    #[cfg(feature = "jwt")]
    pub jwt_secret_file: Option<PathBuf>,
    /// PEM file with the public key to verify tokens with (RS256, ES256, EdDSA). Default: none.
    #[cfg(feature = "jwt")]
    pub jwt_public_key_file: Option<PathBuf>,
    /// File with the JSON Web Key Set (RFC 7517) to verify tokens with. Default: none.
    #[cfg(feature = "jwt")]
    pub jwks_file: Option<PathBuf>,
    /// Audience that tokens must name (`aud`). Default: not checked.
    #[cfg(feature = "jwt")]
    pub jwt_audience: Option<String>,
    /// Issuer that tokens must name (`iss`). Default: not checked.
    #[cfg(feature = "jwt")]
    pub jwt_issuer: Option<String>,
    /// Name of a cookie that may carry the token. Default: none.
    #[cfg(feature = "jwt")]
    pub jwt_cookie: Option<String>,
    /// Clock difference to tolerate in a token's times. Default: 30 s.
    #[cfg(feature = "jwt")]
    pub jwt_leeway: Duration,
    /// File of API keys: per line a key and its scopes, of `subscribe`, `publish` and `admin`. Default: none.
    pub api_key_file: Option<PathBuf>,
    /// Whether subscribers without a token are allowed. Default: no.
    pub anonymous_subscribers: bool,
    /// Topics that subscribers without a token may follow. Default: none.
    pub anonymous_topics: Vec<Pattern>,
    /// Bytes to queue for a stream before it is sent back to history to catch up; four times as much for one whose
    /// socket has accepted something within the last second. At least 4 KiB. Default: 1 MiB.
    pub max_backlog: usize,
    /// Maximum number of tokens of one topic or pattern that a stream subscribes to, 1 to 32. Default: 16.
    pub max_topic_tokens: usize,
    /// Maximum number of `*` of one pattern, up to 32. The cost of finding the subscribers of a topic grows with about
    /// the fifth power of the topic's tokens at 4, and doubles with each token where there is no limit. Default: 4.
    pub max_topic_wildcards: usize,
    /// Maximum number of tokens of all topics and patterns of one stream, together; its memory grows with them. At least
    /// [`max_topic_tokens`](Self::max_topic_tokens), at most 2,048: 64 patterns of 32 tokens. Default: 512.
    pub max_stream_tokens: usize,
    /// Maximum size of a request body in bytes, 1 KiB to 1 GiB. Default: 1 MiB.
    pub max_body: usize,
    /// Maximum size in bytes of all request bodies that are being received, together; further ones are answered 503. A
    /// body that arrives at once does not count. At least twice [`max_body`](Self::max_body), since the memory that a body
    /// takes grows ahead of it. Default: 64 MiB, or twice `max_body` where that is more.
    pub max_bodies: Option<usize>,
    /// Bytes that the kernel may hold unsent for a stream (`TCP_NOTSENT_LOWAT`), 2 KiB to 1 GiB. The kernel goes beyond
    /// it by up to one segment, at most 64 KiB. Default: 16 KiB.
    pub unsent_limit: usize,
    /// Maximum number of events in history. Not together with [`history_dir`](Self::history_dir). Default: 100,000.
    pub history_events: Option<usize>,
    /// Maximum size of history in bytes. In memory at least 4 KiB, or 0 for no history; on disk at least 1 MiB. Default:
    /// 64 MiB; on disk 8 GiB.
    pub history_bytes: Option<usize>,
    /// Maximum age of an event in history, 10 ms to 10 years; in memory 0 for no history. Default: 5 min; on disk 7 days.
    pub history_age: Option<Duration>,
    /// Folder that keeps history on disk, over restarts. It is created where it is missing. One engine at a time can use
    /// it. Default: none; history ends with the process.
    pub history_dir: Option<PathBuf>,
    /// When an event that is published must be on the disk, where history is kept there. An interval is 1 ms to 1 h.
    /// Default: before it is delivered and acknowledged.
    pub history_sync: SyncPolicy,
    /// Maximum size in bytes of what a history on disk also holds in memory, for streams that were away for a moment; at
    /// least 64 KiB. Default: 64 MiB.
    pub history_memory: usize,
    /// How long an idempotency key is remembered, 1 s to 30 days; at most a million keys, about 200 bytes each. Default:
    /// 24 h.
    pub idempotency_window: Duration,
    /// Whether to serve the development endpoints: test events and the test panel. Default: in open mode.
    pub dev_endpoints: Option<bool>,
    /// Whether open mode is allowed on any address and with any `Host`: anyone who can connect may publish and
    /// administer. Default: no.
    pub insecure_open: bool,
    /// Time for a connection to send its first byte, and for a request head to arrive. Default: 10 s.
    pub head_timeout: Duration,
    /// Longest pause within a request body, which must also average 512 bytes per second. Default: 10 s.
    pub body_timeout: Duration,
    /// A connection is closed that has been idle for this long after a response. Default: 60 s.
    pub idle_timeout: Duration,
    /// Time between the start of a shutdown, from which `/readyz` answers 503, and the end of streams; until then
    /// everything else goes on, so that a load balancer can notice. At most a day. Default: 0.
    pub drain_delay: Duration,
}

/// The port to listen on where none is given.
pub const DEFAULT_PORT: u16 = 3000;

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            control_listen: Vec::new(),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            base_path: "/api/sse".to_owned(),
            heartbeat_interval: Duration::from_secs(30),
            heartbeat: Heartbeat::Event,
            connection_timeout: Duration::from_secs(60),
            retry: Duration::from_secs(3),
            max_connections: None,
            max_connections_per_ip: None,
            max_other_connections_per_ip: None,
            max_connections_per_user: None,
            publish_rate: None,
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            #[cfg(feature = "jwt")]
            jwt_secret_file: None,
            #[cfg(feature = "jwt")]
            jwt_public_key_file: None,
            #[cfg(feature = "jwt")]
            jwks_file: None,
            #[cfg(feature = "jwt")]
            jwt_audience: None,
            #[cfg(feature = "jwt")]
            jwt_issuer: None,
            #[cfg(feature = "jwt")]
            jwt_cookie: None,
            #[cfg(feature = "jwt")]
            jwt_leeway: Duration::from_secs(30),
            api_key_file: None,
            anonymous_subscribers: false,
            anonymous_topics: Vec::new(),
            max_backlog: 1024 * 1024,
            max_topic_tokens: TopicLimits::DEFAULT.tokens,
            max_topic_wildcards: TopicLimits::DEFAULT.wildcards,
            max_stream_tokens: TopicLimits::DEFAULT.total,
            max_body: 1024 * 1024,
            max_bodies: None,
            unsent_limit: 16 * 1024,
            history_events: None,
            history_bytes: None,
            history_age: None,
            history_dir: None,
            history_sync: SyncPolicy::Always,
            history_memory: HISTORY_MEMORY,
            idempotency_window: A_DAY,
            dev_endpoints: None,
            insecure_open: false,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            drain_delay: Duration::ZERO,
        }
    }
}

/// What a history on disk also holds in memory, where nothing is said.
const HISTORY_MEMORY: usize = 64 << 20;
const MIN_HISTORY_MEMORY: usize = 64 << 10;
/// Less than that is not worth a folder.
const MIN_DISK: usize = 1 << 20;
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
const A_WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const MIN_SYNC: Duration = Duration::from_millis(1);
const MAX_SYNC: Duration = Duration::from_secs(60 * 60);

/// An option has an invalid value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {reason}")]
pub struct ConfigError {
    /// The option, as spelled on the command line.
    pub option: &'static str,
    /// What is wrong with its value.
    pub reason: Cow<'static, str>,
}

impl ConfigError {
    pub(crate) fn new(option: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { option, reason: reason.into() }
    }
}

impl Config {
    /// Checks the value of every option.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_server()?;
        self.check_times()?;
        self.check_sizes()?;
        self.check_access()
    }

    /// Whether requests are authenticated by tokens or API keys.
    pub fn has_keys(&self) -> bool {
        self.token_files() > 0 || self.api_key_file.is_some()
    }

    #[cfg(not(feature = "jwt"))]
    fn token_files(&self) -> usize {
        0
    }

    #[cfg(feature = "jwt")]
    fn token_files(&self) -> usize {
        let files = [&self.jwt_secret_file, &self.jwt_public_key_file, &self.jwks_file];
        files.into_iter().flatten().count()
    }

    fn check_server(&self) -> Result<(), ConfigError> {
        require((1..=MAX_WORKERS).contains(&self.workers), "workers", "must be 1 to 1024")?;
        let path = &self.base_path;
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~');
        let is_path = path.starts_with('/') && !path.ends_with('/') && path.bytes().all(is_plain);
        require(is_path, "base-path", "must begin with / and not end with it, and needs no escapes")?;
        // Clients remove them before they ask.
        let has_dots = path.split('/').any(|segment| matches!(segment, "." | ".."));
        require(!has_dots, "base-path", "must not have segments of dots")?;
        require(path.len() <= MAX_BASE_PATH, "base-path", "must be at most 1024 bytes")?;
        let is_taken = RESERVED_PATHS.contains(&path.as_str()) || path.starts_with("/sse-test/");
        require(!is_taken, "base-path", "is taken")?;
        for (option, most) in [
            ("max-connections", self.max_connections),
            ("max-connections-per-ip", self.max_connections_per_ip),
            ("max-other-connections-per-ip", self.max_other_connections_per_ip),
            ("max-connections-per-user", self.max_connections_per_user),
        ] {
            require(
                most.is_none_or(|most| (1..=MAX_CONNECTIONS).contains(&most)),
                option,
                "must be 1 to 1073741824",
            )?;
        }
        require(self.publish_rate != Some(0), "publish-rate", "must be at least 1")
    }

    fn check_times(&self) -> Result<(), ConfigError> {
        let is_timeout = |time: Duration| time >= Duration::from_millis(10) && time <= MAX_TIMEOUT;
        for (option, time) in [
            ("heartbeat-interval", self.heartbeat_interval),
            ("connection-timeout", self.connection_timeout),
            // Clients that are told to come back at once do nothing else while a server is away.
            ("retry", self.retry),
            ("head-timeout", self.head_timeout),
            ("body-timeout", self.body_timeout),
            ("idle-timeout", self.idle_timeout),
        ] {
            require(is_timeout(time), option, "must be 10ms to 1day")?;
        }
        require(self.drain_delay <= MAX_TIMEOUT, "drain-delay", "must be at most 1day")?;
        let is_window = (Duration::from_secs(1)..=30 * A_DAY).contains(&self.idempotency_window);
        require(is_window, "idempotency-window", "must be 1s to 30days")?;
        // In less than that nobody comes back.
        let age = self.held_age();
        let is_none = age.is_zero() && self.history_dir.is_none();
        let is_age = is_none || (MIN_AGE..=MAX_AGE).contains(&age);
        require(is_age, "history-age", "must be 10ms to 10years, or in memory 0s for no history")
    }

    fn check_sizes(&self) -> Result<(), ConfigError> {
        let is_count = |count: usize| (1..=MAX_TOKENS).contains(&count);
        require(is_count(self.max_topic_tokens), "max-topic-tokens", "must be 1 to 32")?;
        require(self.max_topic_wildcards <= MAX_TOKENS, "max-topic-wildcards", "must be 0 to 32")?;
        require(
            (1..=MAX_STREAM_TOKENS).contains(&self.max_stream_tokens),
            "max-stream-tokens",
            "must be 1 to 2048: 64 patterns of 32 tokens",
        )?;
        if self.max_stream_tokens < self.max_topic_tokens {
            let most = self.max_topic_tokens;
            let reason =
                format!("must be at least max-topic-tokens, {most}: no stream could follow such a topic");
            return Err(ConfigError::new("max-stream-tokens", reason));
        }
        require(self.max_backlog >= 4096, "max-backlog", "must be at least 4KiB")?;
        self.check_history()?;
        for (option, bytes) in self.memory() {
            require(bytes <= MAX_MEMORY, option, "is more than any machine has")?;
        }
        require((1024..=MAX_BODY).contains(&self.max_body), "max-body", "must be 1KiB to 1GiB")?;
        let least = self.least_bodies();
        if self.max_bodies.is_some_and(|bytes| bytes < least) {
            let reason =
                format!("must be at least twice max-body, {least} bytes, or a body may find no room");
            return Err(ConfigError::new("max-bodies", reason));
        }
        require((2048..=MAX_BODY).contains(&self.unsent_limit), "unsent-limit", "must be 2KiB to 1GiB")
    }

    fn check_history(&self) -> Result<(), ConfigError> {
        require(self.held_events() <= MAX_EVENTS, "history-events", "must be at most 1000000000000")?;
        if self.history_dir.is_none() {
            let bytes = self.held_bytes();
            let is_size = bytes == 0 || bytes >= MIN_HISTORY;
            require(is_size, "history-bytes", "must be at least 4KiB, or 0 for no history")?;
            let is_default = self.history_sync == SyncPolicy::Always;
            require(is_default, "history-sync", "needs history-dir")?;
            return require(self.history_memory == HISTORY_MEMORY, "history-memory", "needs history-dir");
        }
        let has_none = self.history_events.is_none();
        require(has_none, "history-events", "a history on disk is limited by its bytes and its age")?;
        require(self.held_bytes() >= MIN_DISK, "history-bytes", "must be at least 1MiB on disk")?;
        require(self.history_memory >= MIN_HISTORY_MEMORY, "history-memory", "must be at least 64KiB")?;
        let is_interval = match self.history_sync {
            SyncPolicy::Every(time) => (MIN_SYNC..=MAX_SYNC).contains(&time),
            SyncPolicy::Always | SyncPolicy::Never => true,
        };
        require(is_interval, "history-sync", "must be always, never or 1ms to 1h")
    }

    /// [`history_events`](Self::history_events), or its default.
    pub(crate) fn held_events(&self) -> usize {
        self.history_events.unwrap_or(100_000)
    }

    /// [`history_bytes`](Self::history_bytes), or its default.
    pub(crate) fn held_bytes(&self) -> usize {
        let default = if self.history_dir.is_some() { 8 << 30 } else { 64 << 20 };
        self.history_bytes.unwrap_or(default)
    }

    /// [`history_age`](Self::history_age), or its default.
    pub(crate) fn held_age(&self) -> Duration {
        let default = if self.history_dir.is_some() { A_WEEK } else { Duration::from_secs(5 * 60) };
        self.history_age.unwrap_or(default)
    }

    /// What each of these options lets the engine take at once.
    pub(crate) fn memory(&self) -> [(&'static str, usize); 3] {
        [
            ("max-backlog", self.max_backlog),
            ("max-bodies", self.bodies()),
            match self.history_dir {
                Some(_) => ("history-memory", self.history_memory),
                None => ("history-bytes", self.held_bytes()),
            },
        ]
    }

    /// What all request bodies may take: [`max_bodies`](Self::max_bodies), or its default.
    pub(crate) fn bodies(&self) -> usize {
        self.max_bodies.unwrap_or(DEFAULT_BODIES.max(self.least_bodies()))
    }

    fn least_bodies(&self) -> usize {
        self.max_body.saturating_mul(2)
    }

    fn check_access(&self) -> Result<(), ConfigError> {
        Cors::new(&self.cors_origins).map_err(|error| ConfigError::new("cors-origin", error.to_string()))?;
        if let Some(network) = self.trusted_proxies.iter().find(|network| network.is_too_wide()) {
            let reason = format!(
                "{network} has addresses of others than the proxies, who could claim any address: list the networks that \
                 the proxies are in, each at least /8 (IPv4) or /16 (IPv6)"
            );
            return Err(ConfigError::new("trusted-proxy", reason));
        }
        #[cfg(feature = "jwt")]
        self.check_tokens()?;
        require(
            self.has_keys() || !self.anonymous_subscribers,
            "anonymous-subscribers",
            "needs keys; without any, everybody may do everything",
        )?;
        require(
            self.anonymous_subscribers || self.anonymous_topics.is_empty(),
            "anonymous-topic",
            "needs anonymous-subscribers",
        )
    }

    #[cfg(feature = "jwt")]
    fn check_tokens(&self) -> Result<(), ConfigError> {
        require(self.jwt_leeway <= MAX_TIMEOUT, "jwt-leeway", "must be at most 1day")?;
        let tokens = self.token_files();
        // The last one, which is given if two are.
        let last = if self.jwks_file.is_some() { "jwks-file" } else { "jwt-public-key-file" };
        require(tokens <= 1, last, "tokens have one kind of key: a secret, a public key or a key set")?;
        for (option, given) in [
            ("jwt-audience", self.jwt_audience.is_some()),
            ("jwt-issuer", self.jwt_issuer.is_some()),
            ("jwt-cookie", self.jwt_cookie.is_some()),
        ] {
            require(tokens == 1 || !given, option, "needs a key that tokens are verified with")?;
        }
        let is_token = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
        let is_cookie = |name: &String| !name.is_empty() && name.bytes().all(is_token);
        let cookie = self.jwt_cookie.as_ref();
        require(cookie.is_none_or(is_cookie), "jwt-cookie", "is no name of a cookie (RFC 6265)")
    }
}

fn require(holds: bool, option: &'static str, reason: &'static str) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::new(option, reason)) }
}

/// What stands beside the base path.
const RESERVED_PATHS: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/sse-test"];
const MAX_WORKERS: usize = 1024;
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_BODY: usize = 1024 * 1024 * 1024;
const DEFAULT_BODIES: usize = 64 * 1024 * 1024;
/// As many as the most patterns of one stream can have.
const MAX_STREAM_TOKENS: usize = MAX_ENTRIES * MAX_TOKENS;
const MAX_BASE_PATH: usize = 1024;
/// The kernel numbers no more descriptors.
const MAX_CONNECTIONS: usize = 1 << 30;
const MIN_AGE: Duration = Duration::from_millis(10);
/// Ten years of 365.25 days, as durations are written.
const MAX_AGE: Duration = Duration::from_secs(315_576_000);
/// A few small events, with what it takes to find them.
const MIN_HISTORY: usize = 4096;
const MAX_EVENTS: usize = 1_000_000_000_000;
/// What a process can address.
const MAX_MEMORY: usize = 1 << 47;
