//! The application's connect and disconnect hooks, called on a thread of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_channel::Receiver;

use crate::event::Client;
use crate::shard::CloseReason;

/// A stream opened or ended.
pub(crate) enum ConnectionEvent {
    Connected(Client),
    Disconnected(Client, CloseReason),
}

/// Called when a stream opens.
pub(crate) type ConnectHook = Box<dyn Fn(&Client) + Send>;
/// Called when a stream ends.
pub(crate) type DisconnectHook = Box<dyn Fn(&Client, CloseReason) + Send>;

/// The hooks that the application has set.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) connect: Option<ConnectHook>,
    pub(crate) disconnect: Option<DisconnectHook>,
}

impl Hooks {
    pub(crate) fn is_empty(&self) -> bool {
        self.connect.is_none() && self.disconnect.is_none()
    }

    /// Calls the hooks for every event, in order, until all senders are gone. After a panic, a hook is called for the
    /// next event.
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
