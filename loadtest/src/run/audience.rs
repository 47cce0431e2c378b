//! Who the streams of a stage are, and what events they get.

use anyhow::{Context as _, Result};

use super::stage::Stage;
use crate::peer::Route;
use crate::swarm::{Follow, Plan};
use crate::template::Template;

/// Who the streams are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Audience {
    /// Every event is for every stream.
    All,
    /// Every stream is a user's, every event for one user.
    Users,
    /// Ten streams follow a topic, every event is for one topic.
    Topics,
    /// Every stream has a user, a session and a topic; nothing is published.
    Identified,
}

/// Streams of one topic.
const TOPIC: usize = 10;

impl Stage<'_> {
    /// How so many streams are opened, and where is published what is for them.
    pub(super) fn plan(&mut self, audience: Audience, streams: usize) -> Result<Plan> {
        let peer = self.peer;
        let missing = || format!("the file of {} does not say how", peer.name);
        let (stream, route, follow): (&Template, Option<&Route>, Follow) = match audience {
            Audience::All => (&peer.all.stream, Some(&peer.all), Follow::One),
            Audience::Users => {
                let route = peer.user.as_ref().with_context(missing)?;
                (&route.stream, Some(route), Follow::Groups(1))
            }
            Audience::Topics => {
                let route = peer.topic.as_ref().with_context(missing)?;
                (&route.stream, Some(route), Follow::Groups(TOPIC))
            }
            Audience::Identified => {
                (&peer.identified.as_ref().with_context(missing)?.stream, None, Follow::One)
            }
        };
        self.route = route.cloned();
        let address = self.server.address;
        Ok(Plan {
            address,
            host: address.to_string(),
            target: stream.source().to_owned(),
            headers: [vec!["Accept: text/event-stream".to_owned()], peer.stream_headers.clone()].concat(),
            tokens: std::mem::take(&mut self.tokens),
            streams: 0..streams,
            follow,
            payload: Some(self.payload),
            greeting: peer.greeting.clone(),
            ping: peer.ping.clone(),
            threads: self.options.threads,
            sources: Plan::sources(address, streams, None),
            connecting: self.options.connecting,
            ramp: None,
            is_first: true,
            resumes: peer.resumes,
            reopens: self.is_restarted,
        })
    }
}
