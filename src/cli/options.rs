//! The command line, and the configuration it resolves to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use fanfare::{Config, Heartbeat, IpNetwork, Pattern, SyncPolicy};

use super::history::HistoryOptions;
use super::publish::PublishOptions;
use super::tail::TailOptions;
use super::value::{address, duration, network, pattern, size, sync_policy, up_to_a_day};

/// A Server-Sent Events engine.
#[derive(Debug, Parser)]
#[command(version, about, disable_help_subcommand = true)]
pub(super) enum Command {
    /// Run the server (the default).
    Serve(Box<ServeOptions>),
    /// Publish events to a server.
    Publish(Box<PublishOptions>),
    /// Follow a stream.
    Tail(Box<TailOptions>),
    /// Print what history holds.
    History(Box<HistoryOptions>),
    /// Print a configuration file with every option at its default.
    Config,
    /// Check a configuration file and the files it names.
    Check {
        /// The configuration file.
        file: PathBuf,
    },
}

/// Options of the server. The library has the default of each.
#[derive(Debug, Args)]
pub(super) struct ServeOptions {
    /// TOML file with any of these options; the command line and the environment override it
    #[arg(long, value_name = "FILE", env = "FANFARE_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Address to listen on; repeatable. [::]:3000 is every address of the machine, IPv4 included, unless an IPv4
    /// address with the same port is given as well [default: port 3000 of 127.0.0.1 and ::1]
    #[arg(long, value_name = "ADDR:PORT", env = "FANFARE_LISTEN", value_delimiter = ',', value_parser = address)]
    listen: Vec<SocketAddr>,
    /// Address for publishers and operators, who are then served only there; repeatable
    #[arg(long, value_name = "ADDR:PORT", env = "FANFARE_CONTROL_LISTEN", value_delimiter = ',', value_parser = address)]
    control_listen: Vec<SocketAddr>,
    /// Number of event loops [default: one per processor]
    #[arg(long, value_name = "N", env = "FANFARE_WORKERS")]
    workers: Option<usize>,
    /// Path of the stream; the other endpoints, except health checks, are below it [default: /api/sse]
    #[arg(long, value_name = "PATH", env = "FANFARE_BASE_PATH")]
    base_path: Option<String>,
    /// Idle time after which a stream is sent a heartbeat [default: 30s]
    #[arg(long, value_name = "TIME", env = "FANFARE_HEARTBEAT_INTERVAL", value_parser = duration)]
    heartbeat_interval: Option<Duration>,
    /// What to send as a heartbeat [default: event]
    #[arg(long, env = "FANFARE_HEARTBEAT")]
    heartbeat: Option<HeartbeatOption>,
    /// Close a stream that has made no progress for this long [default: 60s]
    #[arg(long, value_name = "TIME", env = "FANFARE_CONNECTION_TIMEOUT", value_parser = duration)]
    connection_timeout: Option<Duration>,
    /// Reconnection time sent to clients, 10ms to 1day [default: 3s]
    #[arg(long, value_name = "TIME", env = "FANFARE_RETRY", value_parser = duration)]
    retry: Option<Duration>,
    /// Maximum number of streams [default: what the file descriptor limit allows]
    #[arg(long, value_name = "N", env = "FANFARE_MAX_CONNECTIONS")]
    max_connections: Option<usize>,
    /// Maximum number of streams from one IPv4 address or one IPv6 /64 network [default: no limit]
    #[arg(long, value_name = "N", env = "FANFARE_MAX_CONNECTIONS_PER_IP")]
    max_connections_per_ip: Option<usize>,
    /// Maximum number of connections from one IPv4 address or IPv6 /64 network that are not streams. Connections of
    /// trusted proxies, which carry requests of many clients, and those to --control-listen are not limited
    /// [default: no limit]
    #[arg(long, value_name = "N", env = "FANFARE_MAX_OTHER_CONNECTIONS_PER_IP")]
    max_other_connections_per_ip: Option<usize>,
    /// Maximum number of streams of one user [default: no limit]
    #[arg(long, value_name = "N", env = "FANFARE_MAX_CONNECTIONS_PER_USER")]
    max_connections_per_user: Option<usize>,
    /// Maximum number of events per second from one publisher: one API key, one user, or in open mode one IPv4 address
    /// or IPv6 /64 network [default: no limit]
    #[arg(long, value_name = "N", env = "FANFARE_PUBLISH_RATE")]
    publish_rate: Option<u32>,
    /// Proxy to believe X-Forwarded-For and Forwarded of, for the limits by address; repeatable
    #[arg(long, value_name = "ADDR[/BITS]", env = "FANFARE_TRUSTED_PROXY", value_delimiter = ',', value_parser = network)]
    trusted_proxy: Vec<IpNetwork>,
    /// Origin whose pages may read responses, or * for any origin without credentials; repeatable
    #[arg(long, value_name = "ORIGIN", env = "FANFARE_CORS_ORIGIN", value_delimiter = ',')]
    cors_origin: Vec<String>,
    /// File with the secret that tokens are signed with (HS256); one newline at its end is dropped
    #[arg(long, value_name = "FILE", env = "FANFARE_JWT_SECRET_FILE")]
    jwt_secret_file: Option<PathBuf>,
    /// PEM file with the public key to verify tokens with (RS256, ES256, EdDSA)
    #[arg(long, value_name = "FILE", env = "FANFARE_JWT_PUBLIC_KEY_FILE")]
    jwt_public_key_file: Option<PathBuf>,
    /// File with the JSON Web Key Set to verify tokens with
    #[arg(long, value_name = "FILE", env = "FANFARE_JWKS_FILE")]
    jwks_file: Option<PathBuf>,
    /// Audience that tokens must name (aud)
    #[arg(long, value_name = "NAME", env = "FANFARE_JWT_AUDIENCE")]
    jwt_audience: Option<String>,
    /// Issuer that tokens must name (iss)
    #[arg(long, value_name = "NAME", env = "FANFARE_JWT_ISSUER")]
    jwt_issuer: Option<String>,
    /// Name of a cookie that may carry the token
    #[arg(long, value_name = "NAME", env = "FANFARE_JWT_COOKIE")]
    jwt_cookie: Option<String>,
    /// Clock difference to tolerate in a token's times [default: 30s]
    #[arg(long, value_name = "TIME", env = "FANFARE_JWT_LEEWAY", value_parser = duration)]
    jwt_leeway: Option<Duration>,
    /// File of API keys: per line a key and its scopes, of subscribe, publish and admin
    #[arg(long, value_name = "FILE", env = "FANFARE_API_KEY_FILE")]
    api_key_file: Option<PathBuf>,
    /// Allow subscribers without a token
    #[arg(long, env = "FANFARE_ANONYMOUS_SUBSCRIBERS", value_parser = clap::builder::BoolishValueParser::new(),
          num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    anonymous_subscribers: Option<bool>,
    /// Topic or pattern that subscribers without a token may follow; repeatable
    #[arg(long, value_name = "PATTERN", env = "FANFARE_ANONYMOUS_TOPIC", value_delimiter = ',', value_parser = pattern)]
    anonymous_topic: Vec<Pattern>,
    /// Bytes to queue for a stream before it is sent back to history to catch up [default: 1MiB]
    #[arg(long, value_name = "SIZE", env = "FANFARE_MAX_BACKLOG", value_parser = size)]
    max_backlog: Option<usize>,
    /// Maximum number of tokens of a topic or pattern that a stream subscribes to, up to 32 [default: 16]
    #[arg(long, value_name = "N", env = "FANFARE_MAX_TOPIC_TOKENS")]
    max_topic_tokens: Option<usize>,
    /// Maximum number of * of a pattern, up to 32; beyond 4, patterns can make publishing to deep topics slow [default: 4]
    #[arg(long, value_name = "N", env = "FANFARE_MAX_TOPIC_WILDCARDS")]
    max_topic_wildcards: Option<usize>,
    /// Maximum number of tokens of all topics and patterns of a stream, together, up to 2048 [default: 512]
    #[arg(long, value_name = "N", env = "FANFARE_MAX_STREAM_TOKENS")]
    max_stream_tokens: Option<usize>,
    /// Maximum size of a request body, 1KiB to 1GiB [default: 1MiB]
    #[arg(long, value_name = "SIZE", env = "FANFARE_MAX_BODY", value_parser = size)]
    max_body: Option<usize>,
    /// Maximum size of all request bodies that are being received, together; at least twice --max-body [default: 64MiB, or
    /// twice --max-body if that is more]
    #[arg(long, value_name = "SIZE", env = "FANFARE_MAX_BODIES", value_parser = size)]
    max_bodies: Option<usize>,
    /// Bytes the kernel may hold unsent for a stream (TCP_NOTSENT_LOWAT), to within 64KiB [default: 16KiB]
    #[arg(long, value_name = "SIZE", env = "FANFARE_UNSENT_LIMIT", value_parser = size)]
    unsent_limit: Option<usize>,
    /// Maximum number of events in history; not with --history-dir [default: 100000]
    #[arg(long, value_name = "N", env = "FANFARE_HISTORY_EVENTS")]
    history_events: Option<usize>,
    /// Maximum size of history, at least 4KiB; 0 for none [default: 64MiB; with --history-dir 8GiB]
    #[arg(long, value_name = "SIZE", env = "FANFARE_HISTORY_BYTES", value_parser = size)]
    history_bytes: Option<usize>,
    /// Maximum age of an event in history [default: 5m; with --history-dir 7days]
    #[arg(long, value_name = "TIME", env = "FANFARE_HISTORY_AGE", value_parser = duration)]
    history_age: Option<Duration>,
    /// Folder that keeps history on disk, over restarts; one server at a time can use it
    #[arg(long, value_name = "DIR", env = "FANFARE_HISTORY_DIR")]
    history_dir: Option<PathBuf>,
    /// When an event must be on the disk: before it is sent (always), at least so often, as 1s, or when the kernel writes it
    /// (never) [default: always]
    #[arg(long, value_name = "always|TIME|never", env = "FANFARE_HISTORY_SYNC", value_parser = sync_policy)]
    history_sync: Option<SyncPolicy>,
    /// Maximum size of what is held in memory with --history-dir, at least 64KiB [default: 64MiB]
    #[arg(long, value_name = "SIZE", env = "FANFARE_HISTORY_MEMORY", value_parser = size)]
    history_memory: Option<usize>,
    /// How long an Idempotency-Key is remembered [default: 24h]
    #[arg(long, value_name = "TIME", env = "FANFARE_IDEMPOTENCY_WINDOW", value_parser = duration)]
    idempotency_window: Option<Duration>,
    /// Serve the development endpoints: test events and the test panel [default: on in open mode]
    #[arg(long, env = "FANFARE_DEV_ENDPOINTS")]
    dev_endpoints: Option<Switch>,
    /// Allow open mode on any address: anyone who can connect may publish and administer
    #[arg(long, env = "FANFARE_INSECURE_OPEN", value_parser = clap::builder::BoolishValueParser::new(),
          num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    insecure_open: Option<bool>,
    /// Time for a connection to send its first byte, and for a request head to arrive [default: 10s]
    #[arg(long, value_name = "TIME", env = "FANFARE_HEAD_TIMEOUT", value_parser = duration)]
    head_timeout: Option<Duration>,
    /// Longest pause within a request body [default: 10s]
    #[arg(long, value_name = "TIME", env = "FANFARE_BODY_TIMEOUT", value_parser = duration)]
    body_timeout: Option<Duration>,
    /// Close a connection that has been idle for this long after a response [default: 60s]
    #[arg(long, value_name = "TIME", env = "FANFARE_IDLE_TIMEOUT", value_parser = duration)]
    idle_timeout: Option<Duration>,
    /// Time between SIGTERM or SIGINT, from which /readyz answers 503, and the end of streams, for a load balancer to
    /// notice [default: 0s]
    #[arg(long, value_name = "TIME", env = "FANFARE_DRAIN_DELAY", value_parser = duration)]
    drain_delay: Option<Duration>,
    /// Time for streams to receive what they are owed when they end, also from history, at most 1day; publishing is
    /// refused meanwhile. It also limits the spread of their return
    #[arg(long, value_name = "TIME", env = "FANFARE_DRAIN_TIMEOUT", value_parser = up_to_a_day, default_value = "10s")]
    pub(super) drain_timeout: Duration,
    /// Format of the log on standard error; RUST_LOG sets its level
    #[arg(long, env = "FANFARE_LOG_FORMAT", default_value = "text")]
    pub(super) log_format: LogFormat,
}

