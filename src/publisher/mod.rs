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

use crate::event::{Announcement, ClientId, Event, EventId, Notification, Progress, Publication, Target};
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

    /// Gives one event to the engine, and does not wait until it is kept: with a history on disk, that may take a sync.
    /// Events are published in the order in which they are given.
    ///
    /// # Errors
    ///
    /// If it is known at once that it is not published.
    pub fn submit(&self, publication: Publication) -> Result<Receipt, PublishError> {
        self.give(vec![publication])
    }

    /// Like [`submit`](Self::submit), for several events: all are published, or none. `None` for an empty batch.
    ///
    /// # Errors
    ///
    /// If it is known at once that nothing is published.
    pub fn submit_all(&self, batch: Vec<Publication>) -> Result<Option<Receipt>, PublishError> {
        if batch.is_empty() { Ok(None) } else { self.give(batch).map(Some) }
    }

    fn give(&self, batch: Vec<Publication>) -> Result<Receipt, PublishError> {
        batch.iter().try_for_each(|publication| publication.event.check())?;
        let mut promised = None;
        let appended = self.shared.publish(batch, &mut || {
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
