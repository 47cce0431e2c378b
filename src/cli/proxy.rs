//! The proxy for a server.

use std::net::{Ipv4Addr, Ipv6Addr};

use fanfare::http::is_loopback_host;
use ureq::Proxy;
use ureq::http::Uri;

/// The proxy for a server, from the environment variables for the URL's scheme. None for this machine: a proxy
/// elsewhere would look for the server on its own.
pub(super) fn proxy_to(url: &str) -> Option<Proxy> {
    let uri: Uri = url.parse().ok()?;
    if is_this_machine(uri.host()?) {
        return None;
    }
    let variable = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let proxy =
        variables(uri.scheme_str()?).iter().filter_map(variable).find_map(|url| Proxy::new(&url).ok())?;
    // Only a proxy made from the environment knows NO_PROXY, which is the same for all.
    let is_exempt = Proxy::try_from_env().is_some_and(|any| any.is_no_proxy(&uri));
    (!is_exempt).then_some(proxy)
}

/// The variables that may name a proxy for a scheme; the first one set counts.
fn variables(scheme: &str) -> [&'static str; 4] {
    match scheme {
        "https" => ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        _ => ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
    }
}

/// Whether the host of a URL is this machine: a loopback name or address, in any form that the resolver takes for one,
/// or the unspecified address, which connects to this machine and which a server that listens on all addresses prints.
fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let ipv6 = || bare.parse().ok().map(|address: Ipv6Addr| address.to_canonical());
    let is_local = |address: Ipv4Addr| address.is_loopback() || address.is_unspecified();
    is_loopback_host(host)
        || ipv6().is_some_and(|address| address.is_loopback() || address.is_unspecified())
        || ipv4(host).is_some_and(is_local)
}

/// Parses an IPv4 address of one to four numbers, decimal, octal or hexadecimal, of which the last fills the remaining
/// bytes, as `inet_aton` and so the resolver do.
fn ipv4(host: &str) -> Option<Ipv4Addr> {
    let numbers = host.split('.').map(number).collect::<Option<Vec<u32>>>()?;
    let (last, first) = numbers.split_last().filter(|(_, first)| first.len() < 4)?;
    let mut address = *last;
    for (n, number) in first.iter().enumerate() {
        address |= u32::from(u8::try_from(*number).ok()?) << (24 - 8 * n);
    }
    let left_bits = 32 - 8 * first.len() as u32;
    (u64::from(*last) < 1 << left_bits).then_some(Ipv4Addr::from_bits(address))
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    // Without a sign, which the conversion would accept.
    let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, radix).ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_many_names() {
        for host in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "127.1",
            "127.256",
            "127.0.1",
            "0x7f.1",
            "0177.0.0.1",
            "0x7f000001",
            "2130706433",
            "0.0.0.0",
            "0",
            "0x0",
            "0.0",
            "[::1]",
            "[::]",
            "[::0]",
            "[0:0:0:0:0:0:0:0]",
            "[::ffff:0.0.0.0]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "",
            ".",
            "example.com",
            "10.0.0.1",
            "1",
            "128.1",
            "127.1.1.1.1",
            "127.0.65536",
            "127.0.0.256",
            "127.16777216",
            "127.+1",
            "127.-1",
            "127.a",
            "127.08",
            "127..1",
            "4294967296",
            "0x",
            "0.0.0.1",
            "[::2]",
            "[fe80::1]",
            "127.0.0.1.example.com",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }

    #[test]
    fn the_last_number_fills_what_is_left() {
        for (host, address) in [
            ("127.256", [127, 0, 1, 0]),
            ("1.2.3.4", [1, 2, 3, 4]),
            ("1.2.772", [1, 2, 3, 4]),
            ("16909060", [1, 2, 3, 4]),
            ("0x1.02.0x304", [1, 2, 3, 4]),
        ] {
            assert_eq!(ipv4(host), Some(address.into()), "{host}");
        }
    }
}