/// Format of the log.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HeartbeatOption {
    Event,
    Comment,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    #[value(alias = "true")]
    On,
    #[value(alias = "false")]
    Off,
}

impl ServeOptions {
    /// The configuration, with the library's default for each option that is not given.
    pub(super) fn resolve(self) -> Config {
        let mut config = Config::default();
        config.listen = self.listen;
        let heartbeat = self.heartbeat.map(|heartbeat| match heartbeat {
            HeartbeatOption::Event => Heartbeat::Event,
            HeartbeatOption::Comment => Heartbeat::Comment,
            HeartbeatOption::Off => Heartbeat::Off,
        });
        set(&mut config.workers, self.workers);
        set(&mut config.base_path, self.base_path);
        set(&mut config.heartbeat_interval, self.heartbeat_interval);
        set(&mut config.heartbeat, heartbeat);
        set(&mut config.connection_timeout, self.connection_timeout);
        set(&mut config.retry, self.retry);
        set(&mut config.max_backlog, self.max_backlog);
        set(&mut config.max_topic_tokens, self.max_topic_tokens);
        set(&mut config.max_topic_wildcards, self.max_topic_wildcards);
        set(&mut config.max_stream_tokens, self.max_stream_tokens);
        set(&mut config.max_body, self.max_body);
        set(&mut config.unsent_limit, self.unsent_limit);
        set(&mut config.history_sync, self.history_sync);
        set(&mut config.history_memory, self.history_memory);
        set(&mut config.idempotency_window, self.idempotency_window);
        set(&mut config.insecure_open, self.insecure_open);
        set(&mut config.head_timeout, self.head_timeout);
        set(&mut config.body_timeout, self.body_timeout);
        set(&mut config.idle_timeout, self.idle_timeout);
        set(&mut config.jwt_leeway, self.jwt_leeway);
        set(&mut config.drain_delay, self.drain_delay);
        set(&mut config.anonymous_subscribers, self.anonymous_subscribers);
        config.control_listen = self.control_listen;
        config.publish_rate = self.publish_rate;
        config.max_bodies = self.max_bodies;
        config.history_events = self.history_events;
        config.history_bytes = self.history_bytes;
        config.history_age = self.history_age;
        config.history_dir = self.history_dir;
        config.trusted_proxies = self.trusted_proxy;
        config.cors_origins = self.cors_origin;
        config.jwt_secret_file = self.jwt_secret_file;
        config.jwt_public_key_file = self.jwt_public_key_file;
        config.jwks_file = self.jwks_file;
        config.jwt_audience = self.jwt_audience;
        config.jwt_issuer = self.jwt_issuer;
        config.jwt_cookie = self.jwt_cookie;
        config.api_key_file = self.api_key_file;
        config.anonymous_topics = self.anonymous_topic;
        config.max_connections = self.max_connections;
        config.max_connections_per_ip = self.max_connections_per_ip;
        config.max_other_connections_per_ip = self.max_other_connections_per_ip;
        config.max_connections_per_user = self.max_connections_per_user;
        config.dev_endpoints = self.dev_endpoints.map(|switch| switch == Switch::On);
        config
    }
}

