//! The address of a client behind proxies.

use std::net::{IpAddr, SocketAddr};

use super::network::IpNetwork;
use crate::http::Head;

/// Proxies that are trusted to name the client's address.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNetwork>);

impl TrustedProxies {
    /// The proxies in these networks.
    pub fn new(networks: Vec<IpNetwork>) -> Self {
        Self(networks)
    }

    /// The address that a request comes from: that of the peer, unless it is a trusted proxy. Then it is the last
    /// address in `X-Forwarded-For` or `Forwarded` (RFC 7239) that is not a trusted proxy: anybody may have written
    /// what precedes it.
    ///
    /// A proxy writes one of the two fields, and passes on what a client wrote into the other. So if both are present
    /// and disagree, or if the relevant part is not an address, the result is the address of the proxy.
    pub fn client(&self, peer: IpAddr, head: &Head<'_>) -> IpAddr {
        if !self.has(peer) {
            return peer;
        }
        let last_first = |name| head.fields(name).collect::<Vec<_>>().into_iter().rev();
        let forwarded = self.last_foreign(last_first("forwarded").flat_map(nodes));
        let x_forwarded_for = self.last_foreign(last_first("x-forwarded-for").flat_map(addresses));
        match (forwarded, x_forwarded_for) {
            (Hops::None, Hops::None) | (Hops::Obscure, _) | (_, Hops::Obscure) => peer,
            (Hops::Address(client), Hops::None) | (Hops::None, Hops::Address(client)) => client,
            (Hops::Address(one), Hops::Address(other)) if one == other => one,
            (Hops::Address(_), Hops::Address(_)) => peer,
        }
    }

    /// Whether an address is that of a trusted proxy.
    pub fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The first address that is not a trusted proxy, of those in a field from the last to the first; the very first if
    /// all are trusted.
    fn last_foreign(&self, hops: impl Iterator<Item = Option<IpAddr>>) -> Hops {
        let mut seen = Hops::None;
        for (number, hop) in hops.enumerate() {
            if number == MAX_HOPS {
                return Hops::Obscure;
            }
            match hop.map(|address| address.to_canonical()) {
                None => return Hops::Obscure,
                Some(address) if self.has(address) => seen = Hops::Address(address),
                Some(address) => return Hops::Address(address),
            }
        }
        seen
    }
}

/// Maximum number of trusted proxies on the way of a request. More are written by who wants to make work.
const MAX_HOPS: usize = 32;
/// Maximum length of what one proxy says in `Forwarded`, in bytes.
const MAX_ELEMENT: usize = 1024;

/// What a field says about the client.
enum Hops {
    /// The field is absent.
    None,
    /// The address of the client.
    Address(IpAddr),
    /// Something that is not an address.
    Obscure,
}

/// The addresses in an `X-Forwarded-For` field, last first.
fn addresses(field: &[u8]) -> impl Iterator<Item = Option<IpAddr>> {
    field.rsplit(|byte| *byte == b',').map(|text| address(std::str::from_utf8(text.trim_ascii()).ok()?))
}

/// The addresses in a `Forwarded` field, last first.
fn nodes(field: &[u8]) -> impl Iterator<Item = Option<IpAddr>> {
    let elements = std::str::from_utf8(field).ok().and_then(|text| split_unquoted(text, b','));
    let is_obscure = elements.is_none().then_some(None);
    is_obscure.into_iter().chain(elements.unwrap_or_default().into_iter().rev().map(node))
}

/// The address in the only `for` of an element of `Forwarded`, quoted where it is an IPv6 address or has a port.
fn node(element: &str) -> Option<IpAddr> {
    if element.len() > MAX_ELEMENT {
        return None;
    }
    let pairs = split_unquoted(element, b';')?.into_iter().filter_map(|pair| pair.split_once('='));
    let mut nodes = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let node = nodes.next().filter(|_| nodes.next().is_none())?.1.trim();
    address(node.strip_prefix('"').and_then(|node| node.strip_suffix('"')).unwrap_or(node))
}

