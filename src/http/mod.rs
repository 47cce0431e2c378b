//! HTTP/1.1 requests, read strictly and incrementally (RFC 9112, RFC 9110).
//!
//! # Layout
//!
//! - [`HeadScanner`] looks at each byte of a head once, in order, and stops at the first that is wrong. It is made of
//!   one scanner for the request line, one for field lines, and the rules for the three fields that decide
//!   where a message ends: Host, Content-Length, Transfer-Encoding.
//! - [`Head`] is a view of the bytes that the scanner has accepted. Nothing is allocated for it.
//! - [`BodyReader`] takes the payload out of what follows: by length, or by a chunk grammar of our own.
//! - [`OriginScanner`] finds out which page is to be told that a head is not sound.
//! - [`RequestReader`] ties these together for a connection with keep-alive and pipelining.
//!
//! # What holds
//!
//! The verdict is a function of the bytes alone: it is the same for a request that arrives whole, cut
//! anywhere, or byte by byte, because every state machine here moves by one byte at a time (or by a run of
//! bytes that it would have passed one by one). Looking costs O(1) a byte however the bytes arrive. Nothing
//! here panics.

mod accept;
mod address;
mod authority;
mod body;
mod chunk;
mod field;
mod framing;
mod head;
mod host;
mod kept_head;
mod limits;
mod method;
mod network;
mod octet;
mod origin;
mod proxy;
mod query;
mod reader;
mod rejection;
mod request_line;
mod scanner;
mod target;
#[cfg(test)]
mod tests;
mod version;

pub use accept::{accepts_event_stream, prefers_open_metrics};
pub use address::client_network;
pub use authority::Authority;
pub use body::{BodyFraming, BodyProgress, BodyReader};
pub use head::Head;
pub use host::is_loopback_host;
pub use kept_head::KeptHead;
pub use limits::{MAX_FIELDS, RequestLimits};
pub use method::Method;
pub use network::{IpNetwork, IpNetworkError};
pub use octet::is_token;
pub use origin::OriginScanner;
pub use proxy::TrustedProxies;
pub use query::{
    QueryPair, QueryPairs, Undecodable, is_escaped, named_pairs, percent_decode, query_names, query_pairs,
    query_values,
};
pub use reader::{RequestReader, Step};
pub use rejection::Rejection;
pub use scanner::{HeadScanner, Outline, Scan};
pub use target::TargetForm;
pub use version::Version;
