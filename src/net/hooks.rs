//! The application's ears: what it is told of connects and disconnects, on a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_channel::Receiver;

use crate::event::Client;
use crate::shard::CloseReason;

/// A stream came or went.
pub(crate) enum ConnectionEvent {
    Connected(Client),
    Disconnected(Client, CloseReason),
}

/// Called when a stream opens.
pub(crate) type ConnectHook = Box<dyn Fn(&Client) + Send>;
/// Called when a stream ends.
pub(crate) type DisconnectHook = Box<dyn Fn(&Client, CloseReason) + Send>;

/// What the application wants to be told.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) connect: Option<ConnectHook>,
    pub(crate) disconnect: Option<DisconnectHook>,
}

impl Hooks {
    pub(crate) fn is_empty(&self) -> bool {
        self.connect.is_none() && self.disconnect.is_none()
    }

    /// Tells the application of everything, in order, until all senders are gone. A hook that panics misses
    /// that one event.
    pub(super) fn run(&self, connection_events: &Receiver<ConnectionEvent>) {
        for event in connection_events {
            let told = catch_unwind(AssertUnwindSafe(|| self.tell(&event)));
            if told.is_err() {
                tracing::error!("a connect or disconnect hook panicked");
            }
        }
    }

    fn tell(&self, event: &ConnectionEvent) {
        match (event, &self.connect, &self.disconnect) {
            (ConnectionEvent::Connected(client), Some(hook), _) => hook(client),
            (ConnectionEvent::Disconnected(client, reason), _, Some(hook)) => hook(client, *reason),
            _ => {}
        }
    }
}
