//! Limits on open streams.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::key_counts::{add, lock, remove};
use super::others::Others;
use super::users::UserStreams;
use crate::event::Refusal;
use crate::http::client_network;

/// How many streams may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// In total.
    pub total: usize,
    /// From one IPv4 address or IPv6 /64 network.
    pub per_address: usize,
    /// Of one user.
    pub per_user: usize,
}

/// Counts the streams of all event loops of this process against limits in total, by address and by user.
///
/// All shards share one instance. It is asked once when a stream opens, and once when it ends.
#[derive(Debug)]
pub struct Admission {
    limits: StreamLimits,
    total: AtomicUsize,
    draining: AtomicBool,
    others: Others,
    addresses: Mutex<HashMap<IpAddr, usize>>,
    users: Arc<UserStreams>,
}

impl Admission {
    /// With no stream open.
    pub fn new(limits: StreamLimits) -> Self {
        Self {
            limits,
            total: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            others: Others::unlimited(),
            addresses: Mutex::default(),
            users: Arc::default(),
        }
    }

    /// Sets the limit on connections that are not streams.
    #[must_use]
    pub fn with_others(self, others: Others) -> Self {
        Self { others, ..self }
    }

    /// The connections that are not streams.
    pub fn others(&self) -> &Others {
        &self.others
    }

    /// Counts a stream that opens, or says why it may not.
    pub fn admit(&self, address: IpAddr, user: Option<&Arc<str>>) -> Result<(), Refusal> {
        if self.is_draining() {
            return Err(Refusal::Draining);
        }
        if self.total.fetch_add(1, Ordering::Relaxed) >= self.limits.total {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::Full);
        }
        let network = client_network(address);
        if self.limits_addresses() && !add(&mut lock(&self.addresses), &network, self.limits.per_address) {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::Address);
        }
        if user.is_some_and(|user| !self.users.add(user, self.limits.per_user)) {
            self.release(address, None);
            return Err(Refusal::User);
        }
        Ok(())
    }

    /// Counts a stream that ends. It must have been admitted with the same arguments.
    pub fn release(&self, address: IpAddr, user: Option<&Arc<str>>) {
        self.total.fetch_sub(1, Ordering::Relaxed);
        if self.limits_addresses() {
            remove(&mut lock(&self.addresses), &client_network(address));
        }
        if let Some(user) = user {
            self.users.remove(user);
        }
    }

    /// Admits no stream from now on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the server is shutting down.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// How many streams are open.
    pub fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    /// How many users have a stream open in this process.
    pub fn users(&self) -> usize {
        self.users.users()
    }

    /// The streams of each of them.
    pub fn user_streams(&self) -> &Arc<UserStreams> {
        &self.users
    }

    fn limits_addresses(&self) -> bool {
        self.limits.per_address != usize::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_refuses_for_its_own_reason_and_release_makes_room() {
        let admission = Admission::new(StreamLimits { total: 3, per_address: 2, per_user: 1 });
        let (a, b) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let user: Arc<str> = "ada".into();
        assert_eq!(admission.admit(a, Some(&user)), Ok(()));
        assert_eq!(admission.admit(b, Some(&user)), Err(Refusal::User));
        assert_eq!(admission.admit(a, None), Ok(()));
        assert_eq!(admission.admit(a, None), Err(Refusal::Address));
        assert_eq!(admission.admit(b, None), Ok(()));
        assert_eq!(admission.admit(b, None), Err(Refusal::Full));
        assert_eq!(
            (admission.total(), admission.users(), admission.user_streams().streams_of("ada")),
            (3, 1, 1)
        );
        admission.release(a, Some(&user));
        assert_eq!(admission.admit(a, Some(&user)), Ok(()));
        admission.release(a, Some(&user));
        admission.release(a, None);
        admission.release(b, None);
        assert_eq!((admission.total(), admission.users()), (0, 0));
        assert!(lock(&admission.addresses).is_empty());
        admission.drain();
        assert_eq!(admission.admit(a, None), Err(Refusal::Draining));
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        let admission = Admission::new(StreamLimits { total: 9, per_address: 2, per_user: 9 });
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let [one, two, three] = ["2001:db8::1", "2001:db8::2:1", "2001:db8::3:1"].map(address);
        assert_eq!([one, two].map(|address| admission.admit(address, None)), [Ok(()), Ok(())]);
        assert_eq!(admission.admit(three, None), Err(Refusal::Address));
        assert_eq!(admission.admit(address("2001:db8:0:1::1"), None), Ok(()), "another network");
        admission.release(two, None);
        assert_eq!(admission.admit(three, None), Ok(()));
        let mapped = ["::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"].map(address);
        assert_eq!(mapped.map(|address| admission.admit(address, None)), [Ok(()); 3]);
        assert_eq!(admission.admit(mapped[0], None), Err(Refusal::Address));
    }
}
