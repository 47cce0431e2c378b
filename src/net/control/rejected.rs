//! Requests that are refused before the page that asked is known.

use crate::api::{Cors, CrossOrigin};
use crate::http::{OriginScanner, Rejection};

/// Maximum bytes of a head that are searched for its `Origin`.
const MAX_HEAD: usize = 64 * 1024;

/// A head that is too large: the rest of it is read, for a moment, only to find out which page to tell.
pub(super) struct Rejected {
    pub(super) rejection: Rejection,
    head: Vec<u8>,
    origin: OriginScanner,
}

impl Rejected {
    /// Starts with the part of the head that has arrived.
    pub(super) fn new(rejection: Rejection, head: &[u8]) -> Self {
        let mut rejected = Self { rejection, head: Vec::new(), origin: OriginScanner::default() };
        rejected.push(head);
        rejected
    }

    /// Reads more of it.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.head.extend_from_slice(bytes);
        self.origin.scan(&self.head);
    }

    /// Whether more of it could still tell.
    pub(super) fn is_in_doubt(&self, cors: &Cors) -> bool {
        self.rejection.is_of_size()
            && cors.is_by_origin()
            && self.origin.value(&self.head).is_none()
            && !self.origin.is_over()
            && self.head.len() < MAX_HEAD
    }

    /// What the response tells the page that asked, as far as that is known.
    pub(super) fn cross_origin(&self, cors: &Cors) -> CrossOrigin {
        cors.judge(self.origin.value(&self.head))
    }
}

/// What the response to an incomplete head tells the page that asked.
pub(super) fn cross_origin_of(head: &[u8], cors: &Cors) -> CrossOrigin {
    let mut origin = OriginScanner::default();
    origin.scan(head);
    cors.judge(origin.value(head))
}
