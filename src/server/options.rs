//! What an engine can be told before it starts.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::EngineBuilder;
use crate::access::{Denial, Identity, RequestHead};
use crate::config::Config;
use crate::event::{Client, ClientKey};
use crate::http::IpNetwork;
use crate::journal::durable::SyncPolicy;
use crate::journal::log::Disk;
use crate::journal::{Delivery, Journal};
use crate::shard::{CloseReason, Heartbeat};

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

    /// Also accepts from a listener that is there already: inherited, or bound by a test. Others may hold it too: at a
    /// shutdown, whoever waits in its queue is left to them.
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Where the metric `fanfare_log_lines_dropped_total` is read from: how many lines the log of the program has
    /// dropped, since it does not wait for whoever reads it. Default: none.
    pub fn log_lines_dropped(mut self, count: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.log_lines_dropped = Some(Box::new(count));
        self
    }

    /// Keeps events in a journal of the caller's own instead of the one in memory. It is opened with what client ids are
    /// made with and the way into the shards. For tests and benchmarks; it may change with any release.
    #[doc(hidden)]
    pub fn journal<J: Journal + 'static>(
        mut self,
        open: impl FnOnce(ClientKey, Delivery) -> J + Send + Sync + 'static,
    ) -> Self {
        self.journal = Some(Box::new(|ids, delivery| (Box::new(open(ids, delivery)), Vec::new())));
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

    /// See [`Config::body_timeout`].
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.config.body_timeout = timeout;
        self
    }

    /// See [`Config::idle_timeout`].
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.config.idle_timeout = timeout;
        self
    }

    /// See [`Config::drain_delay`].
    pub fn drain_delay(mut self, delay: Duration) -> Self {
        self.config.drain_delay = delay;
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

    /// See [`Config::max_other_connections_per_ip`].
    pub fn max_other_connections_per_ip(mut self, most: usize) -> Self {
        self.config.max_other_connections_per_ip = Some(most);
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

    /// See [`Config::max_topic_tokens`], [`Config::max_topic_wildcards`] and [`Config::max_stream_tokens`].
    pub fn topic_limits(mut self, tokens: usize, wildcards: usize, total: usize) -> Self {
        (self.config.max_topic_tokens, self.config.max_topic_wildcards, self.config.max_stream_tokens) =
            (tokens, wildcards, total);
        self
    }

    /// See [`Config::max_body`].
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.config.max_body = bytes;
        self
    }

    /// See [`Config::max_bodies`].
    pub fn max_bodies(mut self, bytes: usize) -> Self {
        self.config.max_bodies = Some(bytes);
        self
    }

    /// See [`Config::unsent_limit`].
    pub fn unsent_limit(mut self, bytes: usize) -> Self {
        self.config.unsent_limit = bytes;
        self
    }

    /// See [`Config::history_events`], [`Config::history_bytes`] and [`Config::history_age`].
    pub fn history(mut self, events: usize, bytes: usize, age: Duration) -> Self {
        (self.config.history_events, self.config.history_bytes, self.config.history_age) =
            (Some(events), Some(bytes), Some(age));
        self
    }

    /// See [`Config::history_dir`].
    ///
    /// Publishing then waits until an event is kept, with [`SyncPolicy::Always`] for one sync of the disk; see
    /// [`Publisher::submit`](crate::Publisher::submit) to go on meanwhile. A [`Target::filter`](crate::Target::filter)
    /// cannot be kept, so publishing one is an error unless the event has a time to live of zero.
    pub fn history_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.config.history_dir = Some(folder.into());
        self
    }

    /// See [`Config::history_sync`].
    pub fn history_sync(mut self, policy: SyncPolicy) -> Self {
        self.config.history_sync = policy;
        self
    }

    /// See [`Config::history_memory`].
    pub fn history_memory(mut self, bytes: usize) -> Self {
        self.config.history_memory = bytes;
        self
    }

    /// See [`Config::history_bytes`].
    pub fn history_bytes(mut self, bytes: usize) -> Self {
        self.config.history_bytes = Some(bytes);
        self
    }

    /// See [`Config::history_age`].
    pub fn history_age(mut self, age: Duration) -> Self {
        self.config.history_age = Some(age);
        self
    }

    /// See [`Config::idempotency_window`].
    pub fn idempotency_window(mut self, window: Duration) -> Self {
        self.config.idempotency_window = window;
        self
    }

    /// Another disk than the folder, for tests.
    #[doc(hidden)]
    pub fn history_disk(mut self, disk: Arc<dyn Disk>) -> Self {
        self.disk = Some(disk);
        self
    }

    /// See [`Config::control_listen`]; port 0 takes a free one.
    pub fn control_listen(mut self, address: SocketAddr) -> Self {
        self.config.control_listen.push(address);
        self
    }

    /// Serves publishers and operators on a listener that is there already; see [`Config::control_listen`].
    pub fn control_listener(mut self, listener: TcpListener) -> Self {
        self.control_listeners.push(listener);
        self
    }

    /// See [`Config::publish_rate`].
    pub fn publish_rate(mut self, per_second: u32) -> Self {
        self.config.publish_rate = Some(per_second);
        self
    }

    /// See [`Config::trusted_proxies`].
    pub fn trusted_proxy(mut self, network: IpNetwork) -> Self {
        self.config.trusted_proxies.push(network);
        self
    }

    /// See [`Config::cors_origins`].
    pub fn cors_origin(mut self, origin: impl Into<String>) -> Self {
        self.config.cors_origins.push(origin.into());
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
    /// It is called for everything but health checks, on threads of its own
    /// ([`authenticate_threads`](Self::authenticate_threads)): it may block, as on a database, and several requests are
    /// judged at once. Where many wait, client addresses take turns. So many of one address may wait
    /// ([`authenticate_waiting`](Self::authenticate_waiting)), and each for 10 s: beyond that, streams are refused for now, and other requests with 503. Where it panics, a stream is
    /// refused for now, and another request with 500. It may have query parameters of its own for who asks; `topic` and `lastEventId` are the stream's, and what is nearly one of these is refused.
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
        self.authenticate = Some(Arc::new(hook));
        self
    }

    /// How many threads call the [`authenticate`](Self::authenticate) hook: as many requests can be judged at once. Of
    /// these, one client address has three quarters at most. Default: 16; at least 1, at most 1,024.
    pub fn authenticate_threads(mut self, threads: usize) -> Self {
        self.authenticate_threads = Some(threads.clamp(1, 1_024));
        self
    }

    /// How many requests of one client address (of IPv6, of one network of 64 bits) may wait for a thread that says who
    /// they are from; four times as many may in all. It also holds for tokens whose signature is verified for the first
    /// time. Default: 4,096; at least 1.
    pub fn authenticate_waiting(mut self, requests: usize) -> Self {
        self.authenticate_waiting = Some(requests.max(1));
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
}
