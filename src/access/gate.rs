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

/// How requests are authorised.
pub(crate) enum Access {
    /// Open mode: everybody may do everything, and is who the query says. For loopback, or a closed network.
    Open {
        /// Whether `Host` must be a loopback address.
        loopback_host: bool,
    },
    /// Requests are authenticated.
    Closed {
        /// The authenticator.
        judge: Arc<dyn Authenticate>,
        /// Which query parameters of a stream the server reads.
        parameters: Parameters,
    },
}

impl Access {
    /// Decides about a request that needs this scope, at this time in Unix ms: 401 or 403 if it is refused. May take
    /// long.
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

    /// The same, if it does not take long; `None` if it does.
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

    /// Decides about a request without regard to who it is from.
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

    /// Who a stream is for: in open mode whoever the query claims; otherwise the identity, with the requested topics,
    /// each of which must be allowed.
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

    /// Number of requests decided by remembering an earlier one.
    pub(crate) fn recalled(&self) -> u64 {
        match self {
            Self::Open { .. } => 0,
            Self::Closed { judge, .. } => judge.recalled(),
        }
    }

    /// Which query parameters of a stream the server reads.
    pub(crate) fn parameters(&self) -> Parameters {
        match self {
            Self::Open { .. } => Parameters::All,
            Self::Closed { parameters, .. } => *parameters,
        }
    }

    /// Whether streams are opened on the claims of their query.
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

/// What a publisher may do, kept while its body is read.
#[derive(Clone, Debug)]
pub(crate) struct PublishGrant {
    identity: Identity,
    peer: IpAddr,
}

impl PublishGrant {
    /// The grant of this identity at this address.
    pub(crate) fn new(identity: Identity, peer: IpAddr) -> Self {
        Self { identity, peer }
    }

    /// The key that its publications are counted by.
    pub(crate) fn rate_key(&self) -> Arc<str> {
        let identity = &self.identity;
        let user = || identity.profile.user.as_ref().map(|user| format!("user {user}").into());
        identity
            .rate_key
            .clone()
            .or_else(user)
            .unwrap_or_else(|| client_network(self.peer).to_string().into())
    }

    /// Whose idempotency keys it uses: of an API key, or of a user. All others have one scope.
    pub(crate) fn key_scope(&self) -> Box<str> {
        let user = || self.identity.profile.user.as_ref().map(|user| format!("user {user}").into());
        let scope = self.identity.key_scope.as_deref().map(Box::from);
        scope.or_else(user).unwrap_or_default()
    }

    /// Checks whether a publication may go to this target: 403 if not.
    pub(crate) fn judge(&self, target: &Target) -> Result<(), Denial> {
        match self.identity.may_publish_to(target) {
            true => Ok(()),
            false => Err(Denial::Forbidden("you may only publish to the topics permitted to you".to_owned())),
        }
    }
}
