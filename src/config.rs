//! Every option of an engine, with its default.

use std::net::SocketAddr;
use std::time::Duration;

use crate::shard::Heartbeat;

/// What an engine is started with. Each field's documentation gives its default.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Where to listen. Default: port 3000 of both loopback addresses.
    pub listen: Vec<SocketAddr>,
    /// Event loops. Default: as many as the machine has processors.
    pub workers: usize,
    /// Where the stream is; all else but health is below it. Begins with `/`. Default: `/api/sse`.
    pub base_path: String,
    /// How long a stream must have been idle to get a heartbeat. Default: 30 s.
    pub heartbeat_interval: Duration,
    /// What a heartbeat is. Default: an event.
    pub heartbeat: Heartbeat,
    /// How long a stream may go without write progress, or an acknowledgement of its peer. Default: 60 s.
    pub connection_timeout: Duration,
    /// The reconnection time that clients are told. Default: 3 s.
    pub retry: Duration,
    /// Most streams. Default: what the descriptor limit allows, less a reserve.
    pub max_connections: Option<usize>,
    /// Most streams from one address. Default: no limit.
    pub max_connections_per_ip: Option<usize>,
    /// Most streams of one user. Default: no limit.
    pub max_connections_per_user: Option<usize>,
    /// Bytes that a stream may be owed before it is caught up from history instead. Default: 1 MiB.
    pub max_backlog: usize,
    /// Most bytes of a request's body. Default: 1 MiB.
    pub max_body: usize,
    /// Bytes the kernel queues for a stream that does not read; it doubles the figure. Default: 16 KiB.
    pub send_buffer: usize,
    /// Most events in history. Default: 100,000.
    pub history_events: usize,
    /// Most bytes of history. Default: 64 MiB.
    pub history_bytes: usize,
    /// How long history holds an event. Default: 5 min.
    pub history_age: Duration,
    /// Whether the development endpoints are there. Default: in open mode.
    pub dev_endpoints: Option<bool>,
    /// Whether open mode is allowed beyond loopback, and any `Host` with it. Default: no.
    pub insecure_open: bool,
    /// How long a connection may stay silent, and a request's head may take. Default: 10 s.
    pub head_timeout: Duration,
    /// How long a connection may be idle after an answer. Default: 60 s.
    pub idle_timeout: Duration,
}

/// The port where none is given.
pub const DEFAULT_PORT: u16 = 3000;

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            base_path: "/api/sse".to_owned(),
            heartbeat_interval: Duration::from_secs(30),
            heartbeat: Heartbeat::Event,
            connection_timeout: Duration::from_secs(60),
            retry: Duration::from_secs(3),
            max_connections: None,
            max_connections_per_ip: None,
            max_connections_per_user: None,
            max_backlog: 1024 * 1024,
            max_body: 1024 * 1024,
            send_buffer: 16 * 1024,
            history_events: 100_000,
            history_bytes: 64 * 1024 * 1024,
            history_age: Duration::from_secs(5 * 60),
            dev_endpoints: None,
            insecure_open: false,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
        }
    }
}

/// An option has a value that it cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {reason}")]
pub struct ConfigError {
    /// The field at fault.
    pub option: &'static str,
    /// What it must be.
    pub reason: &'static str,
}

impl Config {
    /// Whether every option has a value that it can have.
    pub fn check(&self) -> Result<(), ConfigError> {
        let fail = |option, reason| Err(ConfigError { option, reason });
        if self.workers == 0 || self.workers > MAX_WORKERS {
            return fail("workers", "must be 1 to 1024");
        }
        let path = &self.base_path;
        let plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~');
        if !path.starts_with('/') || path.ends_with('/') || !path.bytes().all(plain) {
            return fail("base-path", "must begin with / and not end with it, and needs no escapes");
        }
        if matches!(path.as_str(), "/healthz" | "/readyz") {
            return fail("base-path", "is taken");
        }
        let shortest = Duration::from_millis(10);
        if self.heartbeat_interval < shortest {
            return fail("heartbeat-interval", "must be at least 10ms");
        }
        if self.connection_timeout < shortest || self.connection_timeout > MAX_TIMEOUT {
            return fail("connection-timeout", "must be 10ms to 1day");
        }
        if self.retry > MAX_TIMEOUT {
            return fail("retry", "must be at most 1day");
        }
        if self.heartbeat_interval > MAX_TIMEOUT {
            return fail("heartbeat-interval", "must be at most 1day");
        }
        if self.head_timeout < shortest || self.head_timeout > MAX_TIMEOUT {
            return fail("head-timeout", "must be 10ms to 1day");
        }
        if self.idle_timeout < shortest || self.idle_timeout > MAX_TIMEOUT {
            return fail("idle-timeout", "must be 10ms to 1day");
        }
        if self.max_backlog < 4096 {
            return fail("max-backlog", "must be at least 4KiB");
        }
        if self.max_body == 0 || self.max_body > MAX_BODY {
            return fail("max-body", "must be 1 byte to 1GiB");
        }
        if self.send_buffer < 2048 || self.send_buffer > MAX_BODY {
            return fail("send-buffer", "must be 2KiB to 1GiB");
        }
        if self.max_connections == Some(0) {
            return fail("max-connections", "must be at least 1");
        }
        Ok(())
    }
}

const MAX_WORKERS: usize = 1024;
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_BODY: usize = 1024 * 1024 * 1024;
