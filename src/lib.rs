//! fanfare is a Server-Sent Events engine: it holds many streams open and sends each event to exactly the right ones,
//! once, in order, also across reconnects. A stream that misses an event is told so.
//!
//! ```
//! use fanfare::{Engine, Notification, Target};
//! use std::time::Duration;
//!
//! let engine = Engine::builder().listen("127.0.0.1:0".parse()?).start()?;
//! println!("http://{}/api/sse", engine.local_addrs()[0]);
//!
//! let publisher = engine.publisher(); // cheap to clone, for any thread
//! publisher.notify_user("ada", &Notification::new("info", "Hello", "You have mail"))?;
//! let id = publisher.send_custom_event("greeting", &"hello", Target::all())?;
//! println!("published as {id}");
//!
//! engine.shutdown(Duration::from_secs(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The engine runs on threads of its own. It needs no async runtime and works beside one: every method may be called
//! from any thread, and publishing takes a short lock and no I/O.
//!
//! # Map
//!
//! - [`Engine`] is a running engine, [`EngineBuilder`] sets one up, [`Config`] is its options.
//! - [`Publisher`] publishes, and answers who is connected.
//! - [`Event`] is a name and data, [`Target`] is whom it is for, [`Publication`] is both with a time to live.
//! - [`Notification`], [`Announcement`] and [`Progress`] are the payloads of the built-in events.
//! - [`Topic`] is what an event is published to, [`Pattern`] is what a stream subscribes to.
//! - [`Identity`] is who a request is from and what that one may do; an
//!   [`authenticate`](EngineBuilder::authenticate) hook makes it from a [`RequestHead`], or a [`Denial`].
//! - [`guide`] has pages on [operating](guide::operating), [speed and sizing](guide::performance),
//!   [errors](guide::problems) and [metrics](guide::metrics).
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `cli` (default) | the program `fanfare` and what only that needs; implies `jwt` |
//! | `jwt` | JSON Web Tokens: the options of [`Config`] whose names begin with `jwt` and `jwks`, and three quarters of all dependencies |
//!
//! A program whose [`authenticate`](EngineBuilder::authenticate) hook or API keys say who requests are from needs neither:
//! `default-features = false`. One that takes tokens adds `features = ["jwt"]`.
//!
//! # Words for "no"
//!
//! | type | what it is | seen by a client as |
//! |---|---|---|
//! | `Rejection` | bytes that are not a request, or are too large or too slow | 400, 408, 413, 414, 431, 501, 505 |
//! | [`Denial`] | a request whose sender is unknown, or not permitted | 401, 403 |
//! | `Problem` | any error response, with its status and detail | `application/problem+json` (RFC 9457) |
//! | `Refusal` | a stream that cannot be opened just now | 200 with a `connection` event and a `retry` |
//! | [`CloseReason`] | why a stream that was open has ended | the end of the stream |
//!
//! # Layers
//!
//! `http` reads requests, `event` is what is published and the bytes that a stream is sent, `api` is what can be asked and
//! answered; none of them does I/O. `shard` is one event loop's streams and what is queued for each, without a clock, a
//! thread or a socket of its own. `journal` orders events and remembers them. `access` decides who a request is from. `net`
//! has the threads, sockets and clocks, and makes every system call. All but `access` and `net` are public for simulations
//! and benchmarks, hidden, and may change with any release.

mod access;
#[doc(hidden)]
pub mod api;
mod config;
#[doc(hidden)]
pub mod event;
pub mod guide;
#[doc(hidden)]
pub mod http;
#[doc(hidden)]
pub mod journal;
mod metrics;
mod net;
mod publisher;
mod server;
#[doc(hidden)]
pub mod shard;

pub use access::{Denial, Identity, RequestHead};
pub use config::{Config, ConfigError, DEFAULT_PORT};
#[doc(inline)]
pub use event::{
    Announcement, Client, ClientId, Event, EventError, EventId, Level, Notification, Pattern, Progress,
    Publication, Target, Topic, TopicError,
};
#[doc(inline)]
pub use http::{IpNetwork, IpNetworkError};
#[doc(inline)]
pub use journal::durable::SyncPolicy;
#[doc(inline)]
pub use journal::log::OpenError;
#[doc(inline)]
pub use journal::{AppendError, Unstorable};
pub use net::{
    DiskStatistics, EngineStatistics, HistoryStatistics, KeyFileError, LoopStatistics, Statistics,
};
pub use publisher::{PublishError, Publisher, Receipt};
pub use server::{Engine, EngineBuilder, StartError};
#[doc(inline)]
pub use shard::{CloseReason, Heartbeat};
