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
    /// Bytes that the kernel may hold for a client and has not sent, beyond which it takes no more
    /// (`TCP_NOTSENT_LOWAT`). The send buffer is left to the kernel: what is on its way to a client that reads does
    /// not count, so such a client is never slowed.
    pub(crate) unsent_limit: u32,
}

/// Listens on an address.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // The two loopback addresses are listened on each by its own.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(QUEUE)?;
    Ok(socket.into())
}

/// Listens on both loopback addresses, for `localhost` is `::1` first on many machines. One that the machine
/// does not have is left out.
pub(crate) fn bind_loopback(port: u16) -> io::Result<Vec<TcpListener>> {
    let first = bind((Ipv4Addr::LOCALHOST, port).into())?;
    let port = first.local_addr()?.port();
    match bind((Ipv6Addr::LOCALHOST, port).into()) {
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
    // Finds vanished peers also where heartbeats are off.
    let idle = options.user_timeout.max(Duration::from_secs(1));
    let keepalive = TcpKeepalive::new().with_time(idle).with_interval((idle / 4).max(Duration::from_secs(1)));
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(options.user_timeout))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn accepted_connections_inherit_what_is_set() {
        let user_timeout = Duration::from_secs(7);
        let listener = bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a listener");
        let defaults = SockRef::from(&listener).send_buffer_size().expect("a size");
        prepare(&listener, SocketOptions { user_timeout, unsent_limit: 12_345 }).expect("options");
        let _client = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
        listener.set_nonblocking(false).expect("a mode");
        let (accepted, _) = listener.accept().expect("a connection");
        let socket = SockRef::from(&accepted);
        assert_eq!(socket.tcp_notsent_lowat().expect("a size"), 12_345);
        assert_eq!(socket.tcp_user_timeout().expect("a time"), Some(user_timeout));
        assert!(socket.tcp_nodelay().expect("no delay") && socket.keepalive().expect("keep-alive"));
        // Left to the kernel, which lets it grow.
        assert!(socket.send_buffer_size().expect("a size") >= defaults);
    }
}
