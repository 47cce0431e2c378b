//! What history no longer holds, by whom it was for.

use super::loss_table::LossTable;
use super::wanted::{Hasher, Key, Wanted};
use crate::event::Selector;

/// Places of the table: of 20,000 quiet users whose neighbours have all lost something, one in a hundred fetches its state
/// once too often.
const PLACES: usize = 1 << 18;

/// For everyone, and for each user, session, topic and client, the newest event that history has dropped.
///
/// A client has lost something if, after its last event, something was dropped that it may have seen. Without
/// this, everybody who gets few events would be told of a gap whenever others had many. 2 MiB of address space, of
/// which only what is marked becomes memory; no growth.
#[derive(Debug)]
pub(super) struct Losses {
    anybody: u64,
    /// Newest dropped event to any topic, for subscriptions that begin with a wildcard.
    any_topic: u64,
    table: LossTable,
}

impl Losses {
    pub(super) fn new() -> Self {
        Self { anybody: 0, any_topic: 0, table: LossTable::new(PLACES) }
    }

    /// Takes note that an event was dropped because of history's limits.
    pub(super) fn add(&mut self, seq: u64, to: &Selector, hasher: &Hasher) {
        if to.everyone {
            self.anybody = self.anybody.max(seq);
            return;
        }
        if !to.topics.is_empty() {
            self.any_topic = self.any_topic.max(seq);
        }
        Key::of(to).for_each(|key| self.table.mark(hasher.hash(key), seq));
    }

    /// The newest dropped event that a client may have seen; 0 where there is none.
    pub(super) fn newest(&self, wanted: &Wanted) -> u64 {
        let topics = if wanted.any_topic { self.any_topic } else { 0 };
        let newest = wanted.keys.iter().map(|key| self.table.at(*key)).max().unwrap_or(0);
        newest.max(topics).max(self.anybody)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ClientId, ClientKey, Pattern, Profile, StreamToken, Target, Topic};

    fn to_user(user: &str) -> Selector {
        Target::user(user).to
    }

    fn of_user(user: &str) -> Profile {
        Profile { user: Some(user.into()), ..Profile::default() }
    }

    fn client(serial: u32) -> ClientId {
        ClientKey::new([0, 0]).seal(StreamToken { shard: 0, slot: 0, serial })
    }

    #[test]
    fn a_loss_is_never_missed_and_hardly_ever_made_up() {
        let (mut losses, hasher) = (Losses::new(), Hasher::default());
        for n in 0..20_000 {
            losses.add(n + 1, &to_user(&format!("busy-{n}")), &hasher);
        }
        // Each is a client of its own: one in a hundred of those has its places marked by others, too.
        let newest = |user: &str, n: u32| {
            losses.newest(&Wanted::new(&of_user(&format!("{user}-{n}")), client(n), &hasher))
        };
        assert!((0..20_000).all(|n| newest("busy", n) > u64::from(n)));
        let false_alarms = (0..10_000).filter(|n| newest("quiet", *n) > 0).count();
        assert!(false_alarms < 300, "{false_alarms} of 10,000 that lost nothing are told that they did");
    }

    #[test]
    fn wildcards_are_told_of_losses_below_their_first_two_tokens() {
        let (mut losses, hasher) = (Losses::new(), Hasher::default());
        losses.add(7, &Target::topic(Topic::parse("a.b.c").unwrap()).to, &hasher);
        let newest = |pattern: &str| {
            let topics = [Pattern::parse(pattern).unwrap()].into();
            let profile = Profile { topics, ..Profile::default() };
            losses.newest(&Wanted::new(&profile, client(0), &hasher))
        };
        assert_eq!(["a.b.c", "a.*.c", "a.>", "a.b.*", "*.b", ">"].map(newest), [7; 6]);
        assert_eq!(["a.c", "b.*", "c.>", "a.c.*", "a.b"].map(newest), [0; 5]);
    }
}
