//! Kernel memory in the send buffer of each socket, read through sock_diag(7), which needs no privileges.

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result, bail};
use socket2::{Domain, Protocol, Socket, Type};

// Constants of linux/netlink.h, sock_diag.h and inet_diag.h.
const AF_NETLINK: i32 = 16;
const NETLINK_SOCK_DIAG: i32 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const INET_DIAG_SKMEMINFO: u16 = 7;
const FAMILIES: [u8; 2] = [2, 10];
const TCP: u8 = 6;
const ESTABLISHED: u32 = 1 << 1;

const HEADER: usize = 16;
/// Bytes of a request: the header, 8 bytes, and the 48 that name a socket.
const REQUEST: usize = HEADER + 8 + 48;
/// Bytes of an answer before its attributes.
const ANSWER: usize = HEADER + 4 + 48 + 20;
/// More bytes than the kernel puts into one part of an answer.
const BUFFER: usize = 64 * 1024;

/// Bytes of kernel memory in the send buffer of each established connection of a local port: unacknowledged data and its
/// bookkeeping.
pub(crate) fn of_senders(port: u16) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    for family in FAMILIES {
        let kind = (Domain::from(AF_NETLINK), Type::DGRAM, Protocol::from(NETLINK_SOCK_DIAG));
        let mut socket =
            Socket::new(kind.0, kind.1, Some(kind.2)).context("the kernel does not report sockets")?;
        // An unconnected netlink socket is connected to the kernel.
        socket.write_all(&request(family, port)).context("the kernel does not report sockets")?;
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = socket.read(&mut buffer)?;
            if take(&buffer[..length], port, &mut all)? {
                break;
            }
        }
    }
    Ok(all)
}

fn request(family: u8, port: u16) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(REQUEST);
    bytes.extend_from_slice(&(REQUEST as u32).to_ne_bytes());
    bytes.extend_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend_from_slice(&NLM_F_REQUEST_DUMP.to_ne_bytes());
    bytes.resize(HEADER, 0);
    bytes.extend_from_slice(&[family, TCP, 1 << (INET_DIAG_SKMEMINFO - 1), 0]);
    bytes.extend_from_slice(&ESTABLISHED.to_ne_bytes());
    bytes.extend_from_slice(&port.to_be_bytes());
    bytes.resize(REQUEST, 0);
    bytes
}

/// Takes one part of an answer. Returns whether it was the last.
fn take(mut bytes: &[u8], port: u16, out: &mut Vec<u64>) -> Result<bool> {
    const TORN: &str = "a torn answer of the kernel";
    while !bytes.is_empty() {
        let length = word(bytes, 0).context(TORN)? as usize;
        let message = bytes.get(..length).filter(|message| message.len() >= HEADER).context(TORN)?;
        match half(message, 4).context(TORN)? {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => bail!("the kernel does not report sockets: error {:?}", word(message, HEADER)),
            SOCK_DIAG_BY_FAMILY => {
                let local = message.get(HEADER + 4..HEADER + 6).context(TORN)?;
                if local == port.to_be_bytes() {
                    out.extend(send_buffer(message.get(ANSWER..).context(TORN)?));
                }
            }
            _ => {}
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// Reads from a socket's attributes the memory that is queued and the memory that is reserved.
fn send_buffer(mut attributes: &[u8]) -> Option<u64> {
    const FORWARD: usize = 4;
    const QUEUED: usize = 5;
    loop {
        let length = usize::from(half(attributes, 0)?);
        let value = attributes.get(4..length)?;
        if half(attributes, 2)? == INET_DIAG_SKMEMINFO {
            return Some(u64::from(word(value, 4 * FORWARD)?) + u64::from(word(value, 4 * QUEUED)?));
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn what_nobody_reads_is_seen_at_the_senders_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let readers: Vec<TcpStream> =
            (0..3).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
        let mut senders: Vec<TcpStream> = (0..3).map(|_| listener.accept().unwrap().0).collect();
        senders[1].set_nonblocking(true).unwrap();
        let mut written = 0;
        loop {
            match senders[1].write(&[b'x'; 65_536]) {
                Ok(length) => written += length as u64,
                Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        let mut held = of_senders(port).unwrap();
        held.sort_unstable();
        assert_eq!(held.len(), readers.len(), "{held:?}");
        // The rest is in the receiver's buffer.
        assert!(held[0] < 65_536 && held[1] < 65_536 && held[2] > 65_536, "{held:?} of {written}");
    }

    #[test]
    fn answers_that_are_torn() {
        let mut out = Vec::new();
        for bytes in [&[1, 0][..], &[200, 0, 0, 0, 20, 0], &[4, 0, 0, 0], &[0; 16]] {
            assert!(take(bytes, 1, &mut out).is_err(), "{bytes:?}");
        }
        assert!(take(&[], 1, &mut out).is_ok_and(|is_last| !is_last));
    }
}
