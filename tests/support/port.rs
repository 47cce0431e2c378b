//! Reserves ports before a server listens on them.

#![allow(dead_code, unreachable_pub, reason = "shared by test binaries that each use a part of it")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// A port that is reserved until this is dropped. A socket is bound to it that does not listen. A server can still listen on
/// it, even repeatedly, since both set `SO_REUSEADDR`; but the kernel gives the port to no connection, and to no listener
/// that binds port 0.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _sockets: Vec<Socket>,
}

impl Port {
    /// Reserves a port on 127.0.0.1.
    pub fn reserve() -> Self {
        Self::reserve_on(&[Ipv4Addr::LOCALHOST.into()])
    }

    /// Reserves the same port on each of these addresses.
    pub fn reserve_on(addresses: &[IpAddr]) -> Self {
        // A port that is free on one address may be taken on another.
        (0..100).find_map(|_| Self::try_reserve(addresses)).expect("a port that is free on all addresses")
    }

    fn try_reserve(addresses: &[IpAddr]) -> Option<Self> {
        let mut port = Self { number: 0, _sockets: Vec::new() };
        for address in addresses {
            let wanted = SocketAddr::new(*address, port.number);
            let socket = Socket::new(Domain::for_address(wanted), Type::STREAM, None).expect("a socket");
            socket.set_reuse_address(true).expect("an option");
            if address.is_ipv6() {
                socket.set_only_v6(true).expect("an option");
            }
            socket.bind(&wanted.into()).ok()?;
            let bound = socket.local_addr().expect("an address").as_socket().expect("an address of IP");
            port.number = bound.port();
            port._sockets.push(socket);
        }
        Some(port)
    }

    pub fn number(&self) -> u16 {
        self.number
    }

    /// The port on 127.0.0.1.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}
