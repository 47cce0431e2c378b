//! An engine on a free port, for one test.

use std::ops::Deref;

use fanfare::{Engine, EngineBuilder, Publisher, Statistics};

use crate::support::clock::{LONG, eventually};
use crate::support::endpoint::Endpoint;
pub(crate) use crate::support::endpoint::{id_of, parts};

/// A running engine: in open mode, with two event loops, and with timeouts that no test reaches, unless the test
/// configures others.
pub(crate) struct Server {
    endpoint: Endpoint,
    pub(crate) engine: Engine,
    pub(crate) publisher: Publisher,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(configure: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Self {
        let builder = Engine::builder().listen("127.0.0.1:0".parse().expect("an address")).workers(2);
        let builder = builder.heartbeat_interval(LONG).connection_timeout(LONG);
        let builder = builder.head_timeout(LONG).idle_timeout(LONG);
        Self::over(configure(builder).start().expect("the engine starts"))
    }

    /// A server of which the test has built the engine.
    pub(crate) fn over(engine: Engine) -> Self {
        let endpoint = Endpoint { address: engine.local_addrs()[0] };
        Self { endpoint, publisher: engine.publisher(), engine }
    }

    /// The statistics. The engine waits a few seconds for its event loops; this waits until all have answered.
    pub(crate) fn stats(&self) -> Statistics {
        let mut stats = None;
        eventually("all loops answer", || {
            stats = self.publisher.stats();
            stats.is_some()
        });
        stats.expect("statistics")
    }

    /// Waits until every event loop has applied what was published.
    pub(crate) fn settle(&self) {
        self.stats();
    }

    /// The newest event's id, once every loop has applied it, as a stream that starts live is told.
    pub(crate) fn newest(&self) -> String {
        self.settle();
        self.subscribe("").last_event_id().to_owned()
    }
}

impl Deref for Server {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.endpoint
    }
}
