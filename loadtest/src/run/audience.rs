//! The streams of a stage, and the events that they receive.

use anyhow::{Context as _, Result};

use crate::peer::{Peer, Route};
use crate::swarm::Follow;
use crate::template::Template;

/// Which streams there are, and which of them receive an event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Audience {
    /// Every event is for every stream.
    All,
    /// Every stream belongs to a user, every event is for one user.
    Users,
    /// Ten streams follow a topic, every event is for one topic.
    Topics,
    /// Every stream has a user, a session and a topic; nothing is published.
    Identified,
}

/// Streams per topic.
const TOPIC: usize = 10;

/// How streams are opened, and where events for them are published.
pub(super) struct Routing<'p> {
    pub(super) stream: &'p Template,
    /// `None` where nothing is published.
    pub(super) route: Option<&'p Route>,
    pub(super) follow: Follow,
}

impl Audience {
    /// How to serve this audience. Fails if the peer's file does not describe it.
    pub(super) fn routing(self, peer: &Peer) -> Result<Routing<'_>> {
        let missing = || format!("the file of {} does not say how", peer.name);
        Ok(match self {
            Self::All => Routing::to(&peer.all, Follow::One),
            Self::Users => Routing::to(peer.user.as_ref().with_context(missing)?, Follow::Groups(1)),
            Self::Topics => Routing::to(peer.topic.as_ref().with_context(missing)?, Follow::Groups(TOPIC)),
            Self::Identified => {
                let identified = peer.identified.as_ref().with_context(missing)?;
                Routing { stream: &identified.stream, route: None, follow: Follow::One }
            }
        })
    }
}

impl<'p> Routing<'p> {
    fn to(route: &'p Route, follow: Follow) -> Self {
        Self { stream: &route.stream, route: Some(route), follow }
    }
}
