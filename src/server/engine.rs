//! A running engine.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::keys::Reloadable;
use crate::net::{KeyFileError, Running};
use crate::publisher::Publisher;

/// A running engine: its threads, its sockets, its history.
///
/// A thread of it that panics ends the process with exit status 101, and says which it was: an engine that has lost
/// an event loop would leave its streams in silence. Panics of hooks and filters are caught and logged instead.
///
/// Dropping it shuts it down at once; [`shutdown`](Self::shutdown) gives streams time to leave.
pub struct Engine {
    running: Option<Running>,
    publisher: Publisher,
    addresses: Vec<SocketAddr>,
    control_addresses: Vec<SocketAddr>,
    keys: Option<Reloadable>,
    drain_delay: Duration,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("local_addrs", &self.addresses).finish_non_exhaustive()
    }
}

impl Engine {
    pub(super) fn new(running: Running, keys: Option<Reloadable>, drain_delay: Duration) -> Self {
        let publisher = Publisher::new(running.shared.clone());
        let addresses = running.addresses.clone();
        let control_addresses = running.control_addresses.clone();
        Self { running: Some(running), publisher, addresses, control_addresses, keys, drain_delay }
    }

    /// The addresses that it listens on.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The addresses on which it serves publishers and operators only; see
    /// [`Config::control_listen`](crate::Config::control_listen).
    pub fn control_addrs(&self) -> &[SocketAddr] {
        &self.control_addresses
    }

    /// Reads the files of keys anew. From then on only those keys count; streams that are open stay so.
    ///
    /// # Errors
    ///
    /// If one of the files cannot be read or used; then the old keys stay, all of them.
    pub fn reload_keys(&self) -> Result<(), KeyFileError> {
        self.keys.as_ref().map_or(Ok(()), Reloadable::reload)
    }

    /// A way to publish to it, from any thread.
    pub fn publisher(&self) -> Publisher {
        self.publisher.clone()
    }

    /// From now on `/readyz` says 503, and all else goes on: [`Config::drain_delay`](crate::Config::drain_delay) begins.
    /// [`shutdown`](Self::shutdown) does this by itself; it waits out what is left of the delay where this was called
    /// before.
    pub fn begin_shutdown(&self) {
        if let Some(running) = &self.running {
            running.shared.begin_shutdown();
        }
    }

    /// Shuts down in good order: waits for the [drain delay](crate::Config::drain_delay), then stops listening, ends all
    /// streams, and returns as soon as the last byte is out, at the latest after `timeout` (and a second, where requests
    /// are under way).
    ///
    /// Publishing fails from the moment when streams begin to be ended, with
    /// [`PublishError::Ended`](crate::PublishError::Ended), and 503 over HTTP: each event that was published before
    /// reaches all its streams that are open, and no event is taken that some would miss.
    ///
    /// Each stream is sent what it is owed, also where it is behind and that takes a replay from history, and a last `connection` event, `{"status":"draining"}`, with a reconnection
    /// time of its own: one second, and up to one more for every 1,000 streams, but no more than `timeout` more. So clients
    /// come back soon, and not all at once. A stream that is not done after `timeout` ends where it is; what it was not
    /// sent is after the last id that its client has.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let engine = fanfare::Engine::builder().listen("127.0.0.1:0".parse()?).start()?;
    /// engine.shutdown(Duration::from_secs(10)); // at once, for there is no stream
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown(mut self, timeout: Duration) {
        self.shut_down(self.drain_delay, timeout);
    }

    fn shut_down(&mut self, delay: Duration, timeout: Duration) {
        if let Some(mut running) = self.running.take() {
            running.shut_down(delay, timeout);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shut_down(Duration::ZERO, Duration::ZERO);
    }
}
