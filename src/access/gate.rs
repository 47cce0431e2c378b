//! The decision on each request.

use std::net::IpAddr;
use std::sync::Arc;

use super::Authenticate;
use super::denial::Denial;
use super::identity::Identity;
use super::request::RequestHead;
use crate::wire::http::Head;
use crate::wire::{
    Parameters, Pattern, Problem, Profile, Scope, Subscription, Target, client_network, is_loopback_host,
};

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

/// Who a stream is opened for.
pub(crate) struct Permit {
    /// Who it is, and what it may see.
    pub(crate) profile: Profile,
    /// When that ends, in Unix ms.
    pub(crate) expires_unix_ms: Option<u64>,
}

impl Access {
    /// Judges a request for something of that scope, at that time in Unix ms: 401 or 403.
    pub(crate) fn judge(
        &self,
        head: &Head<'_>,
        peer: IpAddr,
        scope: Scope,
        unix_ms: u64,
    ) -> Result<Identity, Problem> {
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
            Self::Closed { .. } if scope == Scope::None => Ok(Identity::anonymous()),
            Self::Closed { judge, .. } => {
                let identity = judge.authenticate(&RequestHead { head, peer, unix_ms })?;
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
        }
    }

    /// Who a stream is opened for: in open mode whom the query claims; otherwise whom the identity says, with
    /// the topics that were asked for, each of which must be allowed.
    pub(crate) fn permit(&self, identity: Identity, subscription: &Subscription) -> Result<Permit, Problem> {
        let Identity { profile: known, expires_unix_ms, .. } = identity;
        let asked = &subscription.claims;
        if self.is_open() {
            return Ok(Permit { profile: asked.clone(), expires_unix_ms });
        }
        let is_allowed = |pattern: &&Pattern| known.topics.iter().any(|allowed| allowed.covers(pattern));
        if let Some(pattern) = asked.topics.iter().find(|pattern| !is_allowed(pattern)) {
            return Err(Problem::new(403, format!("you are not permitted to follow topic {pattern}")));
        }
        Ok(Permit { profile: Profile { topics: asked.topics.clone(), ..known }, expires_unix_ms })
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

/// What a publisher may do, kept for as long as its body is awaited.
#[derive(Clone, Debug)]
pub(crate) struct Licence {
    identity: Identity,
    peer: IpAddr,
}

impl Licence {
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
