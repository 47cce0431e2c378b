//! The floor: what the kernel alone costs for the same deliveries.
//!
//! It accepts, reads a request head, writes a fixed answer, and on a publish does only
//! `for stream in streams { send(stream, prebuilt) }` on each thread. It does not combine events. If a socket takes only a
//! part of an event, the rest follows when the socket is writable.

mod lane;
mod publish;
mod request;
mod unsent;

use std::io::Write as _;
use std::net::SocketAddr;
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use mio::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};

use crate::cli::FloorOptions;
use lane::Lane;
use publish::Publisher;

/// Accept backlog; the kernel caps it at `net.core.somaxconn`.
const LISTEN_BACKLOG: i32 = 4096;

/// Serves until a thread fails or a signal ends the process. Prints `floor listening on ADDR` first.
pub(crate) fn run(options: &FloorOptions) -> Result<()> {
    let first = listen(options.listen)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..options.threads {
        listeners.push(listen(address)?);
    }
    let (publisher, inboxes) = Publisher::new(options.threads);
    let mut threads = Vec::new();
    for (number, (listener, inbox)) in listeners.into_iter().zip(inboxes).enumerate() {
        let lane = Lane::new(listener, number, inbox, publisher.clone())?;
        threads
            .push(thread::Builder::new().name(format!("floor-{number}")).spawn(move || fail_loudly(lane))?);
    }
    println!("floor listening on {address}");
    std::io::stdout().flush()?;
    for thread in threads {
        thread.join().map_err(|_| anyhow!("a floor thread panicked"))?;
    }
    Ok(())
}

/// Ends the process: a floor that has lost a thread or a delivery measures nothing.
fn fail_loudly(mut lane: Lane) {
    let Err(error) = lane.run();
    eprintln!("loadtest: floor: {error:#}");
    std::process::exit(1);
}

/// Each thread has its own listener on the same address, so the kernel spreads the streams over them.
fn listen(address: SocketAddr) -> Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // Accepted sockets inherit the option, which saves a call for each.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into()).with_context(|| format!("cannot listen on {address}"))?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}
