//! Every option of an engine, with its default.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::shard::Heartbeat;
use crate::wire::{Cors, Pattern, TrustedProxies};

/// What an engine is started with. Each field's documentation gives its default.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Where to listen. `[::]` is every address of the machine, of IPv4 too, unless an IPv4 address with the same port
    /// is among these or in [`control_listen`](Self::control_listen): then that one has IPv4. Default: port 3000 of
    /// both loopback addresses.
    pub listen: Vec<SocketAddr>,
    /// Where publishers and operators are served, on listeners of their own. Where there are such, the others have
    /// the stream and health checks only. Default: none.
    pub control_listen: Vec<SocketAddr>,
    /// Event loops. Default: as many as the machine has processors.
    pub workers: usize,
    /// Where the stream is; all else but health and the test panel is below it. Begins with `/`. Default: `/api/sse`.
    pub base_path: String,
    /// How long a stream must have been idle to get a heartbeat. Default: 30 s.
    pub heartbeat_interval: Duration,
    /// What a heartbeat is. Default: an event.
    pub heartbeat: Heartbeat,
    /// How long a stream may go without write progress, or an acknowledgement of its peer. Default: 60 s.
    pub connection_timeout: Duration,
    /// The reconnection time that clients are told: 10 ms to 1 day. Default: 3 s.
    pub retry: Duration,
    /// Most streams. Default: what the descriptor limit allows, less a reserve.
    pub max_connections: Option<usize>,
    /// Most streams from one address; of IPv6 addresses, from one network of 64 bits. Default: no limit.
    pub max_connections_per_ip: Option<usize>,
    /// Most connections from one address, or one IPv6 network of 64 bits, that are no streams, whatever they do. As many
    /// again are told so, 429, or as a stream refused for now; more are closed. What counts is who opens a connection:
    /// those of [`trusted_proxies`](Self::trusted_proxies) and of [`control_listen`](Self::control_listen) have no
    /// such limit. Default: no limit.
    pub max_other_connections_per_ip: Option<usize>,
    /// Most streams of one user. Default: no limit.
    pub max_connections_per_user: Option<usize>,
    /// Most events a second that one publisher may publish over HTTP: by API key, by user, or in open mode by
    /// address (of IPv6, by network of 64 bits). A second's worth may come at once. Default: no limit.
    pub publish_rate: Option<u32>,
    /// Proxies whose word on the client's address counts (`X-Forwarded-For`, `Forwarded`), for the limits by
    /// address. Default: none.
    pub trusted_proxies: Vec<IpNet>,
    /// Pages of which other origins may read answers, refusals too: origins as browsers send them, with credentials,
    /// or `*`, without. They may send the header fields that their preflights ask for. With a list, a head that is
    /// too large is answered once its `Origin` was read, at the latest after a second. Default: none.
    pub cors_origins: Vec<String>,
    /// A file with the secret that tokens are signed with (HS256), a final newline dropped. Default: none.
    pub jwt_secret_file: Option<PathBuf>,
    /// A file with the public key that tokens are verified with, in PEM (RS256, ES256, EdDSA). Default: none.
    pub jwt_public_key_file: Option<PathBuf>,
    /// A file with the JSON Web Key Set that tokens are verified with (RFC 7517). Default: none.
    pub jwks_file: Option<PathBuf>,
    /// Whom tokens must be for (`aud`). Default: anybody.
    pub jwt_audience: Option<String>,
    /// Whom tokens must be from (`iss`). Default: anybody.
    pub jwt_issuer: Option<String>,
    /// The cookie that may carry a token. Default: none.
    pub jwt_cookie: Option<String>,
    /// How far the clock of whoever issues tokens may differ. Default: 30 s.
    pub jwt_leeway: Duration,
    /// A file of API keys: one a line, then its scopes, of `subscribe`, `publish` and `admin`. Default: none.
    pub api_key_file: Option<PathBuf>,
    /// Whether whoever brings no token may subscribe. Default: no.
    pub anonymous_subscribers: bool,
    /// The topics that anonymous subscribers may ask for. Default: none.
    pub anonymous_topics: Vec<Pattern>,
    /// Bytes that a stream may be owed before it is caught up from history instead; four times as much for one whose
    /// socket has taken something within the last second. At least 4 KiB. Default: 1 MiB.
    pub max_backlog: usize,
    /// Most bytes of a request's body. Default: 1 MiB.
    pub max_body: usize,
    /// Bytes that the bodies of all requests may take together before they have arrived whole: 503 beyond it. A body
    /// that arrives at once does not count. Never less than twice [`max_body`](Self::max_body). Default: 64 MiB.
    pub max_bodies: usize,
    /// Bytes that the kernel may hold unsent for a stream before it takes no more (`TCP_NOTSENT_LOWAT`), to within
    /// the size of one segment, at most 64 KiB. 2 KiB to 1 GiB. Default: 16 KiB.
    pub unsent_limit: usize,
    /// Most events in history. Default: 100,000.
    pub history_events: usize,
    /// Most bytes of history. Default: 64 MiB.
    pub history_bytes: usize,
    /// How long history holds an event, at most 10 years. Default: 5 min.
    pub history_age: Duration,
    /// Whether the development endpoints are there. Default: in open mode.
    pub dev_endpoints: Option<bool>,
    /// Whether open mode is allowed beyond loopback, and any `Host` with it. Default: no.
    pub insecure_open: bool,
    /// How long a connection may stay silent, and a request's head may take. Default: 10 s.
    pub head_timeout: Duration,
    /// How long a request's body may be silent before it is whole; on average it must bring 512 bytes a second,
    /// too. Default: 10 s.
    pub body_timeout: Duration,
    /// How long a connection may be idle after an answer. Default: 60 s.
    pub idle_timeout: Duration,
    /// How long a shutdown says that the engine is not ready (`/readyz` answers 503) before it stops listening and ends
    /// streams; until then everything goes on. For a load balancer, which needs as long to look away. Default: 0, at
    /// most a day.
    pub drain_delay: Duration,
}

