//! The plan of a swarm, which is also sent to its processes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Default number of streams per source address: well below its 28,000 ports.
const STREAMS_PER_SOURCE: usize = 5000;
const SOURCES_AT_MOST: usize = 250;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) host: String,
    /// Path and query, with placeholders for the stream's number.
    pub(crate) target: String,
    /// Further header fields, `Name: value`, with the same placeholders.
    pub(crate) headers: Vec<String>,
    /// Bearer tokens of the streams, by number. A single token is for all streams; none if empty.
    pub(crate) tokens: Vec<String>,
    /// The numbers of the streams.
    pub(crate) streams: Range<usize>,
    pub(crate) follow: Follow,
    /// Bytes of an event's data; `None` for any, and then events of other publishers are no damage.
    pub(crate) payload: Option<usize>,
    /// How to recognise the server's own events; see `Peer`.
    pub(crate) greeting: Option<String>,
    pub(crate) ping: Option<String>,
    pub(crate) threads: usize,
    /// Number of source addresses, from 127.0.0.1 on; 0 leaves the choice to the kernel.
    pub(crate) sources: usize,
    /// Most streams that a worker opens at once, until their first event.
    pub(crate) connecting: usize,
    /// New connections per second, over all workers.
    pub(crate) ramp: Option<f64>,
    /// Nothing is published before all streams are open, so every stream must receive event 1.
    pub(crate) is_first: bool,
    /// Streams that are opened again send their last id.
    pub(crate) resumes: bool,
    /// A stream that the server ends or refuses reconnects by itself, when the browser client would.
    pub(crate) reopens: bool,
}

/// Which series of events a stream receives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Follow {
    /// All streams follow series 0.
    One,
    /// Stream n follows series n / K.
    Groups(usize),
}

impl Follow {
    pub(crate) fn series(self, stream: usize) -> u32 {
        match self {
            Self::One => 0,
            Self::Groups(by) => u32::try_from(stream / by).unwrap_or(u32::MAX),
        }
    }

    /// The number of series that `streams` streams follow.
    pub(crate) fn count(self, streams: usize) -> usize {
        match self {
            Self::One => 1,
            Self::Groups(by) => streams.div_ceil(by),
        }
    }
}

impl Plan {
    /// The number of source addresses. `None` takes as many as the streams need, and none for a server on another machine.
    pub(crate) fn sources(address: SocketAddr, streams: usize, wanted: Option<usize>) -> usize {
        match address.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => {
                wanted.unwrap_or(streams.div_ceil(STREAMS_PER_SOURCE)).clamp(1, SOURCES_AT_MOST)
            }
            _ => 0,
        }
    }

    /// The source address of a stream: 127.0.0.1 to 127.0.0.250.
    pub(super) fn source(&self, stream: usize) -> Option<Ipv4Addr> {
        let last = 1 + u8::try_from(stream.checked_rem(self.sources)?).unwrap_or_default();
        Some(Ipv4Addr::new(127, 0, 0, last))
    }

    /// The plan of one part of the streams, out of `parts`.
    pub(super) fn part(&self, part: usize, parts: usize) -> Self {
        let at = |part| self.streams.start + self.streams.len() * part / parts;
        let streams = at(part)..at(part + 1);
        let ramp = self.ramp.map(|ramp| ramp * streams.len() as f64 / self.streams.len().max(1) as f64);
        let tokens = match self.tokens.len() {
            0 | 1 => self.tokens.clone(),
            _ => self.tokens[streams.start - self.streams.start..streams.end - self.streams.start].to_vec(),
        };
        Self { streams, ramp, tokens, ..self.clone() }
    }

    /// The token of a stream.
    pub(super) fn token(&self, stream: usize) -> Option<&str> {
        let own = stream.checked_sub(self.streams.start)?;
        self.tokens.get(if self.tokens.len() == 1 { 0 } else { own }).map(String::as_str)
    }
}

#[cfg(test)]
impl Plan {
    /// A plan with ten streams per series.
    pub(super) fn sample(streams: usize) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        Self {
            address,
            host: "a".to_owned(),
            target: "/".to_owned(),
            headers: Vec::new(),
            tokens: Vec::new(),
            streams: 0..streams,
            follow: Follow::Groups(10),
            payload: None,
            greeting: None,
            ping: None,
            threads: 1,
            sources: Self::sources(address, streams, None),
            connecting: 64,
            ramp: Some(1000.0),
            is_first: true,
            resumes: false,
            reopens: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_all_of_it_once() {
        let plan = Plan::sample(10_007);
        let parts: Vec<Plan> = (0..3).map(|part| plan.part(part, 3)).collect();
        let numbers: Vec<usize> = parts.iter().flat_map(|part| part.streams.clone()).collect();
        assert_eq!(numbers, (0..10_007).collect::<Vec<_>>());
        assert!((parts.iter().filter_map(|part| part.ramp).sum::<f64>() - 1000.0).abs() < 1e-6);
    }

    #[test]
    fn each_stream_has_its_token_in_each_part() {
        let tokens: Vec<String> = (0..10).map(|n| format!("t-{n}")).collect();
        let plan = Plan { streams: 100..110, tokens, ..Plan::sample(0) };
        for plan in (0..3).map(|part| plan.part(part, 3)) {
            for stream in plan.streams.clone() {
                assert_eq!(plan.token(stream), Some(&*format!("t-{}", stream - 100)));
            }
        }
        let plan = Plan { tokens: vec!["t".to_owned()], ..Plan::sample(10) };
        assert_eq!((plan.part(1, 2).token(9), Plan::sample(10).token(9)), (Some("t"), None));
    }

    #[test]
    fn sources() {
        let plan = Plan::sample(12_000);
        assert_eq!(plan.sources, 3);
        assert_eq!(plan.source(0), Some(Ipv4Addr::LOCALHOST));
        assert_eq!(plan.source(5), Some(Ipv4Addr::new(127, 0, 0, 3)));
        let elsewhere = SocketAddr::from(([192, 0, 2, 1], 80));
        assert_eq!(Plan::sources(elsewhere, 12_000, None), 0);
        assert_eq!(Plan { sources: 0, ..plan }.source(5), None);
    }

    #[test]
    fn series() {
        assert_eq!((Follow::One.series(57), Follow::One.count(100)), (0, 1));
        assert_eq!((Follow::Groups(10).series(57), Follow::Groups(10).count(95)), (5, 10));
        assert_eq!((Follow::Groups(1).series(57), Follow::Groups(1).count(95)), (57, 95));
    }
}
