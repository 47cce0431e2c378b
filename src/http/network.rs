//! Networks of addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// A network of IPv4 or IPv6 addresses, written as `10.0.0.0/8` or `fd00::/8`; an address alone is a network of one.
///
/// Bits of the address beyond the prefix do not count: `10.1.2.3/8` is `10.0.0.0/8`. IPv4 addresses that are mapped into
/// IPv6 (`::ffff:10.0.0.0/104`) are IPv4 addresses.
///
/// ```
/// use fanfare::IpNetwork;
/// let network: IpNetwork = "10.1.2.3/8".parse()?;
/// assert_eq!(network.to_string(), "10.0.0.0/8");
/// assert!(network.contains("10.9.9.9".parse()?));
/// assert_eq!("192.0.2.1".parse::<IpNetwork>()?.to_string(), "192.0.2.1/32");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpNetwork(IpNet);

/// A text is not an [`IpNetwork`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a network is written as 10.0.0.1, 10.0.0.0/8 or fd00::/8")]
#[non_exhaustive]
pub struct IpNetworkError;

/// Bits of an IPv6 address that say that it is an IPv4 address (RFC 4291, 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// Addresses that are nobody's on the internet, so that whoever names them names their own: those that are reserved
/// (RFC 1112, 4) and used within clouds, unique local (RFC 4193), and link-local (RFC 4291, 2.5.6). Other such networks
/// are not wider than [`MIN_BITS`].
const OWN: [&str; 3] = ["240.0.0.0/4", "fc00::/7", "fe80::/10"];
/// Least bits of a network on the internet that may be one party's, IPv4 and IPv6. The widest that content delivery
/// networks and clouds publish have 10 and 20 or more.
const MIN_BITS: (u8, u8) = (8, 16);

impl IpNetwork {
    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether it has addresses of so many on the internet that nobody can have them all.
    pub(crate) fn is_too_wide(&self) -> bool {
        let min = if self.0.addr().is_ipv4() { MIN_BITS.0 } else { MIN_BITS.1 };
        let mut own = OWN.iter().filter_map(|own| own.parse::<IpNet>().ok());
        self.0.prefix_len() < min && !own.any(|own| own.contains(&self.0))
    }
}

impl From<IpAddr> for IpNetwork {
    fn from(address: IpAddr) -> Self {
        Self(address.to_canonical().into())
    }
}

impl FromStr for IpNetwork {
    type Err = IpNetworkError;

    fn from_str(text: &str) -> Result<Self, IpNetworkError> {
        let network = text.parse().or_else(|_| text.parse().map(|address: IpAddr| address.into()));
        network.map(|network: IpNet| Self(canonical(network).trunc())).map_err(|_| IpNetworkError)
    }
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A network of mapped IPv4 addresses as what it is: addresses are looked up as what they are.
fn canonical(network: IpNet) -> IpNet {
    let bits = network.prefix_len().checked_sub(MAPPED_BITS).filter(|_| network.addr().is_ipv6());
    let mapped = bits.map(|bits| IpNet::new(network.addr().to_canonical(), bits));
    // What is not mapped is IPv6 still.
    mapped.and_then(Result::ok).filter(|mapped| mapped.addr().is_ipv4()).unwrap_or(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_what_its_prefix_says() {
        for (text, is) in [
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:10.0.0.1/128", "10.0.0.1/32"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("192.0.2.1", "192.0.2.1/32"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("2001:db8::/100", "2001:db8::/100"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(
                text.parse::<IpNetwork>().map(|network| network.to_string()).as_deref(),
                Ok(is),
                "{text}"
            );
        }
        for text in ["", "10.0.0.0/33", "10.0.0", "::/129", "localhost", "10.0.0.0/8/8", "10.0.0.0/", " ::1"]
        {
            assert_eq!(text.parse::<IpNetwork>(), Err(IpNetworkError), "{text:?}");
        }
    }

    #[test]
    fn nobody_has_as_many_addresses() {
        for text in [
            "0.0.0.0/0",
            "0.0.0.0/1",
            "128.0.0.0/1",
            "128.0.0.0/2",
            "10.0.0.0/7",
            "126.0.0.0/7",
            "224.0.0.0/3",
            "::/0",
            "::/1",
            "8000::/1",
            "2000::/3",
            "2400::/12",
            "2600::/15",
            "f000::/4",
            "fc00::/6",
            "fe80::/9",
            "::ffff:0.0.0.0/96",
            "::ffff:0.0.0.0/97",
            "::ffff:128.0.0.0/103",
        ] {
            assert!(text.parse::<IpNetwork>().unwrap().is_too_wide(), "{text}");
        }
    }

    /// Private networks, and the widest of those that Cloudflare, CloudFront, Akamai, Fastly, Google and Azure publish.
    #[test]
    fn what_proxies_have_is_not_too_wide() {
        for text in [
            "10.0.0.0/8",
            "127.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "169.254.0.0/16",
            "240.0.0.0/4",
            "fc00::/7",
            "fd00::/8",
            "fe80::/10",
            "::1/128",
            "104.16.0.0/12",
            "104.16.0.0/13",
            "104.24.0.0/14",
            "172.64.0.0/13",
            "162.158.0.0/15",
            "2a06:98c0::/29",
            "2400:cb00::/32",
            "2606:4700::/32",
            "13.32.0.0/15",
            "52.84.0.0/15",
            "2600:9000::/28",
            "104.64.0.0/10",
            "23.32.0.0/11",
            "2600:1400::/24",
            "151.101.0.0/16",
            "2a04:4e40::/32",
            "35.191.0.0/16",
            "2600:1900::/28",
            "20.0.0.0/11",
            "64:ff9b::/96",
            "2002::/16",
        ] {
            assert!(!text.parse::<IpNetwork>().unwrap().is_too_wide(), "{text}");
        }
    }
}
