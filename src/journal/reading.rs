//! Reading history, for operators: what is held, whomever it is for.

use std::sync::Arc;

use crate::event::{Continuity, EventId, Pattern, Profile, Record, Selector, Topic};
use crate::shard::After;

/// A question about what history holds.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Where it begins.
    pub after: After,
    /// Only what is addressed to these, united, and not what goes to everyone. Where all three name nobody: everything.
    pub user: Option<Box<str>>,
    /// See `user`.
    pub session: Option<Box<str>>,
    /// See `user`; may have wildcards.
    pub topics: Vec<Pattern>,
    /// Maximum number of events.
    pub limit: usize,
}

/// Events that history holds, in order.
#[derive(Clone, Debug)]
pub struct Page {
    /// The events. There may be fewer than asked for, and none, though more follow.
    pub events: Vec<Published>,
    /// Where to go on; `None` where nothing follows now.
    pub next: Option<EventId>,
    /// Whether history holds everything that it was asked for behind the beginning.
    pub continuity: Continuity,
}

/// An event and when it was published.
#[derive(Clone, Debug)]
pub struct Published {
    /// The event.
    pub record: Arc<Record>,
    /// When, in ms since the Unix epoch.
    pub unix_ms: u64,
}

/// Why history was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// As many readings wait as may.
    #[error("too much of history is being read")]
    Busy,
    /// The disk could not be read, or the engine is shutting down.
    #[error("the history cannot be read")]
    Unreadable,
}

/// What is told a page. It must not block.
pub type Told = Box<dyn FnOnce(Result<Page, ReadError>) + Send>;

impl Reading {
    /// Whether it asks for what goes to these.
    pub(super) fn wants(&self, to: &Selector) -> bool {
        let is_followed = |topic: &Topic| self.topics.iter().any(|pattern| pattern.matches(topic));
        let is_named = || {
            to.users.iter().any(|user| self.user.as_deref() == Some(user))
                || to.sessions.iter().any(|session| self.session.as_deref() == Some(session))
                || to.topics.iter().any(is_followed)
        };
        self.is_everything() || (!to.everyone && is_named())
    }

    /// A client that would be sent what it asks for.
    pub(super) fn profile(&self) -> Profile {
        let [user, session] = [&self.user, &self.session].map(|name| name.as_deref().map(Into::into));
        Profile { user, session, topics: self.topics.iter().cloned().collect(), ..Profile::default() }
    }

    /// Whether it asks for everything.
    pub fn is_everything(&self) -> bool {
        self.user.is_none() && self.session.is_none() && self.topics.is_empty()
    }
}
