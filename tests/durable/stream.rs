//! A stream, as the shard and its client see it.

use std::sync::Arc;

use fanfare::EventId;
use fanfare::event::{Pattern, Profile, StreamToken};
use fanfare::shard::{After, Resume};

use crate::model::{USERS, name};

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) user: usize,
    pub(crate) token: StreamToken,
    pub(crate) phase: Phase,
    /// Where its client is.
    pub(crate) last_id: Option<EventId>,
    /// The events that it got since it was last told of a gap, and where it began then.
    pub(crate) began: Option<EventId>,
    pub(crate) got: Vec<(EventId, usize, usize)>,
    /// The newest event when it was told of a loss.
    pub(crate) told: u64,
    /// Up to where the shard has sent it everything.
    pub(crate) position: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Away,
    /// It has asked, after this; whether its client has been greeted.
    Joining(After, bool),
    /// It is to ask on.
    Behind(u64),
    Live,
}

impl Stream {
    pub(crate) fn new(user: usize) -> Self {
        let token = StreamToken { shard: 0, slot: user as u32, serial: 0 };
        Self {
            user,
            token,
            phase: Phase::Away,
            last_id: None,
            began: None,
            got: Vec::new(),
            told: 0,
            position: 0,
        }
    }

    pub(crate) fn profile(&self) -> Arc<Profile> {
        let mut profile = Profile::default();
        if self.user < USERS {
            profile.user = Some(name(self.user).into());
            // One with a wildcard in its midst, one without, one that begins with one.
            let pattern = ["t.0.*", "t.1.x", "t.2.>", "*.3.x"][self.user];
            profile.topics = [Pattern::parse(pattern).expect("a pattern")].into_iter().collect();
        }
        Arc::new(profile)
    }

    /// Its next question.
    pub(crate) fn ask(&mut self, after: After, is_greeted: bool, budget: usize, effort: usize) -> Resume {
        self.phase = Phase::Joining(after, is_greeted);
        Resume { token: self.token, after, profile: Some(self.profile()), budget, effort }
    }

    /// Its connection is lost.
    pub(crate) fn leave(&mut self) {
        self.phase = Phase::Away;
        self.token.serial += 1;
    }
}
