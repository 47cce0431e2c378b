//! A stream before it is opened.

use std::net::IpAddr;

use crate::api::{CrossOrigin, LastEventId};
use crate::event::{Framing, Profile};

/// A stream to open: who it is for, and where it continues.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The address of the client.
    pub peer: IpAddr,
    /// How the response body is delimited.
    pub framing: Framing,
    /// Where it continues.
    pub last_event_id: LastEventId,
    /// Who it is for, and what it may see.
    pub profile: Profile,
    /// When its permission ends, in Unix ms.
    pub expires_unix_ms: Option<u64>,
    /// What the response head tells the page that asked.
    pub cross_origin: CrossOrigin,
}
