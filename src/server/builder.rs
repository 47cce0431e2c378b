//! How an engine is set up.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Engine, StartError};
use crate::config::{Config, ConfigError, DEFAULT_PORT};
use crate::journal::HistoryLimits;
use crate::net::{self, Access, Clock, Denial, Hooks, Identity, RequestHead, Setup, SocketOptions};
use crate::shard::{CloseReason, Heartbeat, Settings, StreamLimits};
use crate::wire::http::RequestLimits;
use crate::wire::{Client, Routes};

/// Sets an [`Engine`] up. Every option has the default that [`Config`] documents.
///
/// ```
/// use std::time::Duration;
/// let engine = fanfare::Engine::builder()
///     .listen("127.0.0.1:0".parse()?)
///     .heartbeat_interval(Duration::from_secs(15))
///     .max_connections_per_user(5)
///     .on_connect(|client| println!("{:?} is here", client.user_id()))
///     .start()?;
/// engine.shutdown(Duration::ZERO);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing runs before start"]
#[derive(Default)]
pub struct EngineBuilder {
    config: Config,
    listeners: Vec<TcpListener>,
    access: Option<net::AuthenticateHook>,
    hooks: Hooks,
}

impl EngineBuilder {
    /// Takes all options at once; what was set before is forgotten.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Also listens on this address; port 0 takes a free one.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.config.listen.push(address);
        self
    }

    /// Also accepts from a listener that is there already: inherited, or bound by a test.
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// See [`Config::workers`].
    pub fn workers(mut self, workers: usize) -> Self {
        self.config.workers = workers;
        self
    }

    /// See [`Config::base_path`].
    pub fn base_path(mut self, path: impl Into<String>) -> Self {
        self.config.base_path = path.into();
        self
    }

    /// See [`Config::heartbeat`].
    pub fn heartbeat(mut self, heartbeat: Heartbeat) -> Self {
        self.config.heartbeat = heartbeat;
        self
    }

    /// See [`Config::heartbeat_interval`].
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.config.heartbeat_interval = interval;
        self
    }

    /// See [`Config::connection_timeout`].
    pub fn connection_timeout(mut self, timeout: Duration) -> Self {
        self.config.connection_timeout = timeout;
        self
    }

    /// See [`Config::head_timeout`].
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.config.head_timeout = timeout;
        self
    }

    /// See [`Config::idle_timeout`].
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.config.idle_timeout = timeout;
        self
    }

    /// See [`Config::retry`].
    pub fn retry(mut self, retry: Duration) -> Self {
        self.config.retry = retry;
        self
    }

    /// See [`Config::max_connections`].
    pub fn max_connections(mut self, most: usize) -> Self {
        self.config.max_connections = Some(most);
        self
    }

    /// See [`Config::max_connections_per_ip`].
    pub fn max_connections_per_ip(mut self, most: usize) -> Self {
        self.config.max_connections_per_ip = Some(most);
        self
    }

    /// See [`Config::max_connections_per_user`].
    pub fn max_connections_per_user(mut self, most: usize) -> Self {
        self.config.max_connections_per_user = Some(most);
        self
    }

    /// See [`Config::max_backlog`].
    pub fn max_backlog(mut self, bytes: usize) -> Self {
        self.config.max_backlog = bytes;
        self
    }

    /// See [`Config::max_body`].
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.config.max_body = bytes;
        self
    }

    /// See [`Config::send_buffer`].
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.config.send_buffer = bytes;
        self
    }

    /// See [`Config::history_events`], [`Config::history_bytes`] and [`Config::history_age`].
    pub fn history(mut self, events: usize, bytes: usize, age: Duration) -> Self {
        (self.config.history_events, self.config.history_bytes, self.config.history_age) =
            (events, bytes, age);
        self
    }

    /// See [`Config::dev_endpoints`].
    pub fn dev_endpoints(mut self, on: bool) -> Self {
        self.config.dev_endpoints = Some(on);
        self
    }

    /// See [`Config::insecure_open`].
    pub fn insecure_open(mut self) -> Self {
        self.config.insecure_open = true;
        self
    }

    /// Decides who each request is from, and what that one may do; ends open mode.
    ///
    /// It is called for everything but health checks, on the one control thread: it must not block, or all
    /// requests wait. A hook that panics costs the request's connection.
    ///
    /// ```
    /// use fanfare::{Denial, Engine, Identity, Pattern};
    /// let tickets = Pattern::parse("tickets.>")?;
    /// let engine = Engine::builder()
    ///     .listen("127.0.0.1:0".parse()?)
    ///     .authenticate(move |request| match request.bearer() {
    ///         Some("s3cret") => Ok(Identity::new().allow_publish().allow_admin()),
    ///         Some("ada") => Ok(Identity::new().user("ada").allow_subscribe(tickets.clone())),
    ///         _ => Err(Denial::Unauthorized("a bearer token is needed".into())),
    ///     })
    ///     .start()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn authenticate(
        mut self,
        hook: impl Fn(&RequestHead<'_>) -> Result<Identity, Denial> + Send + Sync + 'static,
    ) -> Self {
        self.access = Some(Arc::new(hook));
        self
    }

    /// Is told of every stream that opens, in order, on a thread of its own. While it runs, further notices
    /// queue, without limit; a shutdown waits until all are told.
    pub fn on_connect(mut self, hook: impl Fn(&Client) + Send + 'static) -> Self {
        self.hooks.connect = Some(Box::new(hook));
        self
    }

    /// Is told of every stream that ends, and why, on the same thread.
    ///
    /// ```
    /// let engine = fanfare::Engine::builder()
    ///     .listen("127.0.0.1:0".parse()?)
    ///     .on_disconnect(|client, reason| println!("{:?} has gone: {}", client.user_id(), reason.as_str()))
    ///     .start()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_disconnect(mut self, hook: impl Fn(&Client, CloseReason) + Send + 'static) -> Self {
        self.hooks.disconnect = Some(Box::new(hook));
        self
    }

    /// Starts the engine. When this returns, it listens. It raises the soft limit of file descriptors of the
    /// process to the hard one.
    pub fn start(self) -> Result<Engine, StartError> {
        let Self { config, listeners, access, hooks } = self;
        config.check()?;
        let access = access.map_or(Access::Open { loopback_host: !config.insecure_open }, Access::Hook);
        let listeners = listen(&config, listeners)?;
        if access.wants_loopback_host() {
            refuse_beyond_loopback(&listeners)?;
        }
        let limit = net::raise_limit()?;
        let clock = Clock::start();
        let setup = Setup {
            clock,
            settings: settings(&config, &access, !hooks.is_empty(), next_epoch(clock.now().unix_ms)),
            streams: StreamLimits {
                total: config.max_connections.unwrap_or_else(|| net::streams_within(limit)),
                per_address: config.max_connections_per_ip.unwrap_or(usize::MAX),
                per_user: config.max_connections_per_user.unwrap_or(usize::MAX),
            },
            history: HistoryLimits {
                events: config.history_events,
                bytes: config.history_bytes,
                age: config.history_age,
            },
            sockets: SocketOptions {
                user_timeout: config.connection_timeout,
                send_buffer: config.send_buffer,
            },
            access,
            hooks,
            listeners,
            loops: config.workers,
            idle_timeout: config.idle_timeout,
        };
        Ok(Engine::new(net::start(setup)?))
    }
}

