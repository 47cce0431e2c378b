//! How an engine is started.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use super::history::open_journal;
use super::keys::Reloadable;
use super::{Engine, StartError};
use crate::access::{Access, Authenticate, RateLimit};
use crate::api::{Cors, Parameters, Routes};
use crate::config::{Config, ConfigError, DEFAULT_PORT};
use crate::event::{ClientKey, TopicLimits};
use crate::http::RequestLimits;
use crate::http::TrustedProxies;
use crate::journal::log::Disk;
use crate::net::{
    self, AuthenticationThreads, Clock, Hooks, IpVersions, LinesDropped, Listener, OpenJournal, Setup,
    SocketOptions,
};
use crate::shard::{Settings, StreamLimits};

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
    pub(super) config: Config,
    pub(super) listeners: Vec<TcpListener>,
    pub(super) control_listeners: Vec<TcpListener>,
    pub(super) authenticate: Option<Arc<dyn Authenticate>>,
    pub(super) authenticate_threads: Option<usize>,
    pub(super) authenticate_waiting: Option<usize>,
    pub(super) hooks: Hooks,
    pub(super) log_lines_dropped: Option<LinesDropped>,
    /// In place of the one in memory.
    pub(super) journal: Option<OpenJournal>,
    pub(super) disk: Option<Arc<dyn Disk>>,
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Engine {
    /// Sets an engine up.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }
}

impl EngineBuilder {
    /// Whether an engine could start like this, as far as options and files tell.
    ///
    /// # Errors
    ///
    /// What [`start`](Self::start) would fail with.
    pub fn check(&self) -> Result<(), StartError> {
        check(&self.config)?;
        let closed = self.authenticate.is_some() || Reloadable::new(&self.config)?.is_some();
        if !closed && !self.config.insecure_open {
            refuse_beyond_loopback(self.config.listen.iter().chain(&self.config.control_listen).copied())?;
        }
        Ok(())
    }

    /// Starts the engine. When this returns, it listens. It raises the soft limit of file descriptors of the
    /// process to the hard one.
    pub fn start(self) -> Result<Engine, StartError> {
        let Self { config, listeners, control_listeners, authenticate, hooks, log_lines_dropped, .. } = self;
        let (journal, disk) = (self.journal, self.disk);
        check(&config)?;
        let keys = Reloadable::new(&config)?;
        let hook_threads = self.authenticate_threads.unwrap_or(HOOK_THREADS);
        let (access, authentication) = judges(authenticate, hook_threads, keys.as_ref(), &config)?;
        let all: Vec<SocketAddr> = config.listen.iter().chain(&config.control_listen).copied().collect();
        let listeners = match (listen(&config.listen, &all, listeners)?, DEFAULT_PORT) {
            (given, port) if given.is_empty() => {
                let bound = net::bind_loopback(port).map_err(failed(format!("localhost:{port}")))?;
                bound.into_iter().map(own).collect()
            }
            (given, _) => given,
        };
        let control_listeners = listen(&config.control_listen, &all, control_listeners)?;
        if access.wants_loopback_host() {
            let all = listeners.iter().chain(&control_listeners).map(|listener| listener.socket.local_addr());
            refuse_beyond_loopback(all.collect::<Result<Vec<_>, _>>()?)?;
        }
        warn_of_open_mode(&access, &listeners, &control_listeners);
        let limit = net::raise_limit()?;
        warn_of_descriptors(limit, config.max_connections);
        let clock = Clock::start();
        let split = !control_listeners.is_empty();
        let setup = Setup {
            clock,
            settings: Settings {
                routes: Routes::new(
                    &config.base_path,
                    config.dev_endpoints.unwrap_or(access.is_open()),
                    split,
                ),
                open: access.is_open(),
                parameters: access.parameters(),
                loopback_host: access.wants_loopback_host(),
                watch: !hooks.is_empty(),
                ids: ClientKey::new([net::random()?, net::random()?]),
                ..settings(&config)
            },
            journal: match journal {
                Some(journal) => journal,
                None => open_journal(&config, disk, clock.now().unix_ms)?,
            },
            streams: StreamLimits {
                total: config.max_connections.unwrap_or_else(|| net::streams_within(limit)),
                per_address: config.max_connections_per_ip.unwrap_or(usize::MAX),
                per_user: config.max_connections_per_user.unwrap_or(usize::MAX),
            },
            others_per_address: config.max_other_connections_per_ip.unwrap_or(usize::MAX),
            sockets: SocketOptions {
                user_timeout: config.connection_timeout,
                // Checked: at most 1 GiB.
                unsent_limit: config.unsent_limit as u32,
            },
            authentication,
            undecided: self.authenticate_waiting.unwrap_or(UNDECIDED),
            access,
            hooks,
            rates: RateLimit::new(config.publish_rate),
            listeners,
            control_listeners,
            loops: config.workers,
            body_timeout: config.body_timeout,
            idle_timeout: config.idle_timeout,
            max_bodies: config.bodies(),
            log_lines_dropped,
        };
        Ok(Engine::new(net::start(setup)?, keys, config.drain_delay))
    }
}

