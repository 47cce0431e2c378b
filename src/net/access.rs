//! Who may do what.

use std::net::IpAddr;
use std::sync::Arc;

use crate::wire::http::{Head, query_pairs};
use crate::wire::{Pattern, Problem, Profile, Scope, Subscription, is_loopback_host};

/// How requests are judged.
pub(crate) enum Access {
    /// Everybody may do everything, and is who the query says. For loopback, or a closed network.
    Open {
        /// Whether the `Host` must be loopback.
        loopback_host: bool,
    },
    /// The application decides.
    Hook(AuthenticateHook),
}

/// Looks at a request's head and says who it is from.
pub(crate) type AuthenticateHook = Arc<dyn Fn(&RequestHead<'_>) -> Result<Identity, Denial> + Send + Sync>;

/// Who a request is from, and what that one may do.
///
/// ```
/// use fanfare::Identity;
/// let subscriber = Identity::new().user("user-123").session("s-1").meta("roomId", "room-123");
/// let backend = Identity::new().allow_publish().allow_admin();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Identity {
    profile: Profile,
    publish: bool,
    admin: bool,
    expires_unix_ms: Option<u64>,
}

impl Identity {
    /// Somebody without a name, who may subscribe to what goes to everyone.
    pub fn new() -> Self {
        Self::default()
    }

    /// The user whose streams these are.
    #[must_use]
    pub fn user(mut self, user: impl Into<Arc<str>>) -> Self {
        self.profile.user = Some(user.into());
        self
    }

    /// The session that these streams belong to.
    #[must_use]
    pub fn session(mut self, session: impl Into<Arc<str>>) -> Self {
        self.profile.session = Some(session.into());
        self
    }

    /// One piece of metadata; the last value for a key counts.
    #[must_use]
    pub fn meta(mut self, key: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        let (key, value) = (key.into(), value.into());
        let mut meta = std::mem::take(&mut self.profile.meta).into_vec();
        meta.retain(|(name, _)| *name != key);
        meta.push((key, value));
        meta.sort();
        self.profile.meta = meta.into_boxed_slice();
        self
    }

    /// May subscribe to the topics of this pattern.
    #[must_use]
    pub fn allow_subscribe(mut self, pattern: Pattern) -> Self {
        let mut allowed = std::mem::take(&mut self.profile.topics).into_vec();
        allowed.push(pattern);
        self.profile.topics = allowed.into_boxed_slice();
        self
    }

    /// May publish.
    #[must_use]
    pub fn allow_publish(mut self) -> Self {
        self.publish = true;
        self
    }

    /// May see statistics and presence, and end streams.
    #[must_use]
    pub fn allow_admin(mut self) -> Self {
        self.admin = true;
        self
    }

    /// Its permission, and with it its streams, ends at that time, in ms since the Unix epoch.
    #[must_use]
    pub fn expires_at(mut self, unix_ms: u64) -> Self {
        self.expires_unix_ms = Some(unix_ms);
        self
    }
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// Nobody knows who this is (401).
    Unauthorized(String),
    /// It is known who this is, and it may not (403).
    Forbidden(String),
}

impl From<Denial> for Problem {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Unauthorized(detail) => Self::new(401, detail).with_field("WWW-Authenticate", "Bearer"),
            Denial::Forbidden(detail) => Self::new(403, detail),
        }
    }
}

/// A request's head, as an authenticate hook sees it.
pub struct RequestHead<'r> {
    head: &'r Head<'r>,
    peer: IpAddr,
}

impl<'r> RequestHead<'r> {
    /// The path, without the query.
    pub fn path(&self) -> &'r str {
        self.head.path
    }

    /// The first value of a query parameter, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let pairs = query_pairs(self.head.query.unwrap_or_default()).filter_map(Result::ok);
        pairs.into_iter().find(|(key, _)| *key == *name).map(|(_, value)| value.into_owned())
    }

    /// The first value of a header field; names are case-insensitive.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.head.field(name)
    }

    /// The token of an `Authorization: Bearer` field (RFC 6750, 2.1).
    pub fn bearer(&self) -> Option<&str> {
        let value = std::str::from_utf8(self.header("authorization")?).ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
    }

    /// Who is at the other end of the connection.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }
}

/// What a judged request may claim.
pub(super) struct Permit {
    /// Who streams are opened for.
    pub(super) profile: Profile,
    /// When that ends, in Unix ms.
    pub(super) expires_unix_ms: Option<u64>,
}

impl Access {
    /// Judges a request for something of that scope: 401 or 403.
    pub(super) fn judge(&self, head: &Head<'_>, peer: IpAddr, scope: Scope) -> Result<Identity, Problem> {
        match self {
            Self::Open { loopback_host } => {
                if *loopback_host && !head.host.is_none_or(is_loopback_host) {
                    return Err(Problem::new(
                        403,
                        "in open mode the Host must be a loopback address or localhost",
                    ));
                }
                Ok(Identity::new().allow_publish().allow_admin())
            }
            Self::Hook(_) if scope == Scope::None => Ok(Identity::new()),
            Self::Hook(hook) => {
                let identity = hook(&RequestHead { head, peer })?;
                let allowed = match scope {
                    Scope::None | Scope::Subscribe => true,
                    Scope::Publish => identity.publish,
                    Scope::Admin => identity.admin,
                };
                allowed.then_some(identity).ok_or_else(|| Problem::new(403, "this is not permitted to you"))
            }
        }
    }

    /// Who a stream is opened for: in open mode whom the query claims; otherwise whom the identity says, with
    /// the topics that were asked for, each of which must be allowed.
    pub(super) fn permit(&self, identity: Identity, subscription: &Subscription) -> Result<Permit, Problem> {
        let Identity { profile: known, expires_unix_ms, .. } = identity;
        let asked = &subscription.claims;
        if matches!(self, Self::Open { .. }) {
            return Ok(Permit { profile: asked.clone(), expires_unix_ms });
        }
        let is_allowed = |pattern: &&Pattern| known.topics.iter().any(|allowed| allowed.covers(pattern));
        if let Some(pattern) = asked.topics.iter().find(|pattern| !is_allowed(pattern)) {
            return Err(Problem::new(403, format!("topic {pattern} is not permitted to you")));
        }
        Ok(Permit { profile: Profile { topics: asked.topics.clone(), ..known }, expires_unix_ms })
    }

    /// Whether streams are opened on what their query claims.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    pub(crate) fn wants_loopback_host(&self) -> bool {
        matches!(self, Self::Open { loopback_host: true })
    }
}
