//! One keep-alive connection that publishes.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, Result, bail};

use crate::endpoint::Endpoint;
use crate::http::{Body, Head};
use crate::stop::{self, Stop};

#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Accepted,
    /// 429 or 503: not now.
    Busy,
    /// The run stops; the answer has not come.
    Stopped,
}

pub(super) struct Publisher {
    socket: TcpStream,
    endpoint: Endpoint,
}

impl Publisher {
    pub(super) fn connect(endpoint: &Endpoint) -> Result<Self> {
        let socket = TcpStream::connect(endpoint.address).context("the publisher cannot connect")?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(stop::CHECK_EVERY))?;
        Ok(Self { socket, endpoint: endpoint.clone() })
    }

    /// Publishes to everyone, and waits for the answer. `data` is JSON.
    pub(super) fn publish(&mut self, data: &str, stop: &Stop) -> Result<Answer> {
        let body = format!("{{\"event\":\"load\",\"data\":{data}}}");
        self.socket.write_all(self.endpoint.publish_request(&body).as_bytes())?;
        let Some((status, body)) = self.answer(stop)? else { return Ok(Answer::Stopped) };
        match status {
            200..300 => Ok(Answer::Accepted),
            429 | 503 => Ok(Answer::Busy),
            _ => bail!("a publish was answered {status}: {}", String::from_utf8_lossy(&body)),
        }
    }

    fn answer(&mut self, stop: &Stop) -> Result<Option<(u16, Vec<u8>)>> {
        let mut bytes = Vec::new();
        let head = loop {
            if let Some(head) = Head::parse(&bytes)? {
                break head;
            }
            if !self.read_more(&mut bytes, stop)? {
                return Ok(None);
            }
        };
        let (mut body, mut payload) = (Body::new(head.framing), Vec::new());
        let mut rest = bytes.split_off(head.length);
        loop {
            body.feed(&rest, |piece| payload.extend_from_slice(piece))?;
            if body.is_done() {
                return Ok(Some((head.status, payload)));
            }
            rest.clear();
            if !self.read_more(&mut rest, stop)? {
                return Ok(None);
            }
        }
    }

    /// False when the run stops.
    fn read_more(&mut self, bytes: &mut Vec<u8>, stop: &Stop) -> Result<bool> {
        let mut buffer = [0; 4096];
        while stop.reason().is_none() {
            match self.socket.read(&mut buffer) {
                Ok(0) => bail!("the server closed the publisher's connection"),
                Ok(length) => {
                    bytes.extend_from_slice(&buffer[..length]);
                    return Ok(true);
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => return Err(error).context("the publisher cannot read"),
                },
            }
        }
        Ok(false)
    }
}
