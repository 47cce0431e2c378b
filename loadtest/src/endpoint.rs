//! The URL of a server.

use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use anyhow::{Context as _, Error, Result, ensure};

/// A plain `http` URL, resolved.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    /// The `Host` field, as given, with the port.
    pub(crate) host: String,
    /// Path and query; may have placeholders.
    pub(crate) target: String,
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        let rest = url.strip_prefix("http://").context("a URL begins with http://")?;
        let (authority, target) = match rest.find(['/', '?']) {
            Some(at) if rest[at..].starts_with('/') => (&rest[..at], rest[at..].to_owned()),
            Some(at) => (&rest[..at], format!("/{}", &rest[at..])),
            None => (rest, "/".to_owned()),
        };
        ensure!(target.bytes().all(|byte| byte.is_ascii_graphic()), "a URL has no spaces or controls");
        let has_port = authority.rsplit(']').next().is_some_and(|end| end.contains(':'));
        let host = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        let address = host
            .to_socket_addrs()
            .with_context(|| format!("no address in {authority:?}"))?
            .next()
            .with_context(|| format!("{authority:?} has no address"))?;
        Ok(Self { address, host, target })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let endpoint: Endpoint = "http://127.0.0.1:3000/api/sse?topic=a".parse().unwrap();
        assert_eq!(endpoint.address, SocketAddr::from(([127, 0, 0, 1], 3000)));
        assert_eq!((&*endpoint.host, &*endpoint.target), ("127.0.0.1:3000", "/api/sse?topic=a"));
        let bare: Endpoint = "http://127.0.0.1".parse().unwrap();
        assert_eq!((bare.address.port(), &*bare.host, &*bare.target), (80, "127.0.0.1:80", "/"));
        let query: Endpoint = "http://127.0.0.1:1?user={n}".parse().unwrap();
        assert_eq!(query.target, "/?user={n}");
        for bad in [
            "https://127.0.0.1/",
            "127.0.0.1:1",
            "http://",
            "http://127.0.0.1:99999/",
            "http://127.0.0.1/a b",
        ] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }
}
