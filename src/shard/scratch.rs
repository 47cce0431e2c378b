//! Memory that the calls of a shard use again and again.

use crate::event::HttpDate;

/// What is kept between calls only so that it need not be made anew.
pub(super) struct Scratch {
    /// Slots of the streams that an event may be for.
    pub(super) candidates: Vec<u32>,
    /// What is read from a socket at once.
    pub(super) input: Box<[u8]>,
    /// What is joined for one write.
    pub(super) join: Vec<u8>,
    /// The `Date` of response heads.
    pub(super) date: HttpDate,
}

/// What a connection that asks nothing is read into at once: more than a common request head.
const INPUT: usize = 16 * 1024;

impl Scratch {
    pub(super) fn new() -> Self {
        Self {
            candidates: Vec::new(),
            input: vec![0; INPUT].into_boxed_slice(),
            join: Vec::new(),
            date: HttpDate::default(),
        }
    }
}
