//! Publishing from within a program.

mod error;
mod receipt;

pub use error::PublishError;
pub use receipt::Receipt;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::bounded;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::api::MAX_KEY;
use crate::event::{Announcement, ClientId, Event, EventId, Notification, Progress, Publication, Target};
use crate::journal::IdempotencyKey;
use crate::net::{Question, Shared, Statistics, ask_and_wait};
use crate::shard::DisconnectTarget;
use receipt::Promise;

/// A way to publish to an engine, and to ask who is there. Cheap to clone, usable from any thread.
///
/// When a call returns `Ok`, the event is in history and handed to every event loop, in order. With a
/// [history on disk](crate::Config::history_dir) that takes a write, and one sync of the disk with
/// [`SyncPolicy::Always`](crate::SyncPolicy::Always): [`submit`](Self::submit) does not wait for it.
///
/// ```
/// use fanfare::{Engine, Event, Publication, Target, Topic};
/// # let engine = Engine::builder().listen("127.0.0.1:0".parse()?).start()?;
/// let publisher = engine.publisher();
/// let event = Event::text("log", "line one\nline two")?.retry(5_000);
/// let to = Target::topic(Topic::parse("builds.42")?).except(Target::user("ada"));
/// let id = publisher.publish(Publication::new(event, to))?;
/// println!("published as {id}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
}

/// The scope of the keys of programs. No key of an HTTP request is in it.
const SCOPE: &str = "program";

/// The key of a batch. What it stands for is all that its receivers can tell.
fn once(key: &str, batch: &[Publication]) -> Result<Box<IdempotencyKey>, PublishError> {
    if !(1..=MAX_KEY).contains(&key.len()) {
        return Err(PublishError::Key);
    }
    let mut body = Sha256::new();
    for publication in batch {
        let text = format!("{publication:?}");
        body.update(text.len().to_le_bytes());
        body.update(text);
    }
    Ok(Box::new(IdempotencyKey { scope: SCOPE.into(), key: key.into(), body: body.finalize().into() }))
}

/// How long an answer of the event loops is waited for. They answer once a turn, so only one that hangs, or one
/// that has ended, lets the time run out.
const PATIENCE: Duration = Duration::from_secs(5);

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}

