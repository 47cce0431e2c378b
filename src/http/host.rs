//! The authority that a client believes it speaks to.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a `Host` names this very machine: `localhost`, a name below it (RFC 6761, 6.3), 127.0.0.0/8 or ::1,
/// with any port.
///
/// A page of another site that has rebound its own name to 127.0.0.1 sends that name here.
pub fn is_loopback_host(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let address = rest.split(']').next().unwrap_or_default();
        return address.parse().is_ok_and(|address: Ipv6Addr| address.to_canonical().is_loopback());
    }
    let end = host.bytes().position(|byte| byte == b':').unwrap_or(host.len());
    let name = host[..end].strip_suffix('.').unwrap_or(&host[..end]);
    // Each request is judged by this, and no name of a public host ends in digits (RFC 1123, 2.1).
    if name.ends_with(|c: char| c.is_ascii_digit()) {
        return name.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback());
    }
    let is_below = |name: &str| name.len() > 10 && name[name.len() - 10..].eq_ignore_ascii_case(".localhost");
    name.eq_ignore_ascii_case("localhost") || (name.is_ascii() && is_below(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine() {
        for host in [
            "localhost",
            "LOCALHOST:3000",
            "localhost.",
            "a.localhost:1",
            "127.0.0.1",
            "127.9.9.9:80",
            "[::1]",
            "[::1]:3000",
        ] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[::2]",
            ".localhost.x",
            "0.0.0.0",
            "[fe80::1]",
        ] {
            assert!(!is_loopback_host(host), "{host}");
        }
    }
}
