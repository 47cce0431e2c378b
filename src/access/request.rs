//! A request as authenticators see it.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use crate::http::{Head, query_values};

/// A request's head, as an authenticate hook sees it.
pub struct RequestHead<'r> {
    pub(super) head: &'r Head<'r>,
    pub(super) peer: IpAddr,
    pub(super) unix_ms: u64,
}

/// Omits the query and the fields, which may hold credentials.
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

    /// The first value of a cookie (RFC 6265, 4.2.1) that is valid UTF-8, without surrounding quotes.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies(name).find_map(|value| std::str::from_utf8(value).ok())
    }

    /// The values of a cookie, of any octets. There should be one `Cookie` field, but a proxy that received several
    /// (RFC 9113, 8.2.3) may pass them on.
    pub(super) fn cookies<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'r [u8]> + 's {
        self.head.fields("cookie").flat_map(move |field| cookies(field, name))
    }

    /// The query as it was sent.
    pub(super) fn raw_query(&self) -> &'r str {
        self.head.query.unwrap_or_default()
    }

    /// The address of the client: that of the peer or, if that is a trusted proxy, the one that the proxy names.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// When the request arrived, in ms since the Unix epoch.
    pub fn unix_ms(&self) -> u64 {
        self.unix_ms
    }
}

/// The token in the value of an `Authorization` field, if its scheme is `Bearer` (in any case).
fn bearer(value: &[u8]) -> Option<&str> {
    let value = std::str::from_utf8(value).ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

/// The values of a cookie in a `Cookie` field, in order, without surrounding quotes. They are octets: other cookies may
/// hold anything.
fn cookies<'v>(field: &'v [u8], name: &str) -> impl Iterator<Item = &'v [u8]> {
    field.split(|byte| *byte == b';').filter_map(move |pair| {
        let value = pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_tokens() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer   abc", Some("abc")),
            ("BEARER abc def", Some("abc def")),
            ("Bearer ", Some("")),
            ("Bearer", None),
            ("Basic abc", None),
            ("Bearerabc", None),
            ("", None),
        ] {
            assert_eq!(bearer(value.as_bytes()), token, "{value:?}");
        }
        assert_eq!(bearer(b"Bearer \xff"), None);
    }

    #[test]
    fn cookies_of_a_name() {
        for (field, values) in [
            (&b"token=abc"[..], &[&b"abc"[..]][..]),
            (b"a=1; token=abc; b=2", &[b"abc"]),
            (b"a=1;token=abc", &[b"abc"]),
            (b"token=\"abc\"", &[b"abc"]),
            (b"token=\"abc", &[b"\"abc"]),
            (b"token=\"", &[b"\""]),
            (b"token=\"\"", &[b""]),
            (b"token=a=b", &[b"a=b"]),
            (b"token=", &[b""]),
            (b"token=first; token=second", &[b"first", b"second"]),
            (b"\xe9=\xff; token=abc; b=\x80", &[b"abc"]),
            (b"a=\xff;token=\xff", &[b"\xff"]),
            (b"a=\"x; token=abc; y\"", &[b"abc"]),
            (b"TOKEN=abc", &[]),
            (b"xtoken=abc", &[]),
            (b"tokenx=abc", &[]),
            (b"token =abc", &[]),
            (b"token", &[]),
            (b"", &[]),
        ] {
            let found: Vec<&[u8]> = cookies(field, "token").collect();
            assert_eq!(found, values, "{}", field.escape_ascii());
        }
    }
}
