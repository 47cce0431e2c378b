//! The decision on each request.

use std::net::IpAddr;
use std::sync::Arc;

use super::Authenticate;
use super::denial::Denial;
use super::identity::Identity;
use super::request::RequestHead;
use crate::api::{Parameters, Problem, Scope, StreamGrant, Subscription};
use crate::event::{Pattern, Profile, Target};
use crate::http::Head;
use crate::http::{client_network, is_loopback_host};

/// How requests are judged.
pub(crate) enum Access {
    /// Everybody may do everything, and is who the query says. For loopback, or a closed network.
    Open {
        /// Whether the `Host` must be loopback.
        loopback_host: bool,
    },
    /// Requests are identified by this authenticator.
    Closed {
        /// Who says so.
        judge: Arc<dyn Authenticate>,
        /// Which parameters of a stream are ours.
        parameters: Parameters,
    },
}

impl Access {
    /// Judges a request for something of that scope, at that time in Unix ms: 401 or 403. It may take its time.
    pub(crate) fn judge(
        &self,
        head: &Head<'_>,
        peer: IpAddr,
        scope: Scope,
        unix_ms: u64,
    ) -> Result<Identity, Problem> {
        match self {
            Self::Closed { judge, .. } if scope != Scope::None => {
                permitted(judge.authenticate(&RequestHead { head, peer, unix_ms })?, scope)
            }
            _ => self.judge_freely(head),
        }
    }

    /// The same where that takes no long, `None` where it does.
    pub(crate) fn judge_at_once(
        &self,
        head: &Head<'_>,
        peer: IpAddr,
        scope: Scope,
        unix_ms: u64,
    ) -> Option<Result<Identity, Problem>> {
        match self {
            Self::Closed { judge, .. } if scope != Scope::None => {
                let identity = judge.at_once(&RequestHead { head, peer, unix_ms })?;
                Some(identity.map_err(Problem::from).and_then(|identity| permitted(identity, scope)))
            }
            _ => Some(self.judge_freely(head)),
        }
    }

    /// Judges a request for which it does not matter who it is from.
    fn judge_freely(&self, head: &Head<'_>) -> Result<Identity, Problem> {
        match self {
            Self::Open { loopback_host } => {
                if *loopback_host && !head.host.is_none_or(is_loopback_host) {
                    return Err(Problem::new(
                        403,
                        "in open mode the Host must be a loopback address or localhost",
                    ));
                }
                Ok(Identity::anonymous().allow_publish().allow_admin())
            }
            Self::Closed { .. } => Ok(Identity::anonymous()),
        }
    }

    /// Who a stream is opened for: in open mode whom the query claims; otherwise whom the identity says, with
    /// the topics that were asked for, each of which must be allowed.
    pub(crate) fn permit(
        &self,
        identity: Identity,
        subscription: &Subscription,
    ) -> Result<StreamGrant, Problem> {
        let Identity { profile: known, expires_unix_ms, .. } = identity;
        let asked = &subscription.claims;
        if self.is_open() {
            return Ok(StreamGrant { profile: asked.clone(), expires_unix_ms });
        }
        let is_allowed = |pattern: &&Pattern| known.topics.iter().any(|allowed| allowed.covers(pattern));
        if let Some(pattern) = asked.topics.iter().find(|pattern| !is_allowed(pattern)) {
            return Err(Problem::new(403, format!("you are not permitted to follow topic {pattern}")));
        }
        Ok(StreamGrant { profile: Profile { topics: asked.topics.clone(), ..known }, expires_unix_ms })
    }

    /// How often a request was judged by what was remembered of another.
    pub(crate) fn recalled(&self) -> u64 {
        match self {
            Self::Open { .. } => 0,
            Self::Closed { judge, .. } => judge.recalled(),
        }
    }

    /// Which parameters of a stream are ours.
    pub(crate) fn parameters(&self) -> Parameters {
        match self {
            Self::Open { .. } => Parameters::All,
            Self::Closed { parameters, .. } => *parameters,
        }
    }

    /// Whether streams are opened on what their query claims.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    pub(crate) fn wants_loopback_host(&self) -> bool {
        matches!(self, Self::Open { loopback_host: true })
    }
}

fn permitted(identity: Identity, scope: Scope) -> Result<Identity, Problem> {
    match (identity.may(scope), identity.known) {
        (true, _) => Ok(identity),
        (false, true) => {
            let scope = scope.as_str();
            let detail = format!("the scope {scope} is required");
            Err(Denial::Forbidden(detail).into())
        }
        (false, false) => Err(Denial::Unauthorized("a bearer token is needed".to_owned()).into()),
    }
}

/// What a publisher may do, kept for as long as its body is awaited.
#[derive(Clone, Debug)]
pub(crate) struct PublishGrant {
    identity: Identity,
    peer: IpAddr,
}

impl PublishGrant {
    /// Of somebody at that address.
    pub(crate) fn new(identity: Identity, peer: IpAddr) -> Self {
        Self { identity, peer }
    }

    /// Whose publishing it counts against.
    pub(crate) fn rate_key(&self) -> Arc<str> {
        let identity = &self.identity;
        let user = || identity.profile.user.as_ref().map(|user| format!("user {user}").into());
        identity
            .rate_key
            .clone()
            .or_else(user)
            .unwrap_or_else(|| client_network(self.peer).to_string().into())
    }

    /// Judges where a publication goes to: 403.
    pub(crate) fn judge(&self, target: &Target) -> Result<(), Denial> {
        match self.identity.may_publish_to(target) {
            true => Ok(()),
            false => Err(Denial::Forbidden("you may only publish to the topics permitted to you".to_owned())),
        }
    }
}
