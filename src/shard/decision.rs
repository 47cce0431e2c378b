//! What becomes of a request for a stream, and the question for it.

use std::net::IpAddr;
use std::sync::Weak;

use crate::api::{Problem, StreamGrant};
use crate::event::{Refusal, StreamToken};
use crate::http::KeptHead;

/// What becomes of a request for a stream.
#[derive(Clone, Debug)]
pub enum Decision {
    /// It is opened.
    Permitted(StreamGrant),
    /// It is refused for good.
    Denied(Problem),
    /// It is refused for now.
    Refused(Refusal),
}

/// A stream asks for a decision on who it is for.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// Which stream.
    pub token: StreamToken,
    /// What it asked for. It is gone once nobody waits for the answer any more.
    pub request: Weak<KeptHead>,
    /// The address of the client.
    pub peer: IpAddr,
}
