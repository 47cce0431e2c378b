//! A load's options, resolved and checked.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::cli::{LoadOptions, Shape};
use crate::endpoint::Endpoint;

/// Streams that share a source address when `--sources` is not given: far under its 28,000 ports.
const STREAMS_PER_SOURCE: usize = 5000;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// Closed loop: so many events under way at most.
    InFlight(usize),
    /// Open loop: events a second, whether or not the server keeps up.
    Rate(f64),
}

pub(crate) struct Plan {
    pub(crate) endpoint: Endpoint,
    pub(crate) pace: Pace,
    pub(crate) pid: Option<u32>,
    pub(crate) streams: usize,
    pub(crate) threads: usize,
    /// Source addresses, 127.0.0.1 and on; 0 leaves the choice to the kernel.
    pub(crate) sources: u8,
    pub(crate) connecting: usize,
    pub(crate) events: usize,
    pub(crate) warm_up: usize,
    pub(crate) payload: usize,
    pub(crate) patience: Duration,
    pub(crate) deadline: Duration,
}

impl Plan {
    pub(crate) fn from_options(options: &LoadOptions) -> Result<Self> {
        let pace = match options.rate {
            Some(rate) => Pace::Rate(rate),
            None => Pace::InFlight(options.in_flight.unwrap_or(1)),
        };
        Self::new(&options.shape, options.url.clone(), pace, options.pid)
    }

    pub(crate) fn new(shape: &Shape, endpoint: Endpoint, pace: Pace, pid: Option<u32>) -> Result<Self> {
        let is_loopback = matches!(endpoint.address.ip(), std::net::IpAddr::V4(ip) if ip.is_loopback());
        ensure!(is_loopback || shape.sources.is_none(), "--sources needs a server on 127.0.0.0/8");
        let wanted = u8::try_from(shape.streams.div_ceil(STREAMS_PER_SOURCE)).unwrap_or(250).min(250);
        let plan = Self {
            endpoint,
            pace,
            pid,
            streams: shape.streams,
            threads: shape.threads.min(shape.streams),
            sources: if is_loopback { shape.sources.unwrap_or(wanted) } else { 0 },
            connecting: shape.connecting,
            events: shape.events,
            warm_up: shape.warm_up,
            payload: shape.payload,
            patience: shape.patience,
            deadline: shape.deadline,
        };
        let least = data(plan.last(), 0).len();
        ensure!(plan.payload >= least, "--payload is at least {least} bytes for so many events");
        Ok(plan)
    }

    /// The number of the last event; the first is 1, the first measured one `warm_up` + 1.
    pub(crate) fn last(&self) -> u64 {
        (self.warm_up + self.events) as u64
    }

    /// Where the stream with this number connects from.
    pub(crate) fn source(&self, stream: usize) -> Option<Ipv4Addr> {
        let sources = usize::from(self.sources);
        // 127.0.0.1 to 127.0.0.250
        (sources > 0)
            .then(|| Ipv4Addr::new(127, 0, 0, 1 + u8::try_from(stream % sources).unwrap_or_default()))
    }
}

/// The data of event `n`, padded to `bytes`.
pub(crate) fn data(n: u64, bytes: usize) -> String {
    let bare = format!("{{\"n\":{n},\"pad\":\"\"}}");
    let pad = bytes.saturating_sub(bare.len());
    format!("{}{}\"}}", &bare[..bare.len() - 2], "x".repeat(pad))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_has_exactly_the_size() {
        assert_eq!(data(7, 20), r#"{"n":7,"pad":"xxxx"}"#);
        for (n, bytes) in [(1, 128), (99_999, 128), (1, 16), (10, 17), (10, 16 * 1024)] {
            let text = data(n, bytes);
            assert_eq!(text.len(), bytes);
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value["n"], n);
        }
    }
}
