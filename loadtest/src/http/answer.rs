//! A complete answer: head and body.

use anyhow::{Result, ensure};

use super::body::Body;
use super::head::Head;

#[derive(Debug, PartialEq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Bytes of the whole answer: the next one begins there.
    pub(crate) length: usize,
}

impl Answered {
    /// `None` while the answer is incomplete.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(Head { status, framing, length }) = Head::parse(bytes)? else { return Ok(None) };
        ensure!(status >= 200, "an unexpected interim answer, {status}");
        let (mut body, mut payload) = (Body::new(framing), Vec::new());
        // Byte by byte, to find where a chunked body ends; answers to a publish are short.
        let mut end = length;
        if let Body::Length(left) = body {
            let stop = end + usize::try_from(left)?;
            let whole = |body: &[u8]| Self { status, body: body.to_vec(), length: stop };
            return Ok(bytes.get(end..stop).map(whole));
        }
        while !body.is_done() {
            let Some(byte) = bytes.get(end..=end) else { return Ok(None) };
            body.feed(byte, |piece| payload.extend_from_slice(piece))?;
            end += 1;
        }
        Ok(Some(Self { status, body: payload, length: end }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_at_any_cut() {
        let one = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}";
        let two = b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        for (bytes, status, body) in [(&one[..], 202, "{}"), (&two[..], 503, "abc")] {
            for cut in 0..bytes.len() {
                assert!(Answered::parse(&bytes[..cut]).unwrap().is_none(), "cut at {cut}");
            }
            let both = [bytes, one].concat();
            let expected = Answered { status, body: body.as_bytes().to_vec(), length: bytes.len() };
            assert_eq!(Answered::parse(&both).unwrap(), Some(expected));
        }
        assert!(Answered::parse(b"HTTP/1.1 100 Continue\r\n\r\n").is_err());
    }
}