/// Whether every option has a value that it can have, on this machine.
fn check(config: &Config) -> Result<(), ConfigError> {
    config.check()?;
    let Some(memory) = net::machine_memory() else { return Ok(()) };
    // A small machine starts with the defaults.
    let defaults = Config::default().memory().map(|(_, bytes)| bytes);
    let mut sizes = config.memory().into_iter().zip(defaults);
    match sizes.find(|((_, bytes), default)| *bytes as u64 > memory && bytes > default) {
        Some(((option, _), _)) => {
            let reason = format!("is more than the memory that there is, {} MiB", memory / 1024 / 1024);
            Err(ConfigError::new(option, reason))
        }
        None => Ok(()),
    }
}

/// Somebody who reads the hook would not expect the keys to count, nor the other way round.
const TWO_JUDGES: &str = "either a hook says who requests are from, or keys do";

/// How requests are judged, and the threads for what takes long of it.
fn judges(
    hook: Option<Arc<dyn Authenticate>>,
    hook_threads: usize,
    keys: Option<&Reloadable>,
    config: &Config,
) -> Result<(Access, AuthenticationThreads), ConfigError> {
    let closed = |judge, parameters| Access::Closed { judge, parameters };
    Ok(match (hook, keys) {
        (Some(_), Some(_)) => return Err(ConfigError::new("authenticate", TWO_JUDGES)),
        // A program that says who asks may have parameters of its own for it.
        (Some(hook), None) => (closed(hook, Parameters::Asked), AuthenticationThreads::Hook(hook_threads)),
        (None, Some(keys)) => (closed(keys.keyring(), Parameters::Token), AuthenticationThreads::Signatures),
        (None, None) => (Access::Open { loopback_host: !config.insecure_open }, AuthenticationThreads::None),
    })
}

/// Threads that call an authenticate hook, where nothing else is wanted.
const HOOK_THREADS: usize = 16;
/// Requests of one address that may wait to be judged, where nothing else is wanted.
const UNDECIDED: usize = 4_096;

/// How long a request may wait for the decision on who it is from.
const DECISION_TIMEOUT: Duration = Duration::from_secs(10);

fn settings(config: &Config) -> Settings {
    Settings {
        ids: ClientKey::new([0, 0]),
        routes: Routes::new(&config.base_path, false, false),
        requests: RequestLimits { body: config.max_body, ..RequestLimits::default() },
        open: false,
        parameters: Parameters::All,
        loopback_host: true,
        // Checked with the rest.
        cors: Cors::new(&config.cors_origins).unwrap_or_default(),
        proxies: TrustedProxies::new(config.trusted_proxies.clone()),
        retry: config.retry,
        heartbeat: config.heartbeat,
        heartbeat_interval: config.heartbeat_interval,
        connection_timeout: config.connection_timeout,
        head_timeout: config.head_timeout,
        decision_timeout: DECISION_TIMEOUT,
        max_backlog: config.max_backlog,
        replay_effort: Settings::REPLAY_EFFORT,
        topics: TopicLimits {
            tokens: config.max_topic_tokens,
            wildcards: config.max_topic_wildcards,
            total: config.max_stream_tokens,
        },
        turn_bytes: Settings::TURN_BYTES,
        watch: false,
    }
}

/// Listens on these addresses, which are some of `all`.
fn listen(
    addresses: &[SocketAddr],
    all: &[SocketAddr],
    handed_in: Vec<TcpListener>,
) -> Result<Vec<Listener>, StartError> {
    let handed_in = handed_in.into_iter().map(|socket| Listener { socket, is_handed_in: true });
    let mut listeners: Vec<Listener> = handed_in.collect();
    for address in addresses {
        let versions = IpVersions::of(*address, all);
        listeners.push(own(net::bind(*address, versions).map_err(failed(address.to_string()))?));
    }
    if listeners.len() > net::MAX_LISTENERS {
        return Err(ConfigError::new("listen", "at most 64 addresses").into());
    }
    Ok(listeners)
}

/// Says that everybody who reaches a listener may do everything, where that is more than this machine.
fn warn_of_open_mode(access: &Access, listeners: &[Listener], control_listeners: &[Listener]) {
    let all =
        listeners.iter().chain(control_listeners).filter_map(|listener| listener.socket.local_addr().ok());
    let beyond = all.filter(|address| !address.ip().to_canonical().is_loopback());
    if access.is_open() {
        for address in beyond {
            tracing::warn!(%address, "insecure-open: anyone who can reach this address may read, publish and disconnect");
        }
    }
}

/// With fewer descriptors, a server is probably not set up for what it is for.
const FEW_STREAMS: usize = 10_000;

/// Says that the descriptor limit of the process allows fewer streams than somebody may expect.
fn warn_of_descriptors(limit: u64, wanted: Option<usize>) {
    let streams = net::streams_within(limit);
    if streams < wanted.unwrap_or(FEW_STREAMS) {
        tracing::warn!(
            limit,
            streams,
            "the descriptor limit allows no more streams (ulimit -n, LimitNOFILE)"
        );
    }
}

fn own(socket: TcpListener) -> Listener {
    Listener { socket, is_handed_in: false }
}

fn failed(address: String) -> impl FnOnce(std::io::Error) -> StartError {
    move |error| StartError::Listen { address, error }
}

fn refuse_beyond_loopback(addresses: impl IntoIterator<Item = SocketAddr>) -> Result<(), StartError> {
    match addresses.into_iter().find(|address| !address.ip().to_canonical().is_loopback()) {
        Some(address) => Err(StartError::OpenBeyondLoopback(address)),
        None => Ok(()),
    }
}
