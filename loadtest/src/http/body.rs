//! The body of an answer, in any framing.

use anyhow::{Result, ensure};

use super::chunked::Dechunker;
use super::head::Framing;

#[derive(Debug)]
pub(crate) enum Body {
    Chunked(Dechunker),
    /// Bytes still to come.
    Length(u64),
    Close,
}

impl Body {
    pub(crate) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Chunked => Self::Chunked(Dechunker::new()),
            Framing::Length(bytes) => Self::Length(bytes),
            Framing::Close => Self::Close,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::Chunked(dechunker) => dechunker.is_done(),
            Self::Length(left) => *left == 0,
            Self::Close => false,
        }
    }

    /// Passes the payload in `bytes` to `sink`, part by part.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut sink: impl FnMut(&[u8])) -> Result<()> {
        match self {
            Self::Chunked(dechunker) => dechunker.feed(bytes, sink)?,
            Self::Length(left) => {
                ensure!(bytes.len() as u64 <= *left, "more bytes than the Content-Length says");
                *left -= bytes.len() as u64;
                sink(bytes);
            }
            Self::Close => sink(bytes),
        }
        Ok(())
    }
}
