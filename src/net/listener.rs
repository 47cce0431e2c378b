//! Listening sockets.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

/// Connections that the kernel may hold for us; it cuts this to `net.core.somaxconn`.
const QUEUE: i32 = 65_535;

/// What is set on a listener, and so on every connection that it accepts, at no cost for each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketOptions {
    /// How long sent data may stay without an acknowledgement (`TCP_USER_TIMEOUT`).
    pub(crate) user_timeout: Duration,
    /// Bytes the kernel queues for a client that does not read (`SO_SNDBUF`; it doubles the figure).
    pub(crate) send_buffer: usize,
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

/// Listens on an address.
pub(crate) fn bind(address: SocketAddr, versions: IpVersions) -> io::Result<TcpListener> {
    listen(address, versions).map_err(|error| without_ipv6(address, error))
}

fn listen(address: SocketAddr, versions: IpVersions) -> io::Result<TcpListener> {
    // A mapped IPv4 address could not be bound to by a socket that is for IPv6 only.
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // Without this, the system's settings would say.
        socket.set_only_v6(versions == IpVersions::Own)?;
    }
    socket.bind(&address.into())?;
    socket.listen(QUEUE)?;
    Ok(socket.into())
}

/// What the system says of an IPv6 address where it has no IPv6, in other words.
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

/// Listens on both loopback addresses, for `localhost` is `::1` first on many machines. One that the machine
/// does not have is left out.
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
    socket.set_send_buffer_size(options.send_buffer)?;
    // Finds vanished peers also where heartbeats are off.
    let idle = options.user_timeout.max(Duration::from_secs(1));
    let keepalive = TcpKeepalive::new().with_time(idle).with_interval((idle / 4).max(Duration::from_secs(1)));
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(options.user_timeout))
}

#[cfg(test)]
mod tests {
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
}