/// The port where none is given.
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
            jwt_secret_file: None,
            jwt_public_key_file: None,
            jwks_file: None,
            jwt_audience: None,
            jwt_issuer: None,
            jwt_cookie: None,
            jwt_leeway: Duration::from_secs(30),
            api_key_file: None,
            anonymous_subscribers: false,
            anonymous_topics: Vec::new(),
            max_backlog: 1024 * 1024,
            max_body: 1024 * 1024,
            max_bodies: 64 * 1024 * 1024,
            unsent_limit: 16 * 1024,
            history_events: 100_000,
            history_bytes: 64 * 1024 * 1024,
            history_age: Duration::from_secs(5 * 60),
            dev_endpoints: None,
            insecure_open: false,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            drain_delay: Duration::ZERO,
        }
    }
}

/// An option has a value that it cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {reason}")]
pub struct ConfigError {
    /// The field at fault, as it is spelled on the command line.
    pub option: &'static str,
    /// What it must be.
    pub reason: Cow<'static, str>,
}

impl ConfigError {
    pub(crate) fn new(option: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { option, reason: reason.into() }
    }
}

impl Config {
    /// Whether every option has a value that it can have.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_server()?;
        self.check_times()?;
        self.check_sizes()?;
        self.check_access()
    }

    /// Whether there is anything that says who a request is from.
    pub fn has_keys(&self) -> bool {
        self.token_files() > 0 || self.api_key_file.is_some()
    }

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
        for (option, time) in [("jwt-leeway", self.jwt_leeway), ("drain-delay", self.drain_delay)] {
            require(time <= MAX_TIMEOUT, option, "must be at most 1day")?;
        }
        require(self.history_age <= MAX_AGE, "history-age", "must be at most 10years")
    }

    fn check_sizes(&self) -> Result<(), ConfigError> {
        require(self.max_backlog >= 4096, "max-backlog", "must be at least 4KiB")?;
        require(self.history_events <= MAX_EVENTS, "history-events", "must be at most 1000000000000")?;
        for (option, bytes) in self.memory() {
            require(bytes <= MAX_MEMORY, option, "is more than any machine has")?;
        }
        require((1..=MAX_BODY).contains(&self.max_body), "max-body", "must be 1 byte to 1GiB")?;
        require((2048..=MAX_BODY).contains(&self.unsent_limit), "unsent-limit", "must be 2KiB to 1GiB")
    }

    /// What each of these options lets the engine take at once.
    pub(crate) fn memory(&self) -> [(&'static str, usize); 3] {
        [
            ("max-backlog", self.max_backlog),
            ("max-bodies", self.max_bodies),
            ("history-bytes", self.history_bytes),
        ]
    }

    fn check_access(&self) -> Result<(), ConfigError> {
        Cors::new(&self.cors_origins).map_err(|error| ConfigError::new("cors-origin", error.to_string()))?;
        let everybody = TrustedProxies::new(self.trusted_proxies.clone()).has_everybody();
        require(
            !everybody,
            "trusted-proxy",
            "is every address: whoever connects could claim any other; name the networks of the proxies",
        )?;
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
        require(
            self.jwt_cookie.as_ref().is_none_or(is_cookie),
            "jwt-cookie",
            "is no name of a cookie (RFC 6265)",
        )?;
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
}

fn require(holds: bool, option: &'static str, reason: &'static str) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::new(option, reason)) }
}

/// What stands beside the base path.
const RESERVED_PATHS: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/sse-test"];
const MAX_WORKERS: usize = 1024;
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_BODY: usize = 1024 * 1024 * 1024;
const MAX_BASE_PATH: usize = 1024;
/// The kernel numbers no more descriptors.
const MAX_CONNECTIONS: usize = 1 << 30;
/// Ten years of 365.25 days, as durations are written.
const MAX_AGE: Duration = Duration::from_secs(315_576_000);
const MAX_EVENTS: usize = 1_000_000_000_000;
/// What a process can address.
const MAX_MEMORY: usize = 1 << 47;
