//! Decisions about requests for streams.

use std::net::IpAddr;
use std::sync::Weak;

use crate::api::{Problem, StreamGrant};
use crate::event::{Refusal, StreamToken};
use crate::http::KeptHead;

/// What to do with a request for a stream.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Open the stream.
    Permitted(StreamGrant),
    /// Refuse it for good.
    Denied(Problem),
    /// Refuse it temporarily.
    Refused(Refusal),
}

/// A question about who a stream is for.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// Which stream.
    pub token: StreamToken,
    /// The request. It is gone once nobody waits for the answer.
    pub request: Weak<KeptHead>,
    /// The address of the client.
    pub peer: IpAddr,
}
