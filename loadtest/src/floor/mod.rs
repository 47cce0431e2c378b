//! The bare limit: what the kernel charges for the same deliveries when no server stands between.
//!
//! It accepts, reads a request head, writes a fixed answer, and on a publish does only
//! `for stream in streams { send(stream, prebuilt) }` on each thread. No joining. Of an event that a socket takes only in
//! part, the rest follows when it can be written.

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

/// Connections that wait for `accept`; the kernel cuts it to `somaxconn`.
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

/// A floor that lost a thread or a delivery is no measure of anything.
fn fail_loudly(mut lane: Lane) {
    let Err(error) = lane.run();
    eprintln!("loadtest: floor: {error:#}");
    std::process::exit(1);
}

/// Each thread has a listener of its own on the one address, so the kernel shares the streams out.
fn listen(address: SocketAddr) -> Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // Accepted sockets inherit it, which saves a call each.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into()).with_context(|| format!("cannot listen on {address}"))?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}
