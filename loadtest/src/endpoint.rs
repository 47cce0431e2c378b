//! Where the streams of a server are.

use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use anyhow::{Context as _, Error, Result, ensure};

/// A plain `http` URL, resolved.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    /// The `Host` field: as typed, with the port.
    host: String,
    /// Path and query of the stream.
    target: String,
}

impl Endpoint {
    pub(crate) fn stream_request(&self) -> String {
        let Self { target, host, .. } = self;
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n")
    }

    /// The publish endpoint stands under the stream's path, without its query.
    pub(crate) fn publish_request(&self, body: &str) -> String {
        let path = self.target.split('?').next().unwrap_or_default().trim_end_matches('/');
        let (host, length) = (&self.host, body.len());
        format!(
            "POST {path}/events HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
    }
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
        assert!(
            endpoint
                .stream_request()
                .starts_with("GET /api/sse?topic=a HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n")
        );
        assert!(endpoint.publish_request("{}").starts_with("POST /api/sse/events HTTP/1.1\r\n"));
        let bare: Endpoint = "http://127.0.0.1".parse().unwrap();
        assert_eq!(bare.address.port(), 80);
        assert!(bare.publish_request("{}").starts_with("POST /events "));
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
