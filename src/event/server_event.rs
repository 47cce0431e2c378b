//! Events of the server itself: `connection` events and heartbeats.

use std::io::Write as _;
use std::time::Duration;

use super::client::Client;
use super::continuity::Continuity;
use super::frame::Frame;
use super::framing::Framing;
use super::id::EventId;
use super::refusal::Refusal;

/// An event of the server itself. Not in history.
#[derive(Clone, Copy, Debug)]
pub enum ServerEvent<'c> {
    /// The first event of a stream.
    Connected {
        /// The reconnection time.
        retry: Duration,
        /// The position after which the stream continues.
        id: EventId,
        /// The client. Its topics are those that were understood, sorted.
        client: &'c Client,
        /// Whether everything after the client's last event follows.
        continuity: Continuity,
    },
    /// The only event of a stream that is refused temporarily. Browsers give up for good on any status but 200, so this
    /// is the way to tell them to reconnect.
    Refused {
        /// When to reconnect.
        retry: Duration,
        /// Why.
        reason: Refusal,
    },
    /// The last event of a stream that a shutdown ends.
    Draining {
        /// When to reconnect.
        retry: Duration,
    },
    /// A heartbeat that clients see, with the time in ms since the Unix epoch.
    Ping {
        /// That time.
        unix_ms: u64,
    },
    /// A heartbeat that clients do not see: an empty comment (WHATWG HTML 9.2.7).
    Comment,
}

impl ServerEvent<'_> {
    /// Appends the bytes for a stream with this framing.
    pub fn write(&self, framing: Framing, out: &mut Vec<u8>) {
        let frame = Frame::build(self.expected_size(), |out| self.write_lines(out));
        out.extend_from_slice(frame.bytes(framing));
    }

    /// The bytes for a stream with this framing.
    pub fn bytes(&self, framing: Framing) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(framing, &mut out);
        out
    }

    /// An estimate of the length of its lines.
    fn expected_size(&self) -> usize {
        match self {
            Self::Connected { client, .. } => {
                256 + client.topics().iter().map(|topic| topic.as_str().len() + 3).sum::<usize>()
            }
            _ => 96,
        }
    }

    fn write_lines(&self, out: &mut Vec<u8>) {
        // Writing to a `Vec` cannot fail.
        let _ = match self {
            Self::Connected { retry, id, client, continuity } => {
                return write_connected(out, *retry, *id, client, *continuity);
            }
            Self::Refused { retry, reason } => write!(
                out,
                "retry: {}\nevent: connection\ndata: {{\"status\":\"refused\",\"reason\":\"{}\"}}\n\n",
                retry.as_millis(),
                reason.as_str()
            ),
            Self::Draining { retry } => write!(
                out,
                "retry: {}\nevent: connection\ndata: {{\"status\":\"draining\"}}\n\n",
                retry.as_millis()
            ),
            Self::Ping { unix_ms } => write!(out, "event: ping\ndata: {{\"timestamp\":{unix_ms}}}\n\n"),
            Self::Comment => out.write_all(b":\n\n"),
        };
    }
}

fn write_connected(out: &mut Vec<u8>, retry: Duration, id: EventId, client: &Client, continuity: Continuity) {
    let _ = write!(
        out,
        "retry: {}\nid: {id}\nevent: connection\ndata: {{\"status\":\"connected\",\"clientId\":\"{}\",\"userId\":",
        retry.as_millis(),
        client.id()
    );
    write_string(out, client.user_id());
    out.extend_from_slice(b",\"sessionId\":");
    write_string(out, client.session_id());
    out.extend_from_slice(b",\"topics\":[");
    for (n, topic) in client.topics().iter().enumerate() {
        out.extend_from_slice(if n == 0 { b"" } else { b"," });
        write_string(out, Some(topic.as_str()));
    }
    out.push(b']');
    match continuity {
        Continuity::Recovered => out.extend_from_slice(b",\"recovered\":true}\n\n"),
        Continuity::Lost(gap) => {
            let _ = write!(out, ",\"recovered\":false,\"reason\":\"{}\"}}\n\n", gap.as_str());
        }
    }
}

fn write_string(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        // Serializing a string and writing to a `Vec` cannot fail.
        Some(value) => drop(serde_json::to_writer(out, value)),
        None => out.extend_from_slice(b"null"),
    }
}
