//! The head of an answer.

use anyhow::{Context as _, Result, bail};

/// Limit of an answer's head, in bytes: 16 KiB.
const MAX_HEAD: usize = 16 * 1024;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Framing {
    Chunked,
    Length(u64),
    /// The end of the connection.
    Close,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    /// Bytes of the head, including the empty line.
    pub(crate) length: usize,
}

impl Head {
    /// `None` while the head is incomplete.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            if bytes.len() > MAX_HEAD {
                bail!("an answer's head of over {MAX_HEAD} bytes");
            }
            return Ok(None);
        };
        let text = std::str::from_utf8(&bytes[..end]).context("an answer's head is not text")?;
        let mut lines = text.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.split(' ').nth(1)?.parse().ok())
            .with_context(|| format!("not a status line: {status_line:?}"))?;
        let mut framing = Framing::Close;
        for line in lines {
            let (name, value) = line.split_once(':').with_context(|| format!("not a field: {line:?}"))?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
                framing = Framing::Chunked;
            } else if name.eq_ignore_ascii_case("content-length") && framing == Framing::Close {
                framing = Framing::Length(value.parse().with_context(|| format!("not a length: {value:?}"))?);
            }
        }
        Ok(Some(Self { status, framing, length: end + 4 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let chunked = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTRANSFER-encoding:  Chunked \r\n\r\nrest";
        let head = Head::parse(chunked).unwrap().unwrap();
        assert_eq!(head, Head { status: 200, framing: Framing::Chunked, length: chunked.len() - 4 });
        let length = Head::parse(b"HTTP/1.1 202 Accepted\r\ncontent-length: 12\r\n\r\n").unwrap().unwrap();
        assert_eq!((length.status, length.framing), (202, Framing::Length(12)));
        assert_eq!(Head::parse(b"HTTP/1.0 200 \r\n\r\n").unwrap().unwrap().framing, Framing::Close);
        assert_eq!(Head::parse(b"HTTP/1.1 200 OK\r\n\r").unwrap(), None);
        for bad in ["HTTP/2 200\r\n\r\n", "HTTP/1.1 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n"] {
            assert!(Head::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(Head::parse(&[b'a'; MAX_HEAD + 1]).is_err());
    }
}
