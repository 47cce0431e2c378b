//! Listening sockets.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, TcpKeepalive, Type};

/// Connections that the kernel may hold for us; it cuts this to `net.core.somaxconn`.
const QUEUE: i32 = 65_535;

/// The kernel takes no more (`MAX_TCP_KEEPIDLE`).
const LONGEST_KEEPALIVE: Duration = Duration::from_secs(32_767);

/// What is set on a listener, and so on every connection that it accepts, at no cost for each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketOptions {
    /// How long sent data may stay without an acknowledgement (`TCP_USER_TIMEOUT`).
    pub(crate) user_timeout: Duration,
    /// Bytes that the kernel may hold for a client and has not sent, beyond which it takes no more
    /// (`TCP_NOTSENT_LOWAT`). The send buffer is left to the kernel: what is on its way to a client that reads does
    /// not count, so such a client is never slowed.
    pub(crate) unsent_limit: u32,
}

/// Which connections a listener takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IpVersions {
    /// Those of its address.
    Own,
    /// On the unspecified IPv6 address, IPv4 as well.
    Both,
}

impl IpVersions {
    /// What `[::]` takes, one of `all` addresses that are listened on: everything, as people expect, unless an IPv4
    /// address with the same port stands beside it, which has those connections then.
    pub(crate) fn of(address: SocketAddr, all: &[SocketAddr]) -> Self {
        let port = address.port();
        let has_ipv4 = port != 0 && all.iter().any(|other| other.is_ipv4() && other.port() == port);
        match address.is_ipv6() && address.ip().is_unspecified() && !has_ipv4 {
            true => Self::Both,
            false => Self::Own,
        }
    }
}

/// A listener, and whose it is.
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    /// Whether another process holds it too, such as a service manager. Connections that wait in its queue when this
    /// process ends are left to that one.
    pub(crate) is_handed_in: bool,
}

impl Listener {
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()?, is_handed_in: self.is_handed_in })
    }
}

/// Keeps new connections out of the queue of a listener of our own that is about to be closed, so that those in the
/// queue can be accepted and answered: closing resets what is left. The kernel drops new connections from now on; the
/// kernel of the client tries again a second later.
pub(super) fn lock(listener: &impl AsFd) {
    // A socket filter (BPF) of one instruction: return, with no byte of any packet taken.
    const TAKE_NOTHING: SockFilter = SockFilter::new(0x06, 0, 0, 0);
    // If the system has no such filters, a few connections may be reset.
    if let Err(error) = SockRef::from(listener).attach_filter(&[TAKE_NOTHING]) {
        tracing::debug!(%error, "cannot lock a listener before it is closed");
    }
}

/// Listens on an address.
pub(crate) fn bind(address: SocketAddr, versions: IpVersions) -> io::Result<TcpListener> {
    listen(address, versions).map_err(|error| without_ipv6(address, error))
}

fn listen(address: SocketAddr, versions: IpVersions) -> io::Result<TcpListener> {
    // An IPv6-only socket cannot be bound to a mapped IPv4 address.
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // Otherwise the settings of the system decide.
        socket.set_only_v6(versions == IpVersions::Own)?;
    }
    socket.bind(&address.into())?;
    socket.listen(QUEUE)?;
    Ok(socket.into())
}

/// Replaces the error that a system without IPv6 gives for an IPv6 address.
fn without_ipv6(address: SocketAddr, error: io::Error) -> io::Error {
    const EAFNOSUPPORT: i32 = 97;
    match error.raw_os_error() {
        Some(EAFNOSUPPORT) if address.is_ipv6() => {
            let port = address.port();
            let text = format!("this machine has no IPv6; 0.0.0.0:{port} is all of its IPv4 addresses");
            io::Error::new(error.kind(), text)
        }
        _ => error,
    }
}

/// Listens on both loopback addresses, since `localhost` resolves to `::1` first on many machines. Skips an address
/// that the machine does not have.
pub(crate) fn bind_loopback(port: u16) -> io::Result<Vec<TcpListener>> {
    let first = bind((Ipv4Addr::LOCALHOST, port).into(), IpVersions::Own)?;
    let port = first.local_addr()?.port();
    match bind((Ipv6Addr::LOCALHOST, port).into(), IpVersions::Own) {
        Ok(second) => Ok(vec![first, second]),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        Err(error) => {
            tracing::debug!(%error, "not listening on ::1");
            Ok(vec![first])
        }
    }
}

/// Prepares a listener, ours or one that was handed in, for the event loops.
pub(super) fn prepare(listener: &TcpListener, options: SocketOptions) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let socket = SockRef::from(listener);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(options.unsent_limit)?;
    // Detects vanished peers even if heartbeats are off.
    let idle = options.user_timeout.clamp(Duration::from_secs(1), LONGEST_KEEPALIVE);
    let keepalive = TcpKeepalive::new().with_time(idle).with_interval((idle / 4).max(Duration::from_secs(1)));
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(options.user_timeout))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn the_unspecified_ipv6_address_takes_what_no_other_does() {
        for (address, others, expected) in [
            ("[::]:3000", &[][..], IpVersions::Both),
            ("[::]:3000", &["127.0.0.1:3001", "[::1]:3000"], IpVersions::Both),
            ("[::]:3000", &["0.0.0.0:3000"], IpVersions::Own),
            ("[::]:3000", &["127.0.0.1:3000"], IpVersions::Own),
            // Each takes a free port of its own.
            ("[::]:0", &["0.0.0.0:0"], IpVersions::Both),
            ("[::1]:3000", &[], IpVersions::Own),
            ("0.0.0.0:3000", &[], IpVersions::Own),
        ] {
            let all: Vec<SocketAddr> =
                [address].iter().chain(others).map(|text| text.parse().unwrap()).collect();
            assert_eq!(IpVersions::of(all[0], &all), expected, "{address} beside {others:?}");
        }
    }

    #[test]
    fn a_machine_without_ipv6_is_told_of() {
        let error = |number, address: &str| {
            without_ipv6(address.parse().unwrap(), io::Error::from_raw_os_error(number)).to_string()
        };
        let expected = "this machine has no IPv6; 0.0.0.0:3000 is all of its IPv4 addresses";
        assert_eq!(error(97, "[::]:3000"), expected);
        assert!(error(98, "[::]:3000").contains("in use"));
        assert!(error(97, "0.0.0.0:3000").contains("os error 97"));
    }

    #[test]
    fn accepted_connections_inherit_what_is_set() {
        let user_timeout = Duration::from_secs(7);
        let listener = bind((Ipv4Addr::LOCALHOST, 0).into(), IpVersions::Own).expect("a listener");
        let defaults = SockRef::from(&listener).send_buffer_size().expect("a size");
        prepare(&listener, SocketOptions { user_timeout, unsent_limit: 12_345 }).expect("options");
        let _client = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
        listener.set_nonblocking(false).expect("a mode");
        let (accepted, _) = listener.accept().expect("a connection");
        let socket = SockRef::from(&accepted);
        assert_eq!(socket.tcp_notsent_lowat().expect("a size"), 12_345);
        assert_eq!(socket.tcp_user_timeout().expect("a time"), Some(user_timeout));
        assert!(socket.tcp_nodelay().expect("no delay") && socket.keepalive().expect("keep-alive"));
        assert_eq!(socket.tcp_keepalive_time().expect("a time"), user_timeout);
        // Left to the kernel, which lets it grow.
        assert!(socket.send_buffer_size().expect("a size") >= defaults);
    }
}
