//! A stream that arrives at a shard.

use std::net::IpAddr;

use crate::api::{CrossOrigin, LastEventId};
use crate::event::{Framing, Profile};

/// A stream that was admitted elsewhere: who it is, and where it left off.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Who is at the other end.
    pub peer: IpAddr,
    /// How the answer's body is delimited.
    pub framing: Framing,
    /// Where it left off.
    pub last_event_id: LastEventId,
    /// Who it is, and what it may see.
    pub profile: Profile,
    /// When its permission ends, in Unix ms.
    pub expires_unix_ms: Option<u64>,
    /// What the response head says to the page that asked.
    pub cross_origin: CrossOrigin,
}
