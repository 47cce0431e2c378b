//! Starts a connection without waiting for it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

/// On Linux. `std::io::ErrorKind` has no stable name for it.
const EINPROGRESS: i32 = 115;

/// Starts a connection from `source`, or from an address that the kernel chooses. An epoll edge reports success or failure.
pub(crate) fn dial(to: SocketAddr, source: Option<Ipv4Addr>) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    // A reset on close leaves no TIME_WAIT, which would hold the port.
    socket.set_linger(Some(Duration::ZERO))?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::from((source, 0)).into()).context("no free port on a source address")?;
    }
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() != Some(EINPROGRESS) => return Err(error.into()),
        _ => {}
    }
    Ok(TcpStream::from_std(socket.into()))
}