fn set<T>(place: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::arguments::{parse, with_default_command};
    use super::*;

    fn config(args: &[&str]) -> Result<Config, String> {
        let args = ["fanfare"].iter().chain(args).map(OsString::from);
        let command = parse(with_default_command(args)).map_err(|stop| format!("{stop:?}"))?;
        let Command::Serve(options) = command else { panic!("not a server: {command:?}") };
        let config = options.resolve();
        config.check().map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn nothing_given_is_the_default() {
        assert_eq!(config(&[]), Ok(Config::default()));
        assert_eq!(config(&["serve"]), Ok(Config::default()));
    }

    #[test]
    fn units_are_understood() {
        let config =
            config(&["--retry", "500ms", "--history-age=5m", "--max-backlog", "64KiB", "--max-body", "9999"]);
        let config = config.unwrap();
        assert_eq!(
            (config.retry, config.history_age.unwrap_or_default()),
            (Duration::from_millis(500), Duration::from_secs(300))
        );
        assert_eq!((config.max_backlog, config.max_body), (65_536, 9999));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let cases = [
            ["--retry", "fast"],
            ["--retry", "0s"],
            ["--retry", "9ms"],
            ["--retry", "2days"],
            ["--max-backlog", "1KiB"],
            ["--workers", "0"],
            ["--workers", "-1"],
            ["--listen", "localhost"],
            ["--heartbeat", "loud"],
            ["--base-path", "api"],
            ["--connection-timeout", "0s"],
            ["--unknown", "1"],
        ];
        for args in cases {
            assert!(config(&args).is_err(), "{args:?}");
        }
    }
}
