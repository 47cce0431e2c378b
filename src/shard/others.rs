//! Connections that are not streams, by address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::http::{TrustedProxies, client_network};

/// Counts the connections that are not streams, or not yet, against a limit by address.
///
/// The address counted is that of the peer. Many clients share one only behind a trusted proxy, and the connections of
/// those are not limited.
#[derive(Debug)]
pub struct Others {
    limit: usize,
    proxies: TrustedProxies,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// What to do with a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Serve it.
    Served,
    /// It exceeds the limit: answer any request with an error.
    Refused,
    /// It exceeds the limit, and as many as the limit already get that error: close it. It is not counted.
    Closed,
}

impl Others {
    /// A limit per IPv4 address or IPv6 /64 network, except for these proxies.
    pub fn new(limit: usize, proxies: TrustedProxies) -> Self {
        Self { limit, proxies, counts: Mutex::default() }
    }

    /// No limit.
    pub fn unlimited() -> Self {
        Self::new(usize::MAX, TrustedProxies::default())
    }

    /// Adds a connection.
    pub fn enter(&self, peer: IpAddr) -> Entry {
        if !self.is_counted(peer) {
            return Entry::Served;
        }
        let mut counts = self.lock();
        let count = counts.entry(client_network(peer)).or_default();
        if *count >= self.limit.saturating_mul(2) {
            return Entry::Closed;
        }
        *count += 1;
        if *count > self.limit { Entry::Refused } else { Entry::Served }
    }

    /// Removes a connection that has closed or has become a stream.
    pub fn leave(&self, peer: IpAddr) {
        if !self.is_counted(peer) {
            return;
        }
        let (network, mut counts) = (client_network(peer), self.lock());
        if let Some(count) = counts.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&network);
            }
        }
    }

    fn is_counted(&self, peer: IpAddr) -> bool {
        self.limit != usize::MAX && !self.proxies.has(peer)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_and_as_many_again_are_told() {
        let others = Others::new(2, TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]));
        let enter = |peer: &str| others.enter(peer.parse().unwrap());
        let expected = [Entry::Served, Entry::Served, Entry::Refused, Entry::Refused, Entry::Closed];
        assert_eq!(expected.map(|_| enter("192.0.2.1")), expected);
        assert_eq!(enter("192.0.2.2"), Entry::Served);
        assert_eq!(enter("2001:db8::1"), Entry::Served);
        assert_eq!(enter("2001:db8::2"), Entry::Served);
        assert_eq!(enter("2001:db8::3"), Entry::Refused, "one network");
        assert_eq!([(); 9].map(|()| enter("10.1.2.3")), [Entry::Served; 9], "a trusted proxy");
        for _ in 0..4 {
            others.leave("192.0.2.1".parse().unwrap());
        }
        assert_eq!(enter("192.0.2.1"), Entry::Served);
        others.leave("10.1.2.3".parse().unwrap());
        for peer in ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::1", "2001:db8::1"] {
            others.leave(peer.parse().unwrap());
        }
        assert!(others.lock().is_empty());
        assert_eq!(Others::unlimited().enter("192.0.2.1".parse().unwrap()), Entry::Served);
    }
}
