//! The plan of an attack: connections, addresses, script.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::token::Forger;

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    /// Number of source addresses, from 127.0.1.1 on: not those of honest clients. The kernel chooses the address if the
    /// server is not on loopback.
    pub(crate) sources: u8,
    pub(crate) script: Script,
}

/// What each connection sends.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    /// Sends a body without its last byte, and waits.
    Body { head: String, bytes: usize },
    /// Sends requests with forged tokens, up to `window` without an answer, alternating between `requests`: each a request
    /// line and fields, to which a token and an empty line are added.
    Forge { requests: Vec<String>, forger: Forger, window: usize },
    /// Sends `opening`, and waits.
    Once { opening: String },
    /// Opens a stream, and opens it again when its first event arrives.
    Reopen { request: String },
}

impl Plan {
    pub(super) fn source(&self, number: usize) -> Option<Ipv4Addr> {
        source(self.address, number, self.sources)
    }
}

/// The source address of an attacker, out of `sources`; `None` if the kernel chooses it.
pub(crate) fn source(to: SocketAddr, number: usize, sources: u8) -> Option<Ipv4Addr> {
    match to.ip() {
        IpAddr::V4(ip) if ip.is_loopback() && sources > 0 => {
            let last = u8::try_from(number % usize::from(sources)).unwrap_or_default();
            Some(Ipv4Addr::new(127, 0, 1, last.saturating_add(1)))
        }
        _ => None,
    }
}

impl Script {
    /// Appends what a connection sends next, given its number of unanswered requests.
    pub(super) fn next(&self, under_way: usize, sent: u64, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Body { head: opening, .. } | Self::Once { opening } | Self::Reopen { request: opening } => {
                let is_next = sent == 0 && !opening.is_empty();
                if is_next {
                    out.extend_from_slice(opening.as_bytes());
                }
                is_next
            }
            Self::Forge { requests, forger, window } => {
                if under_way >= *window {
                    return false;
                }
                let number = usize::try_from(sent).unwrap_or_default() % requests.len();
                let mut request = format!("{}Authorization: Bearer ", requests[number]);
                forger.forge(&mut request);
                request.push_str("\r\n\r\n");
                out.extend_from_slice(request.as_bytes());
                true
            }
        }
    }

    /// Bytes of the body that are sent.
    pub(super) fn body(&self) -> usize {
        match self {
            Self::Body { bytes, .. } => bytes.saturating_sub(1),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_not_those_of_others() {
        let script = Script::Once { opening: String::new() };
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let mut plan = Plan { address, connections: 10, sources: 2, script };
        let sources: Vec<_> = (0..3).map(|number| plan.source(number).unwrap().octets()).collect();
        assert_eq!(sources, [[127, 0, 1, 1], [127, 0, 1, 2], [127, 0, 1, 1]]);
        plan.address = SocketAddr::from(([192, 0, 2, 1], 80));
        assert_eq!(plan.source(0), None);
    }

    #[test]
    fn what_is_sent() {
        let once = Script::Once { opening: "GET".to_owned() };
        let mut out = Vec::new();
        assert!(once.next(0, 0, &mut out) && !once.next(0, 1, &mut out));
        assert_eq!((&*out, once.body()), (&b"GET"[..], 0));
        let forger = Forger::new("ES256", "ec", 64, "{}").unwrap();
        let requests = vec!["POST / HTTP/1.1\r\n".to_owned(), "GET / HTTP/1.1\r\n".to_owned()];
        let forge = Script::Forge { requests, forger, window: 2 };
        let mut out = Vec::new();
        assert!(forge.next(0, 0, &mut out) && forge.next(1, 1, &mut out) && !forge.next(2, 2, &mut out));
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("POST / HTTP/1.1\r\nAuthorization: Bearer ey"), "{text}");
        assert!(text.contains("A\r\n\r\nGET / HTTP/1.1\r\n") && text.ends_with("A\r\n\r\n"), "{text}");
    }
}
