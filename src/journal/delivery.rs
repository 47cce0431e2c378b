//! The last stage of a journal: the way from it into every shard's inbox.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::event::Record;
use crate::shard::{Command, Join, ShardSender};

/// The inboxes of all shards.
///
/// Whoever delivers does so under a lock of its own, so that each inbox has the events in the order of their positions,
/// and each answer in its place among them.
pub struct Delivery {
    senders: Vec<Arc<dyn ShardSender>>,
}

/// The events of one publication; mostly it is one.
pub(super) type Records = SmallVec<[Arc<Record>; 1]>;

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("shards", &self.senders.len()).finish()
    }
}

impl Delivery {
    /// The way into the shards behind `senders`, by their numbers.
    pub fn new(senders: Vec<Arc<dyn ShardSender>>) -> Self {
        Self { senders }
    }

    /// Whether every inbox can take so many events of so many bytes now. Where one cannot, its shard is woken.
    pub(super) fn has_room(&self, events: usize, bytes: usize) -> bool {
        self.senders.iter().all(|sender| sender.has_room(events, bytes))
    }

    /// Waits until every inbox can take them, for so long at most; whether it can. For events that are kept already and
    /// can no longer be refused: whoever delivers alone finds that room when it delivers.
    pub fn wait_for_room(&self, events: usize, bytes: usize, at_most: Duration) -> bool {
        self.senders.iter().all(|sender| sender.wait_for_room(events, bytes, at_most))
    }

    /// Hands the events of one publication to every shard. The shards see them once they are [woken](Self::wake).
    pub(super) fn publish(&self, records: Records) {
        match &*records {
            [record] => self.senders.iter().for_each(|sender| sender.send(Command::Publish(record.clone()))),
            _ => {
                let batch: Arc<[Arc<Record>]> = records.into_iter().collect();
                self.senders.iter().for_each(|sender| sender.send(Command::PublishBatch(batch.clone())));
            }
        }
    }

    /// Wakes every shard that has events before it.
    pub(super) fn wake(&self) {
        self.senders.iter().for_each(|sender| sender.wake());
    }

    /// Hands an answer to the shard that asked, and wakes it.
    pub(super) fn join(&self, join: Join) {
        if let Some(sender) = self.senders.get(usize::from(join.token.shard)) {
            sender.send(Command::Join(join));
        }
    }

    /// Ends all streams, behind everything that was published.
    pub(super) fn drain(&self, spread: Duration) {
        self.senders.iter().for_each(|sender| sender.send(Command::Drain(spread)));
    }
}
