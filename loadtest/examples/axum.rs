//! A plain SSE server on axum and tokio's broadcast channels, as a peer to compare with.
//!
//! `GET /stream` streams the events for all; with `?user=` and `?topic=` also those for a user and a topic.
//! `POST /publish` takes `{"event": "name", "data": any JSON, "to": {"user": "…"} or {"topic": "…"}}`; without `to` the
//! event is for all. There is no history: a client that reconnects has missed what was published in between.
//!
//! `TOKIO_WORKER_THREADS` sets the number of threads; the default is the number of processors.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use clap::Parser;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt as _, StreamMap};

#[derive(Parser)]
#[command(name = "axum", version = axum_version())]
struct Args {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
}

/// The target of an event.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "lowercase")]
enum Audience {
    #[default]
    All,
    User(String),
    Topic(String),
}

impl Audience {
    /// Most events that a stream may be behind. Each channel allocates for as many, and each user has a channel.
    fn capacity(&self) -> usize {
        match self {
            Self::All => 1024,
            Self::User(_) | Self::Topic(_) => 32,
        }
    }
}

#[derive(Clone, Default)]
struct Hub {
    channels: Arc<Mutex<Channels>>,
}

#[derive(Default)]
struct Channels {
    /// The channels of the audiences that have streams.
    senders: HashMap<Audience, broadcast::Sender<Event>>,
    last_id: u64,
}

impl Hub {
    fn subscribe(&self, audiences: impl IntoIterator<Item = Audience>) -> Subscription {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let events = audiences.into_iter().map(|audience| {
            let sender = channels
                .senders
                .entry(audience.clone())
                .or_insert_with_key(|audience| broadcast::Sender::new(audience.capacity()));
            (audience, BroadcastStream::new(sender.subscribe()))
        });
        Subscription { events: events.collect(), hub: self.clone() }
    }

    /// Sends under the lock, so that events enter a channel in the order of their ids.
    fn publish(&self, audience: &Audience, event: Event) -> u64 {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.last_id += 1;
        let id = channels.last_id;
        if let Some(sender) = channels.senders.get(audience) {
            // Fails without receivers, which is fine.
            let _ = sender.send(event.id(id.to_string()));
        }
        id
    }
}

/// The events of one stream.
struct Subscription {
    events: StreamMap<Audience, BroadcastStream<Event>>,
    hub: Hub,
}

impl Stream for Subscription {
    type Item = Result<Event, Infallible>;

    /// Ends a stream that was so slow that it missed events, so that its client notices.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(Pin::new(&mut self.events).poll_next(cx));
        Poll::Ready(next.and_then(|(_, event)| event.ok()).map(Ok))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let audiences: Vec<Audience> = self.events.keys().cloned().collect();
        self.events.clear();
        let mut channels = self.hub.channels.lock().unwrap_or_else(PoisonError::into_inner);
        for audience in audiences {
            let is_last = channels.senders.get(&audience).is_some_and(|sender| sender.receiver_count() == 0);
            if is_last {
                channels.senders.remove(&audience);
            }
        }
    }
}

#[derive(Deserialize)]
struct Selection {
    user: Option<String>,
    topic: Option<String>,
}

#[derive(Deserialize)]
struct Publication {
    event: Option<String>,
    data: Box<RawValue>,
    #[serde(default)]
    to: Audience,
}

async fn stream(
    State(hub): State<Hub>,
    Query(selection): Query<Selection>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let Selection { user, topic } = selection;
    let selected = user.map(Audience::User).into_iter().chain(topic.map(Audience::Topic));
    // Tells the client that it misses nothing from now on.
    let greeting = tokio_stream::once(Ok(Event::default().comment("connected")));
    Sse::new(greeting.chain(hub.subscribe(selected.chain([Audience::All])))).keep_alive(KeepAlive::default())
}

async fn publish(
    State(hub): State<Hub>,
    Json(Publication { event: name, data, to }): Json<Publication>,
) -> Result<(StatusCode, String), (StatusCode, &'static str)> {
    let mut event = Event::default().data(data.get());
    if let Some(name) = name {
        if name.contains(['\r', '\n']) {
            return Err((StatusCode::UNPROCESSABLE_ENTITY, "an event's name is one line\n"));
        }
        event = event.event(name);
    }
    let id = hub.publish(&to, event);
    Ok((StatusCode::ACCEPTED, format!("{{\"id\":\"{id}\"}}\n")))
}

/// The version in Cargo.lock; the crate does not export it.
fn axum_version() -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let found = lock.split_once("name = \"axum\"\nversion = \"").and_then(|(_, rest)| rest.split_once('"'));
    found.map_or("unknown", |(version, _)| version)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    // Each stream takes a descriptor, and the soft limit is often 1,024.
    rlimit::increase_nofile_limit(u64::MAX)?;
    let listener = TcpListener::bind(args.listen).await?;
    println!("axum listening on {}", listener.local_addr()?);
    // Disables Nagle's algorithm. A socket on which that fails is closed, which the server then notices.
    let listener = listener.tap_io(|socket| _ = socket.set_nodelay(true));
    let routes = Router::new().route("/stream", get(stream)).route("/publish", post(publish));
    axum::serve(listener, routes.with_state(Hub::default())).await?;
    Ok(())
}
