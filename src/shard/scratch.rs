//! Buffers that the calls of a shard reuse.

use crate::event::HttpDate;

/// Buffers kept between calls to avoid allocations.
pub(super) struct Scratch {
    /// Slots of the streams that an event may be for.
    pub(super) candidates: Vec<u32>,
    /// Input of one read.
    pub(super) input: Box<[u8]>,
    /// Bytes joined for one write.
    pub(super) join: Vec<u8>,
    /// The `Date` of response heads.
    pub(super) date: HttpDate,
}

/// Size of the input buffer: more than a common request head.
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