/// Splits at a separator, except within a quoted string (RFC 9110, 5.6.4): a client may have chosen its contents, such
/// as the host. `None` if a quoted string does not end.
fn split_unquoted(text: &str, separator: u8) -> Option<Vec<&str>> {
    let (mut quoted, mut escaped, mut start, mut parts) = (false, false, 0, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        if quoted {
            quoted = byte != b'"' || escaped;
            escaped = byte == b'\\' && !escaped;
        } else if byte == b'"' {
            (quoted, escaped) = (true, false);
        } else if byte == separator {
            parts.push(&text[start..at]);
            start = at + 1;
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}

/// An address, with or without a port; an IPv6 address with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HeadScanner, RequestLimits, Scan};

    fn client(peer: &str, fields: &str) -> String {
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let Scan::Complete(outline) =
            HeadScanner::default().scan(bytes.as_bytes(), &RequestLimits::default())
        else {
            panic!("not a head: {bytes:?}")
        };
        let head = Head::parse(bytes.as_bytes(), &outline).unwrap();
        proxies.client(peer.parse().unwrap(), &head).to_string()
    }

    #[test]
    fn the_word_of_trusted_proxies_counts() {
        let cases = [
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4"),
            ("::1", "X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4"),
            ("::ffff:10.0.0.1", "X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4"),
            // What stands before the last foreign address, anybody may have written.
            ("10.0.0.1", "X-Forwarded-For: 9.9.9.9, 1.2.3.4\r\n", "1.2.3.4"),
            ("10.0.0.1", "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 1.2.3.4, 10.0.0.9\r\n", "1.2.3.4"),
            ("10.0.0.1", "X-Forwarded-For: junk, 1.2.3.4\r\n", "1.2.3.4"),
            ("10.0.0.1", "X-Forwarded-For: 10.1.1.1, 10.2.2.2\r\n", "10.1.1.1"),
            ("10.0.0.1", "X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1"),
            ("10.0.0.1", "X-Forwarded-For: [2001:db8::1]:99\r\n", "2001:db8::1"),
            ("10.0.0.1", "X-Forwarded-For: 1.2.3.4:555\r\n", "1.2.3.4"),
            ("10.0.0.1", "Forwarded: for=1.2.3.4\r\n", "1.2.3.4"),
            ("10.0.0.1", "Forwarded: proto=https;For=\"[2001:db8::1]:4711\";by=_x\r\n", "2001:db8::1"),
            ("10.0.0.1", "Forwarded: for=9.9.9.9, for=1.2.3.4;proto=http\r\n", "1.2.3.4"),
            ("10.0.0.1", "Forwarded: for=1.2.3.4\r\nX-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4"),
            // A client chose the host.
            ("10.0.0.1", "Forwarded: host=\"a;for=9.9.9.9;b\";for=1.2.3.4\r\n", "1.2.3.4"),
            ("10.0.0.1", "Forwarded: for=1.2.3.4;host=\"a,for=9.9.9.9;b\"\r\n", "1.2.3.4"),
            ("10.0.0.1", "Forwarded: host=\"\\\",for=9.9.9.9;b=\\\\\";for=1.2.3.4\r\n", "1.2.3.4"),
        ];
        for (peer, fields, expected) in cases {
            assert_eq!(client(peer, fields), expected, "{peer} {fields:?}");
        }
    }

    #[test]
    fn nobody_elses_does() {
        let cases = [
            ("192.0.2.1", "X-Forwarded-For: 1.2.3.4\r\n", "192.0.2.1"),
            ("192.0.2.1", "Forwarded: for=1.2.3.4\r\n", "192.0.2.1"),
            ("11.0.0.1", "X-Forwarded-For: 1.2.3.4\r\n", "11.0.0.1"),
            ("10.0.0.1", "X-Forwarded-For: 1.2.3.4, unknown\r\n", "10.0.0.1"),
            ("10.0.0.1", "X-Forwarded-For: \r\n", "10.0.0.1"),
            ("10.0.0.1", "Forwarded: for=_hidden\r\n", "10.0.0.1"),
            ("10.0.0.1", "Forwarded: proto=https\r\n", "10.0.0.1"),
            ("10.0.0.1", "Forwarded: for=1.2.3.4;for=9.9.9.9\r\n", "10.0.0.1"),
            ("10.0.0.1", "Forwarded: host=\"a, for=1.2.3.4\r\n", "10.0.0.1"),
            // One of the two is forged.
            ("10.0.0.1", "Forwarded: for=6.6.6.6\r\nX-Forwarded-For: 1.2.3.4\r\n", "10.0.0.1"),
            ("10.0.0.1", "Forwarded: junk\r\nX-Forwarded-For: 1.2.3.4\r\n", "10.0.0.1"),
        ];
        for (peer, fields, expected) in cases {
            assert_eq!(client(peer, fields), expected, "{peer} {fields:?}");
        }
    }

    #[test]
    fn a_way_of_too_many_proxies_is_the_word_of_nobody() {
        let by = |count: usize| format!("1.2.3.4{}", ", 10.0.0.1".repeat(count));
        for name in ["X-Forwarded-For", "Forwarded"] {
            let field = |count: usize| match name {
                "Forwarded" => format!("Forwarded: for={}\r\n", by(count).replace(", ", ", for=")),
                _ => format!("{name}: {}\r\n", by(count)),
            };
            assert_eq!(client("10.0.0.1", &field(31)), "1.2.3.4", "{name}");
            for count in [32, 33, 1_000] {
                assert_eq!(client("10.0.0.1", &field(count)), "10.0.0.1", "{name}: {count}");
            }
        }
        let host = |length: usize| format!("Forwarded: host=\"{}\";for=1.2.3.4\r\n", "a,".repeat(length / 2));
        assert_eq!(client("10.0.0.1", &host(900)), "1.2.3.4");
        assert_eq!(client("10.0.0.1", &host(1_100)), "10.0.0.1");
        // What precedes the last one that is not trusted is anybody's.
        let before = format!("X-Forwarded-For: {}, 1.2.3.4\r\n", by(1_000));
        assert_eq!(client("10.0.0.1", &before), "1.2.3.4");
    }
}
