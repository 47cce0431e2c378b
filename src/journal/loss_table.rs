//! A table of the newest lost event by hash, of a fixed size.

/// Places of each key. A key is taken for lost only if others have marked all of them since.
const COPIES: usize = 3;

/// For each key the newest event of it that was lost, or a newer one of others: never an older one.
#[derive(Clone, Debug)]
pub(super) struct LossTable(Box<[u64]>);

impl LossTable {
    /// A table with that many places, one at least.
    pub(super) fn new(places: usize) -> Self {
        Self(vec![0; places.max(1)].into())
    }

    /// The table with these places; `None` where there is none.
    pub(super) fn from_places(places: Box<[u64]>) -> Option<Self> {
        (!places.is_empty()).then_some(Self(places))
    }

    pub(super) fn places(&self) -> &[u64] {
        &self.0
    }

    /// Notes that an event of the key with that hash is lost.
    pub(super) fn mark(&mut self, hash: u64, seq: u64) {
        for place in self.places_of(hash) {
            self.0[place] = self.0[place].max(seq);
        }
    }

    /// The newest lost event of the key with that hash; 0 where there is none.
    pub(super) fn at(&self, hash: u64) -> u64 {
        self.places_of(hash).iter().map(|place| self.0[*place]).min().unwrap_or(0)
    }

    /// Splits a hash into one place for each copy.
    fn places_of(&self, hash: u64) -> [usize; COPIES] {
        std::array::from_fn(|copy| (hash >> (copy * 21)) as usize % self.0.len())
    }
}
