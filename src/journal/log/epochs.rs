//! The chain of epochs of a log.

use crate::journal::Epochs;

/// The epochs of a log, each with the seq of its first event, as the heads of its segments name them. `seq` counts on from
/// one to the next.
#[derive(Clone, Debug)]
pub(super) struct EpochChain {
    firsts: Vec<(u64, u64)>,
    epochs: Epochs,
}

impl EpochChain {
    /// `firsts` is not empty, and both numbers of each are not less than those of the one before.
    pub(super) fn new(firsts: Vec<(u64, u64)>) -> Self {
        Self { epochs: Epochs::of_firsts(&firsts), firsts }
    }

    /// Which event an id means. The position of an event is its seq.
    pub(super) fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    /// The same with one more, which is greater than all and `wished` if it can be.
    pub(super) fn and(&self, wished: u64, first: u64) -> Self {
        let mut firsts = self.firsts.clone();
        firsts.push((wished.max(self.epochs.current().saturating_add(1)), first));
        Self::new(firsts)
    }

    pub(super) fn list(&self) -> &[(u64, u64)] {
        &self.firsts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventId, Gap};

    #[test]
    fn ids_are_placed() {
        let chain = EpochChain::new(vec![(100, 1), (200, 11), (300, 11), (400, 21)]);
        let place = |epoch, seq| chain.epochs().position(EventId { epoch, seq }, 25);
        let cases = [
            ((100, 0), Ok(0)),
            ((100, 10), Ok(10)),
            ((100, 11), Err(Gap::Epoch)),
            ((200, 9), Err(Gap::Epoch)),
            ((200, 10), Ok(10)),
            ((200, 11), Err(Gap::Epoch)),
            ((300, 20), Ok(20)),
            ((300, 21), Err(Gap::Epoch)),
            ((400, 20), Ok(20)),
            ((400, 25), Ok(25)),
            ((400, 26), Err(Gap::Future)),
            ((400, u64::MAX), Err(Gap::Future)),
            ((150, 5), Err(Gap::Epoch)),
            ((0, 0), Err(Gap::Epoch)),
        ];
        for ((epoch, seq), expected) in cases {
            assert_eq!(place(epoch, seq), expected, "{epoch}-{seq}");
        }
        assert_eq!(place(500, 1), Err(Gap::Epoch));
        assert_eq!([1, 10, 11, 20, 21].map(|seq| chain.epochs().id(seq).epoch), [100, 100, 300, 300, 400]);
        assert_eq!(chain.epochs().id(0), EventId { epoch: 100, seq: 0 });
        assert_eq!(chain.and(50, 26).epochs().current(), 401);
        assert_eq!(chain.and(500, 26).epochs().current(), 500);
    }

    #[test]
    fn what_is_left_of_the_oldest_epoch_is_no_reason_to_doubt_its_ids() {
        let chain = EpochChain::new(vec![(100, 500), (200, 600)]);
        let place = |epoch, seq| chain.epochs().position(EventId { epoch, seq }, 650);
        assert_eq!([place(100, 3), place(100, 499), place(100, 599)], [Ok(3), Ok(499), Ok(599)]);
        assert_eq!((place(100, 600), place(200, 598)), (Err(Gap::Epoch), Err(Gap::Epoch)));
        assert_eq!(chain.epochs().id(3), EventId { epoch: 100, seq: 3 });
    }
}
