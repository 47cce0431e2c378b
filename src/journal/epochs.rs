//! The chain of epochs: which event an id means.

use smallvec::SmallVec;

use crate::event::{EventId, Gap};

/// The epochs of a history, in order.
///
/// Positions count the events that this process has in order, without holes. The `seq` of an id counts them for clients
/// and goes on over epochs. A new epoch begins where events that clients may have seen are lost: their ids must not be
/// taken for those of the events that follow.
#[derive(Clone, Debug)]
pub struct Epochs(SmallVec<[Epoch; 1]>);

#[derive(Clone, Copy, Debug)]
struct Epoch {
    epoch: u64,
    /// The event that it begins behind: its position, and its `seq`.
    after: u64,
    after_seq: u64,
}

impl Epochs {
    /// The one epoch of a history that begins: its first event has position and `seq` 1.
    pub fn new(epoch: u64) -> Self {
        Self(SmallVec::from([Epoch { epoch, after: 0, after_seq: 0 }]))
    }

    /// The epochs of a history whose positions are its seqs, each with the seq of its first event; the oldest may have begun
    /// earlier than that. Not empty; both numbers of each are not less than those of the one before.
    pub(super) fn of_firsts(firsts: &[(u64, u64)]) -> Self {
        let begin = |(at, &(epoch, first)): (usize, &(u64, u64))| {
            let after = if at == 0 { 0 } else { first.saturating_sub(1) };
            Epoch { epoch, after, after_seq: after }
        };
        Self(firsts.iter().enumerate().map(begin).collect())
    }

    /// Begins an epoch behind the event with that position and `seq`, the newest that is left. `epoch` must be greater
    /// than those before, so that ids grow.
    pub fn begin(&mut self, epoch: u64, after: u64, after_seq: u64) {
        debug_assert!(epoch > self.newest().epoch, "ids grow");
        self.0.push(Epoch { epoch, after, after_seq });
    }

    /// The epoch of the events that are published now.
    pub fn current(&self) -> u64 {
        self.newest().epoch
    }

    /// The id of the event at a position; at 0, the id that stands before the first event.
    pub fn id(&self, position: u64) -> EventId {
        let begun = self.0.partition_point(|epoch| epoch.after < position);
        let epoch = self.0.get(begun.saturating_sub(1));
        let Epoch { epoch, after, after_seq } = epoch.copied().unwrap_or(self.newest());
        EventId { epoch, seq: after_seq + position.saturating_sub(after) }
    }

    /// The position of an id, where `newest` is the position of the newest event.
    pub fn position(&self, id: EventId, newest: u64) -> Result<u64, Gap> {
        let at = self.0.binary_search_by_key(&id.epoch, |epoch| epoch.epoch).map_err(|_| Gap::Epoch)?;
        let Epoch { after, after_seq, .. } = self.0[at];
        let next = self.0.get(at + 1);
        let end = next.map_or(newest, |next| next.after);
        // What came before this epoch has ids of its own, but for the event that it begins behind.
        let behind = id.seq.checked_sub(after_seq).ok_or(Gap::Epoch)?;
        match after.checked_add(behind).filter(|position| *position <= end) {
            Some(position) => Ok(position),
            None if next.is_none() => Err(Gap::Future),
            // A client saw it, and it is lost.
            None => Err(Gap::Epoch),
        }
    }

    fn newest(&self) -> Epoch {
        self.0.last().copied().unwrap_or(Epoch { epoch: 0, after: 0, after_seq: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(epoch: u64, seq: u64) -> EventId {
        EventId { epoch, seq }
    }

    #[test]
    fn one_epoch_counts_as_positions_do() {
        let epochs = Epochs::new(5);
        assert_eq!((epochs.current(), epochs.id(0), epochs.id(7)), (5, id(5, 0), id(5, 7)));
        let position = |of| epochs.position(of, 7);
        assert_eq!([0, 1, 7].map(|seq| position(id(5, seq))), [Ok(0), Ok(1), Ok(7)]);
        assert_eq!([8, u64::MAX].map(|seq| position(id(5, seq))), [Err(Gap::Future); 2]);
        assert_eq!([4, 6].map(|epoch| position(id(epoch, 3))), [Err(Gap::Epoch); 2]);
    }

    #[test]
    fn ids_that_are_lost_are_not_taken_for_those_that_follow() {
        // Events up to seq 12 were sent, those up to 10 are left, in positions up to 10.
        let mut epochs = Epochs::new(5);
        epochs.begin(8, 10, 10);
        let position = |of| epochs.position(of, 11);
        assert_eq!((epochs.current(), epochs.id(10), epochs.id(11)), (8, id(5, 10), id(8, 11)));
        assert_eq!((position(id(5, 10)), position(id(8, 10)), position(id(8, 11))), (Ok(10), Ok(10), Ok(11)));
        assert_eq!((position(id(5, 11)), position(id(8, 9))), (Err(Gap::Epoch), Err(Gap::Epoch)));
        assert_eq!(position(id(8, 12)), Err(Gap::Future));
        // An epoch in which nothing was published, and one whose events took positions of their own.
        epochs.begin(9, 11, 11);
        epochs.begin(11, 13, 11);
        let position = |of| epochs.position(of, 14);
        assert_eq!((epochs.id(14), position(id(11, 12)), position(id(11, 11))), (id(11, 12), Ok(14), Ok(13)));
        assert_eq!(
            (position(id(9, 11)), position(id(9, 14)), position(id(8, 12))),
            (Ok(11), Err(Gap::Epoch), Err(Gap::Epoch))
        );
        assert_eq!(
            (position(id(8, u64::MAX)), position(id(11, u64::MAX))),
            (Err(Gap::Epoch), Err(Gap::Future))
        );
    }

    #[test]
    fn every_position_has_an_id_that_leads_back_to_it() {
        let mut epochs = Epochs::new(3);
        epochs.begin(4, 5, 5);
        epochs.begin(7, 5, 5);
        epochs.begin(9, 9, 6);
        for position in 0..20 {
            assert_eq!(epochs.position(epochs.id(position), 20), Ok(position));
        }
        let ids: Vec<EventId> = (0..20).map(|position| epochs.id(position)).collect();
        assert!(ids.windows(2).all(|two| two[0] < two[1]), "{ids:?}");
    }
}
