//! fanfare: a Server-Sent Events engine.
//!
//! Many streams held open, each event to exactly the right ones, once, in order, also across reconnects.
//!
//! ```
//! use fanfare::{Engine, Target};
//! use std::time::Duration;
//!
//! let engine = Engine::builder().listen("127.0.0.1:0".parse()?).start()?;
//! println!("http://{}/api/sse", engine.local_addrs()[0]);
//!
//! let publisher = engine.publisher();
//! let id = publisher.send_custom_event("greeting", &"hello", Target::all())?;
//! println!("published as {id}");
//!
//! engine.shutdown(Duration::from_secs(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! No async runtime is needed, nor in the way: publishing does not block for longer than a short lock, and every
//! method may be called from any thread.
//!
//! # Refusals
//!
//! Requests that are refused are answered `application/problem+json`; [`wire::PROBLEMS`] explains each kind.
//!
//! # Layout
//!
//! - [`Engine`], [`EngineBuilder`], [`Publisher`]: what a program embeds.
//! - [`wire`]: bytes and values: events, targets, topics, requests, responses. Pure.
//! - [`shard`]: the engine without a body: one event loop's streams and what each is owed. No clock, no thread,
//!   no socket of its own.
//! - [`journal`]: gives events their order, and remembers them for clients that come back.
//! - `access`: who a request is from, and what that one may do.
//! - [`metrics`]: what Prometheus is told; the list of all metrics.
//! - `net`: threads, sockets, clocks; every system call.
//!
//! `wire`, `shard` and `journal` are public for simulations, benchmarks and the curious; what is not re-exported
//! here may change with any release.
//!
#![doc = include_str!("operating.md")]
#![doc = include_str!("performance.md")]

mod access;
mod config;
pub mod journal;
pub mod metrics;
mod net;
mod publisher;
mod server;
pub mod shard;
pub mod wire;

pub use access::{Denial, Identity, RequestHead};
pub use config::{Config, ConfigError, DEFAULT_PORT};
pub use journal::AppendError;
pub use net::{EngineStatistics, HistoryStatistics, KeyFileError, LoopStatistics, Statistics};
pub use publisher::{PublishError, Publisher};
pub use server::{Engine, EngineBuilder, StartError};
pub use shard::{CloseReason, Heartbeat};
pub use wire::{
    Announcement, Client, ClientId, Event, EventError, EventId, Level, Notification, Pattern, Progress,
    Publication, Target, Topic, TopicError,
};
