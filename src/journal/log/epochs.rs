//! The chain of epochs of a log.

use crate::event::EventId;

/// The epochs of a log, each with the seq of its first event. `seq` counts on from one to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochChain {
    epochs: Vec<(u64, u64)>,
}

/// Where an id stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At an event of the log, or just before its first one. That event may have been removed since.
    Known,
    /// In an epoch that is not of this log, or behind what has survived of one.
    LostEpoch,
    /// Behind the newest event.
    Future,
}

impl EpochChain {
    /// `epochs` is not empty, and both numbers of each are not less than those of the one before.
    pub(super) fn new(epochs: Vec<(u64, u64)>) -> Self {
        Self { epochs }
    }

    /// The present epoch.
    pub fn newest(&self) -> u64 {
        self.epochs.last().map_or(0, |(epoch, _)| *epoch)
    }

    /// Each epoch with the seq of its first event, and of its last one; where it has none that is one less. `newest` is the
    /// newest event of the log.
    pub fn spans(&self, newest: u64) -> impl Iterator<Item = (u64, u64, u64)> {
        let ends = self.epochs.iter().skip(1).map(|(_, first)| first - 1).chain([newest]);
        self.epochs.iter().zip(ends).map(|((epoch, first), last)| (*epoch, *first, last))
    }

    /// Where an id stands. `newest` is the newest event of the log.
    pub fn place(&self, id: EventId, newest: u64) -> Place {
        let Ok(at) = self.epochs.binary_search_by_key(&id.epoch, |(epoch, _)| *epoch) else {
            return Place::LostEpoch;
        };
        let next = self.epochs.get(at + 1);
        let last = next.map_or(newest, |(_, first)| first - 1);
        match id.seq {
            seq if seq > last => {
                if next.is_some() {
                    Place::LostEpoch
                } else {
                    Place::Future
                }
            }
            // Nobody was given an id of an epoch before its begin; the oldest one known may have begun earlier.
            seq if at > 0 && seq + 1 < self.epochs[at].1 => Place::LostEpoch,
            _ => Place::Known,
        }
    }

    /// The id of an event, or of the position 0.
    pub fn id(&self, seq: u64) -> EventId {
        let behind = self.epochs.partition_point(|(_, first)| *first <= seq);
        let epoch = self.epochs.get(behind.saturating_sub(1)).map_or(0, |(epoch, _)| *epoch);
        EventId { epoch, seq }
    }

    /// The same with one more, which is greater than all and `wished` if it can be.
    pub(super) fn and(&self, wished: u64, first: u64) -> Self {
        let mut epochs = self.epochs.clone();
        epochs.push((wished.max(self.newest().saturating_add(1)), first));
        Self { epochs }
    }

    pub(super) fn list(&self) -> &[(u64, u64)] {
        &self.epochs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_placed() {
        let chain = EpochChain::new(vec![(100, 1), (200, 11), (300, 11), (400, 21)]);
        let place = |epoch, seq| chain.place(EventId { epoch, seq }, 25);
        let cases = [
            ((100, 0), Place::Known),
            ((100, 10), Place::Known),
            ((100, 11), Place::LostEpoch),
            ((200, 9), Place::LostEpoch),
            ((200, 10), Place::Known),
            ((200, 11), Place::LostEpoch),
            ((300, 20), Place::Known),
            ((300, 21), Place::LostEpoch),
            ((400, 20), Place::Known),
            ((400, 25), Place::Known),
            ((400, 26), Place::Future),
            ((400, u64::MAX), Place::Future),
            ((150, 5), Place::LostEpoch),
            ((0, 0), Place::LostEpoch),
        ];
        for ((epoch, seq), expected) in cases {
            assert_eq!(place(epoch, seq), expected, "{epoch}-{seq}");
        }
        assert_eq!(place(500, 1), Place::LostEpoch);
        assert_eq!([1, 10, 11, 20, 21].map(|seq| chain.id(seq).epoch), [100, 100, 300, 300, 400]);
        assert_eq!(chain.id(0), EventId { epoch: 100, seq: 0 });
        assert_eq!(chain.and(50, 26).newest(), 401);
        assert_eq!(chain.and(500, 26).newest(), 500);
        assert_eq!(
            chain.spans(25).collect::<Vec<_>>(),
            [(100, 1, 10), (200, 11, 10), (300, 11, 20), (400, 21, 25)]
        );
    }
}
