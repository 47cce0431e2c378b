//! Identities and their permissions.

use std::sync::Arc;

use crate::api::Scope;
use crate::event::{Pattern, Profile, Target};

/// Who a request is from, and what it may do.
///
/// ```
/// use fanfare::Identity;
/// let subscriber = Identity::new().user("user-123").session("s-1").meta("roomId", "room-123");
/// let backend = Identity::new().allow_publish().allow_admin();
/// ```
#[derive(Clone, Debug)]
pub struct Identity {
    pub(super) profile: Profile,
    pub(super) subscribe: bool,
    pub(super) publish: Publish,
    pub(super) admin: bool,
    pub(super) expires_unix_ms: Option<u64>,
    pub(super) rate_key: Option<Arc<str>>,
    /// Whose idempotency keys it uses, where that is not its user.
    pub(super) key_scope: Option<Arc<str>>,
    /// Whether the request had a credential.
    pub(super) known: bool,
}

/// Who an identity may publish to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Publish {
    Nobody,
    /// Subscribers of topics that one of these patterns covers.
    Topics(Vec<Pattern>),
    Everybody,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            subscribe: true,
            publish: Publish::Nobody,
            admin: false,
            expires_unix_ms: None,
            rate_key: None,
            key_scope: None,
            known: true,
        }
    }
}

impl Identity {
    /// An identity without a user, which may subscribe to what goes to everyone.
    pub fn new() -> Self {
        Self::default()
    }

    /// The identity of a request without a credential. Like [`new`](Self::new), but what it may not do is answered with
    /// 401 instead of 403, since it might be allowed with a credential.
    pub fn anonymous() -> Self {
        Self { known: false, ..Self::default() }
    }

    /// Sets the user whose streams these are.
    #[must_use]
    pub fn user(mut self, user: impl Into<Arc<str>>) -> Self {
        self.profile.user = Some(user.into());
        self
    }

    /// Sets the session that these streams belong to.
    #[must_use]
    pub fn session(mut self, session: impl Into<Arc<str>>) -> Self {
        self.profile.session = Some(session.into());
        self
    }

    /// Sets one piece of metadata. The last value for a key counts.
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

    /// Allows subscribing to the topics of this pattern.
    #[must_use]
    pub fn allow_subscribe(mut self, pattern: Pattern) -> Self {
        self.profile.topics.push(pattern);
        self
    }

    /// Forbids opening streams.
    #[must_use]
    pub fn deny_subscribe(mut self) -> Self {
        self.subscribe = false;
        self
    }

    /// Allows publishing to everybody.
    #[must_use]
    pub fn allow_publish(mut self) -> Self {
        self.publish = Publish::Everybody;
        self
    }

    /// Allows publishing to the topics of this pattern and, unless allowed otherwise, to nobody else.
    #[must_use]
    pub fn allow_publish_to(mut self, pattern: Pattern) -> Self {
        match &mut self.publish {
            Publish::Everybody => {}
            Publish::Topics(patterns) => patterns.push(pattern),
            Publish::Nobody => self.publish = Publish::Topics(vec![pattern]),
        }
        self
    }

    /// Allows reading statistics and presence, and ending streams.
    #[must_use]
    pub fn allow_admin(mut self) -> Self {
        self.admin = true;
        self
    }

    /// Limits the permission to this time, in ms since the Unix epoch. Its streams end then.
    #[must_use]
    pub fn expires_at(mut self, unix_ms: u64) -> Self {
        self.expires_unix_ms = Some(unix_ms);
        self
    }

    /// Sets the key that its publications are counted by for the rate limit. Default: the user, or without one the
    /// client address.
    #[must_use]
    pub fn rate_key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.rate_key = Some(key.into());
        self
    }

    /// An estimate of the memory that it owns, in bytes.
    #[cfg(feature = "jwt")]
    pub(super) fn held(&self) -> usize {
        // The overhead of the allocator and of reference counts for each piece.
        const PIECE: usize = 48;
        let text = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len() + PIECE);
        let patterns = |patterns: &[Pattern]| -> usize {
            patterns.iter().map(|pattern| pattern.as_str().len() + size_of::<Pattern>() + PIECE).sum()
        };
        let publish = match &self.publish {
            Publish::Topics(topics) => patterns(topics),
            Publish::Nobody | Publish::Everybody => 0,
        };
        let Profile { user, session, topics, meta } = &self.profile;
        let meta: usize = meta.iter().map(|(key, value)| key.len() + value.len() + 3 * PIECE).sum();
        text(user)
            + text(session)
            + text(&self.rate_key)
            + text(&self.key_scope)
            + patterns(topics)
            + publish
            + meta
    }

    /// Whether it has this scope at all.
    pub(super) fn may(&self, scope: Scope) -> bool {
        match scope {
            Scope::None => true,
            Scope::Subscribe => self.subscribe,
            Scope::Publish => self.publish != Publish::Nobody,
            Scope::Admin => self.admin,
        }
    }

    /// Whether it may publish to this target.
    pub(super) fn may_publish_to(&self, target: &Target) -> bool {
        match &self.publish {
            Publish::Nobody => false,
            Publish::Everybody => true,
            Publish::Topics(patterns) => target
                .only_topics()
                .is_some_and(|topics| topics.iter().all(|topic| patterns.iter().any(|p| p.matches(topic)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Topic;

    fn topic(text: &str) -> Target {
        Target::topic(Topic::parse(text).unwrap())
    }

    #[test]
    fn patterns_bound_whom_somebody_may_publish_to() {
        let pattern = |text| Pattern::parse(text).unwrap();
        let identity = Identity::new().allow_publish_to(pattern("a.*")).allow_publish_to(pattern("b"));
        let cases = [
            (topic("a.x"), true),
            (topic("a.x").or_topic(Topic::parse("b").unwrap()), true),
            (topic("a.x").with_meta("k", "v"), true),
            (topic("a.x").except(Target::user("ada")), true),
            (topic("a.x.y"), false),
            (topic("a.x").or_topic(Topic::parse("c").unwrap()), false),
            (topic("a.x").or_user("ada"), false),
            (topic("a.x").or_session("s"), false),
            (Target::user("ada"), false),
            (Target::all(), false),
            (Target::all().with_meta("k", "v"), false),
            (Target::filter(|_| false), false),
        ];
        for (target, may) in cases {
            assert_eq!(identity.may_publish_to(&target), may, "{target:?}");
            assert!(identity.clone().allow_publish().may_publish_to(&target));
            assert!(!Identity::new().may_publish_to(&target));
        }
    }
}
