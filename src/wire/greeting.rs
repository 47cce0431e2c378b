//! What the server itself says on a stream: its head, `connection` events and heartbeats.

use std::io::Write as _;
use std::time::Duration;

use super::client::Client;
use super::frame::{Frame, Framing};
use super::id::EventId;

/// Whether a stream goes on where the client left off, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Continuity {
    /// Everything after the given id that this client may see follows.
    Recovered,
    /// It does not; the client must fetch its state anew.
    Lost(Gap),
}

impl Continuity {
    /// All there are, in the order of their counters.
    pub const ALL: [Self; 6] = [
        Self::Recovered,
        Self::Lost(Gap::None),
        Self::Lost(Gap::Invalid),
        Self::Lost(Gap::Expired),
        Self::Lost(Gap::Epoch),
        Self::Lost(Gap::Future),
    ];

    /// The word for statistics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::Lost(gap) => gap.as_str(),
        }
    }

    /// Its place among all.
    pub fn index(self) -> usize {
        match self {
            Self::Recovered => 0,
            Self::Lost(gap) => 1 + gap as usize,
        }
    }
}

/// Why a stream does not go on where the client left off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gap {
    /// No id was given.
    None,
    /// What was given is not an id of ours.
    Invalid,
    /// History no longer holds what came after it.
    Expired,
    /// It is of an earlier history.
    Epoch,
    /// It is beyond the newest event.
    Future,
}

impl Gap {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::Epoch => "epoch",
            Self::Future => "future",
        }
    }
}

/// Why a stream is refused for now: the client may come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// As many streams as allowed are open.
    Full,
    /// The server is shutting down.
    Draining,
    /// Too many streams from this address.
    Address,
    /// Too many streams of this user.
    User,
    /// Out of file descriptors.
    Descriptors,
    /// History did not answer in time.
    History,
}

impl Refusal {
    /// All there are, in the order of their counters.
    pub const ALL: [Self; 6] =
        [Self::Full, Self::Draining, Self::Address, Self::User, Self::Descriptors, Self::History];

    /// Its place among all.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Draining => "draining",
            Self::Address => "address",
            Self::User => "user",
            Self::Descriptors => "descriptors",
            Self::History => "history",
        }
    }
}

/// Appends the response head of a stream. `date` is the value of the `Date` field; `cross_origin` is more fields,
/// each with its line end.
///
/// `no-transform` and `X-Accel-Buffering` keep proxies from holding events back.
pub fn write_head(out: &mut Vec<u8>, framing: Framing, last: bool, date: &str, cross_origin: &[u8]) {
    out.extend_from_slice(
        b"HTTP/1.1 200 OK\r\n\
          Content-Type: text/event-stream\r\n\
          Cache-Control: no-cache, no-transform\r\n\
          X-Accel-Buffering: no\r\n",
    );
    if framing == Framing::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    if last || framing == Framing::Plain {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    out.extend_from_slice(cross_origin);
    let _ = write!(out, "Date: {date}\r\n\r\n");
}

/// The first event of a stream. `id` is the position after which the stream goes on. Its topics are those that were
/// understood, sorted.
pub fn connected(retry: Duration, id: EventId, client: &Client, continuity: Continuity) -> Frame {
    let topics: usize = client.topics().iter().map(|topic| topic.as_str().len() + 3).sum();
    Frame::build(256 + topics, |out| {
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
    })
}

/// The only event of a stream that is refused for now.
///
/// A browser gives up for good on any status but 200, so it is told to come back this way.
pub fn refused(retry: Duration, reason: Refusal) -> Frame {
    Frame::build(96, |out| {
        let _ = write!(
            out,
            "retry: {}\nevent: connection\ndata: {{\"status\":\"refused\",\"reason\":\"{}\"}}\n\n",
            retry.as_millis(),
            reason.as_str()
        );
    })
}

/// The last event of a stream that a shutdown ends.
pub fn draining(retry: Duration) -> Frame {
    Frame::build(96, |out| {
        let _ = write!(
            out,
            "retry: {}\nevent: connection\ndata: {{\"status\":\"draining\"}}\n\n",
            retry.as_millis()
        );
    })
}

/// A heartbeat that clients see, with the time in ms since the Unix epoch.
pub fn ping(unix_ms: u64) -> Frame {
    Frame::build(64, |out| {
        let _ = write!(out, "event: ping\ndata: {{\"timestamp\":{unix_ms}}}\n\n");
    })
}

/// A heartbeat that only the network sees: an empty comment (WHATWG HTML 9.2.7).
pub fn comment() -> Frame {
    Frame::build(4, |out| out.extend_from_slice(b":\n\n"))
}

fn write_string(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        // A string always serializes, and a `Vec` takes every write.
        Some(value) => drop(serde_json::to_writer(out, value)),
        None => out.extend_from_slice(b"null"),
    }
}