impl Publisher {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Sends a `notification` to all streams of a user.
    ///
    /// ```
    /// use fanfare::Notification;
    /// # let engine = fanfare::Engine::builder().listen("127.0.0.1:0".parse()?).start()?;
    /// # let publisher = engine.publisher();
    /// let shipped = Notification::new("order", "Shipped", "Your order is on its way");
    /// publisher.notify_user("user-123", &shipped.data(serde_json::json!({"order": 7})))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn notify_user(&self, user: &str, notification: &Notification) -> Result<EventId, PublishError> {
        self.send_custom_event("notification", notification, Target::user(user))
    }

    /// Sends an `announcement` to everyone.
    ///
    /// ```
    /// use fanfare::{Announcement, Level};
    /// # let engine = fanfare::Engine::builder().listen("127.0.0.1:0".parse()?).start()?;
    /// # let publisher = engine.publisher();
    /// let maintenance = Announcement::new("Maintenance", "Back in five minutes");
    /// publisher.broadcast_announcement(&maintenance.level(Level::Warning))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn broadcast_announcement(&self, announcement: &Announcement) -> Result<EventId, PublishError> {
        self.send_custom_event("announcement", announcement, Target::all())
    }

    /// Sends a `progress` to all streams of a user.
    ///
    /// ```
    /// use fanfare::Progress;
    /// # let engine = fanfare::Engine::builder().listen("127.0.0.1:0".parse()?).start()?;
    /// # let publisher = engine.publisher();
    /// publisher.send_progress("user-123", &Progress::new("export-7", 40.0, "Reading"))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_progress(&self, user: &str, progress: &Progress) -> Result<EventId, PublishError> {
        self.send_custom_event("progress", progress, Target::user(user))
    }

    /// Sends an `update` with any data.
    ///
    /// ```
    /// use fanfare::{Target, Topic};
    /// # let engine = fanfare::Engine::builder().listen("127.0.0.1:0".parse()?).start()?;
    /// # let publisher = engine.publisher();
    /// publisher.send_update(&serde_json::json!({"price": 3}), Target::topic(Topic::parse("prices.eu")?))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_update<T: Serialize + ?Sized>(
        &self,
        data: &T,
        target: Target,
    ) -> Result<EventId, PublishError> {
        self.send_custom_event("update", data, target)
    }

    /// Sends an event of any name but `connection` and `ping` with any data.
    ///
    /// ```
    /// use fanfare::Target;
    /// # let engine = fanfare::Engine::builder().listen("127.0.0.1:0".parse()?).start()?;
    /// # let publisher = engine.publisher();
    /// let in_the_room = Target::filter(|client| client.meta("roomId") == Some("room-123"));
    /// publisher.send_custom_event("joined", &"Ada", in_the_room)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_custom_event<T: Serialize + ?Sized>(
        &self,
        name: &str,
        data: &T,
        target: Target,
    ) -> Result<EventId, PublishError> {
        self.publish(Publication::new(Event::json(name, data)?, target))
    }

    /// Publishes one event.
    pub fn publish(&self, publication: Publication) -> Result<EventId, PublishError> {
        Ok(self.submit(publication)?.wait()?.0)
    }

    /// Publishes several events with ids in a row: all, or none. Returns the first and the last id; `None` for
    /// an empty batch.
    ///
    /// ```
    /// use fanfare::{Event, Publication, Target};
    /// # let engine = fanfare::Engine::builder().listen("127.0.0.1:0".parse()?).start()?;
    /// # let publisher = engine.publisher();
    /// let line = |text| Ok::<_, fanfare::EventError>(Publication::new(Event::text("log", text)?, Target::all()));
    /// let ids = publisher.publish_all(vec![line("one")?, line("two")?])?;
    /// assert!(ids.is_some_and(|(first, last)| last.seq == first.seq + 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish_all(&self, batch: Vec<Publication>) -> Result<Option<(EventId, EventId)>, PublishError> {
        self.submit_all(batch)?.map(Receipt::wait).transpose()
    }

    /// Publishes one event, unless something was published with the same key within the
    /// [window](crate::Config::idempotency_window): then nothing is published, and the id of that is returned. So a call
    /// whose end nobody knows, as after a crash of the program, can be repeated; a history on disk remembers keys over
    /// restarts. The keys of programs and of HTTP requests are apart.
    ///
    /// ```
    /// use fanfare::{Event, Publication, Target};
    /// # let engine = fanfare::Engine::builder().listen("127.0.0.1:0".parse()?).start()?;
    /// # let publisher = engine.publisher();
    /// let paid = || Ok::<_, fanfare::EventError>(Publication::new(Event::json("paid", &42)?, Target::user("ada")));
    /// let id = publisher.publish_once("invoice-7", paid()?)?;
    /// assert_eq!(publisher.publish_once("invoice-7", paid()?)?, id);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`publish`](Self::publish); if the key has not 1 to 255 bytes; if something else was published with it; if a
    /// call with it has not ended.
    pub fn publish_once(&self, key: &str, publication: Publication) -> Result<EventId, PublishError> {
        let key = once(key, std::slice::from_ref(&publication))?;
        Ok(self.give(vec![publication], Some(key))?.wait()?.0)
    }

    /// Like [`publish_once`](Self::publish_once), for several events: the key is that of the whole batch.
    ///
    /// # Errors
    ///
    /// As for [`publish_once`](Self::publish_once).
    pub fn publish_all_once(
        &self,
        key: &str,
        batch: Vec<Publication>,
    ) -> Result<Option<(EventId, EventId)>, PublishError> {
        if batch.is_empty() {
            return Ok(None);
        }
        let key = once(key, &batch)?;
        self.give(batch, Some(key))?.wait().map(Some)
    }

    /// Gives one event to the engine, and does not wait until it is kept: with a history on disk, that may take a sync.
    /// Events are published in the order in which they are given.
    ///
    /// # Errors
    ///
    /// If it is known at once that it is not published.
    pub fn submit(&self, publication: Publication) -> Result<Receipt, PublishError> {
        self.give(vec![publication], None)
    }

    /// Like [`submit`](Self::submit), for several events: all are published, or none. `None` for an empty batch.
    ///
    /// # Errors
    ///
    /// If it is known at once that nothing is published.
    pub fn submit_all(&self, batch: Vec<Publication>) -> Result<Option<Receipt>, PublishError> {
        if batch.is_empty() { Ok(None) } else { self.give(batch, None).map(Some) }
    }

    fn give(
        &self,
        batch: Vec<Publication>,
        key: Option<Box<IdempotencyKey>>,
    ) -> Result<Receipt, PublishError> {
        batch.iter().try_for_each(|publication| publication.event.check())?;
        let mut promised = None;
        let appended = self.shared.publish(batch, key, &mut || {
            let (promise, receipt) = Promise::new();
            promised = Some(receipt);
            promise.acknowledge()
        })?;
        // A batch is not empty: it was published, or will be acknowledged.
        appended.map(Receipt::published).or(promised).ok_or(PublishError::Ended)
    }

    /// How everything stands. Every event loop is asked, so this waits for a turn of each, and it must not be
    /// called on one (from a [`Target::filter`]). `None` if a loop does not answer, as after a shutdown.
    ///
    /// ```
    /// # let engine = fanfare::Engine::builder().listen("127.0.0.1:0".parse()?).start()?;
    /// # let publisher = engine.publisher();
    /// if let Some(stats) = publisher.stats() {
    ///     println!("{} streams, {} deliveries", stats.total_connections, stats.engine.deliveries);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Option<Statistics> {
        self.ask(|reply| self.shared.statistics(reply))
    }

    /// How many different users have a stream open.
    ///
    /// ```
    /// # let engine = fanfare::Engine::builder().listen("127.0.0.1:0".parse()?).start()?;
    /// # let publisher = engine.publisher();
    /// assert_eq!(publisher.connected_users_count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connected_users_count(&self) -> usize {
        self.online(Question::Users)
    }

    /// How many streams are open.
    pub fn connections_count(&self) -> usize {
        self.shared.admission().total()
    }

    /// Whether a user has a stream open.
    ///
    /// ```
    /// # let engine = fanfare::Engine::builder().listen("127.0.0.1:0".parse()?).start()?;
    /// # let publisher = engine.publisher();
    /// assert!(!publisher.is_user_connected("user-123"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_user_connected(&self, user: &str) -> bool {
        self.user_connections(user) > 0
    }

    /// How many streams a user has open.
    pub fn user_connections(&self, user: &str) -> usize {
        self.online(Question::StreamsOf(user))
    }

    /// Ends all streams of a user; returns how many. Waits as [`stats`](Self::stats) does; 0 after a shutdown.
    ///
    /// ```
    /// # let engine = fanfare::Engine::builder().listen("127.0.0.1:0".parse()?).start()?;
    /// # let publisher = engine.publisher();
    /// assert_eq!(publisher.disconnect_user("user-123"), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn disconnect_user(&self, user: &str) -> usize {
        self.disconnect(&DisconnectTarget::User(user.into()))
    }

    /// Ends one stream; returns how many, 0 or 1. Waits as [`stats`](Self::stats) does; 0 after a shutdown.
    ///
    /// ```
    /// # let engine = fanfare::Engine::builder().listen("127.0.0.1:0".parse()?).start()?;
    /// # let publisher = engine.publisher();
    /// // What the connection event told the client, and hooks and filters see.
    /// let client = "3f2a9c4d8b1e07c6f5d4a3920e1b7c68".parse()?;
    /// assert_eq!(publisher.disconnect_client(client), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn disconnect_client(&self, client: ClientId) -> usize {
        self.disconnect(&DisconnectTarget::Client(client))
    }

    fn online(&self, question: Question<'_>) -> usize {
        ask_and_wait(self.shared.presence(), question, PATIENCE).unwrap_or(0)
    }

    fn disconnect(&self, who: &DisconnectTarget) -> usize {
        self.ask(|reply| self.shared.disconnect(who, reply)).unwrap_or(0)
    }

    fn ask<T: Send + 'static>(&self, ask: impl FnOnce(Box<dyn FnOnce(T) + Send>)) -> Option<T> {
        let (sender, answer) = bounded(1);
        // Nobody may be waiting any more.
        ask(Box::new(move |value| drop(sender.try_send(value))));
        answer.recv_timeout(PATIENCE).ok()
    }
}
