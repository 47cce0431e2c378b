//! The part of an address that limits count by.

use std::net::{IpAddr, Ipv6Addr};

/// Bits of an IPv6 address that identify a network; its hosts choose the rest (RFC 4291, 2.5.4).
const NETWORK_BITS: u32 = 64;

/// The address that limits count a client by: an IPv4 address, also if it is mapped into IPv6, or the first 64 bits of
/// an IPv6 address. Whoever has one address of such a network has all of them.
pub fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> NETWORK_BITS << NETWORK_BITS).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_network() {
        for (address, counted) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
            ("::1", "::"),
        ] {
            let network = client_network(address.parse().unwrap());
            assert_eq!(network, counted.parse::<IpAddr>().unwrap(), "{address}");
        }
    }
}
