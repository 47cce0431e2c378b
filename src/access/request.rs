//! A request, as whoever authenticates it sees it.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use super::credential::{bearer, cookies};
use crate::http::{Head, query_values};

/// A request's head, as an authenticate hook sees it.
pub struct RequestHead<'r> {
    pub(super) head: &'r Head<'r>,
    pub(super) peer: IpAddr,
    pub(super) unix_ms: u64,
}

/// The query and the fields, which may hold credentials, are left out.
impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("path", &self.path())
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

impl<'r> RequestHead<'r> {
    /// The path, without the query.
    pub fn path(&self) -> &'r str {
        self.head.path
    }

    /// The first value of a query parameter, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        self.queries(name).next()
    }

    /// The values of a query parameter, decoded.
    pub(super) fn queries(&self, name: &str) -> impl Iterator<Item = String> {
        query_values(self.raw_query(), name).map(Cow::into_owned)
    }

    /// The first value of a header field; names are case-insensitive.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.head.field(name)
    }

    /// The token of an `Authorization: Bearer` field (RFC 6750, 2.1), if there is no other `Authorization`.
    pub fn bearer(&self) -> Option<&str> {
        bearer(self.head.only_field("authorization")?)
    }

    /// The first value of a cookie (RFC 6265, 4.2.1) that is text, without the quotes that may be around it.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies(name).find_map(|value| std::str::from_utf8(value).ok())
    }

    /// The values of a cookie, of whatever octets. There should be one `Cookie` field, but a proxy that had it in
    /// pieces (RFC 9113, 8.2.3) may pass it on so.
    pub(super) fn cookies<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'r [u8]> + 's {
        self.head.fields("cookie").flat_map(move |field| cookies(field, name))
    }

    /// The query as it was sent.
    pub(super) fn raw_query(&self) -> &'r str {
        self.head.query.unwrap_or_default()
    }

    /// The address of the client: of the peer, or where that is a trusted proxy, what the proxy says.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// When the request came, in ms since the Unix epoch.
    pub fn unix_ms(&self) -> u64 {
        self.unix_ms
    }
}
