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
    /// Bytes the kernel queues for a client that does not read (`SO_SNDBUF`; it doubles the figure).
    pub(crate) send_buffer: usize,
}

/// A listener, and whose it is.
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    /// Others may hold it too, as a service manager does: whoever waits in its queue when this process ends is theirs.
    pub(crate) is_handed_in: bool,
}

impl Listener {
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()?, is_handed_in: self.is_handed_in })
    }
}

/// Lets nobody more into the queue of a listener of our own that is about to be closed, so that whoever waits there can
/// be accepted and told: closing resets those left. The kernel drops what knocks from now on; the client's tries again
/// a second later.
pub(super) fn lock(listener: &impl AsFd) {
    // A socket filter (BPF) of one instruction: return, with no byte of any packet taken.
    const TAKE_NOTHING: SockFilter = SockFilter::new(0x06, 0, 0, 0);
    // Where the system has no such filters, a few may be reset.
    if let Err(error) = SockRef::from(listener).attach_filter(&[TAKE_NOTHING]) {
        tracing::debug!(%error, "cannot lock a listener before it is closed");
    }
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
    socket.set_send_buffer_size(options.send_buffer)?;
    // Finds vanished peers also where heartbeats are off.
    let idle = options.user_timeout.clamp(Duration::from_secs(1), LONGEST_KEEPALIVE);
    let keepalive = TcpKeepalive::new().with_time(idle).with_interval((idle / 4).max(Duration::from_secs(1)));
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(options.user_timeout))
}