/// When a history begins: now, or the next ms where another history of this process began just now, so that no
/// two are taken for one.
fn next_epoch(unix_ms: u64) -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let next = |last: u64| unix_ms.max(last + 1);
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
    last.map_or(unix_ms, next)
}

fn settings(config: &Config, access: &Access, watch: bool, epoch: u64) -> Settings {
    Settings {
        node: fastrand::u32(..),
        epoch,
        routes: Routes::new(&config.base_path, config.dev_endpoints.unwrap_or(access.is_open())),
        requests: RequestLimits { body: config.max_body, ..RequestLimits::default() },
        open: access.is_open(),
        loopback_host: access.wants_loopback_host(),
        retry: config.retry,
        heartbeat: config.heartbeat,
        heartbeat_interval: config.heartbeat_interval,
        connection_timeout: config.connection_timeout,
        head_timeout: config.head_timeout,
        max_backlog: config.max_backlog,
        watch,
    }
}

fn listen(config: &Config, mut listeners: Vec<TcpListener>) -> Result<Vec<TcpListener>, StartError> {
    let failed = |address: String| move |error| StartError::Listen { address, error };
    for address in &config.listen {
        listeners.push(net::bind(*address).map_err(failed(address.to_string()))?);
    }
    if listeners.len() > net::MAX_LISTENERS {
        return Err(ConfigError { option: "listen", reason: "at most 64 addresses" }.into());
    }
    if listeners.is_empty() {
        return net::bind_loopback(DEFAULT_PORT).map_err(failed(format!("localhost:{DEFAULT_PORT}")));
    }
    Ok(listeners)
}

fn refuse_beyond_loopback(listeners: &[TcpListener]) -> Result<(), StartError> {
    for listener in listeners {
        let address = listener.local_addr()?;
        if !address.ip().to_canonical().is_loopback() {
            return Err(StartError::OpenBeyondLoopback(address));
        }
    }
    Ok(())
}
