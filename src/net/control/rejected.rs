//! Requests that are refused before the page that asked is known.

use crate::api::{Cors, CrossOrigin};
use crate::http::{OriginScanner, Rejection};

/// How much of a head is looked at for its `Origin`, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// A head that is refused for its size: what is left of it is looked at, for a moment, only to find out which page is
/// to be told.
pub(super) struct Rejected {
    pub(super) rejection: Rejection,
    head: Vec<u8>,
    origin: OriginScanner,
}

impl Rejected {
    /// A head of which so much is known.
    pub(super) fn new(rejection: Rejection, head: &[u8]) -> Self {
        let mut rejected = Self { rejection, head: Vec::new(), origin: OriginScanner::default() };
        rejected.push(head);
        rejected
    }

    /// Takes more of it.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.head.extend_from_slice(bytes);
        self.origin.scan(&self.head);
    }

    /// Whether more of it may tell what is not known yet.
    pub(super) fn is_in_doubt(&self, cors: &Cors) -> bool {
        self.rejection.is_of_size()
            && cors.is_by_origin()
            && self.origin.value(&self.head).is_none()
            && !self.origin.is_over()
            && self.head.len() < MAX_HEAD
    }

    /// What the answer says to the page that asked, as far as it is known.
    pub(super) fn cross_origin(&self, cors: &Cors) -> CrossOrigin {
        cors.judge(self.origin.value(&self.head))
    }
}

/// What the answer to a head that is not whole says to the page that asked.
pub(super) fn cross_origin_of(head: &[u8], cors: &Cors) -> CrossOrigin {
    let mut origin = OriginScanner::default();
    origin.scan(head);
    cors.judge(origin.value(head))
}
