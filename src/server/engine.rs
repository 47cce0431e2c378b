//! A running engine.

use std::net::SocketAddr;
use std::time::Duration;

use super::EngineBuilder;
use super::builder::Reloadable;
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
}

impl Engine {
    /// Sets an engine up.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    pub(super) fn new(running: Running, keys: Option<Reloadable>) -> Self {
        let publisher = Publisher::new(running.shared.clone());
        let addresses = running.addresses.clone();
        let control_addresses = running.control_addresses.clone();
        Self { running: Some(running), publisher, addresses, control_addresses, keys }
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

    /// Stops listening, ends all streams spread over `deadline`, and returns as soon as the last is gone.
    ///
    /// Each stream is told with a `connection` event, and with a reconnection time spread over the deadline
    /// too, so that clients do not all come back at once.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let engine = fanfare::Engine::builder().listen("127.0.0.1:0".parse()?).start()?;
    /// engine.shutdown(Duration::from_secs(10)); // at once, for there is no stream
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown(mut self, deadline: Duration) {
        self.shut_down(deadline);
    }

    fn shut_down(&mut self, deadline: Duration) {
        if let Some(mut running) = self.running.take() {
            running.shut_down(deadline);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shut_down(Duration::ZERO);
    }
}
