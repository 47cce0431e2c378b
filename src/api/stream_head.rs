//! The response head of a stream.

use std::io::Write as _;

use crate::event::Framing;

/// Appends the response head of a stream. `date` is the value of the `Date` field; `cross_origin` are additional
/// fields, each with its line end.
///
/// `no-transform` and `X-Accel-Buffering` keep proxies from delaying events.
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
