//! An incremental decoder of the chunked transfer coding.

use anyhow::{Result, bail};

/// The element that the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Size {
        digits: u8,
    },
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// Trailer fields after the last chunk; `empty` while the line has no byte yet.
    Trailer {
        empty: bool,
    },
    TrailerLf {
        last: bool,
    },
    Done,
}

#[derive(Debug)]
pub(crate) struct Dechunker {
    /// Bytes of this chunk that are still to come.
    left: u64,
    state: State,
}

impl Dechunker {
    pub(crate) fn new() -> Self {
        Self { left: 0, state: State::Size { digits: 0 } }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Passes the payload in `bytes` to `sink`, part by part.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut sink: impl FnMut(&[u8])) -> Result<()> {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.state == State::Data {
                let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                let (data, after) = bytes.split_at(take);
                sink(data);
                self.left -= take as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                bytes = after;
            } else {
                self.state = self.step(first)?;
                bytes = rest;
            }
        }
        Ok(())
    }

    fn step(&mut self, byte: u8) -> Result<State> {
        Ok(match (self.state, byte) {
            (State::Size { digits }, _) if byte.is_ascii_hexdigit() && digits < 16 => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                self.left = self.left << 4 | u64::from(digit);
                State::Size { digits: digits + 1 }
            }
            (State::Size { digits: 1.. }, b'\r') | (State::Extension, b'\r') => State::SizeLf,
            (State::Size { digits: 1.. }, b';' | b' ' | b'\t') => State::Extension,
            (State::Extension, _) if byte != b'\n' => State::Extension,
            (State::SizeLf, b'\n') if self.left == 0 => State::Trailer { empty: true },
            (State::SizeLf, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { digits: 0 },
            (State::Trailer { empty }, b'\r') => State::TrailerLf { last: empty },
            (State::Trailer { .. }, _) if byte != b'\n' => State::Trailer { empty: false },
            (State::TrailerLf { last: true }, b'\n') => State::Done,
            (State::TrailerLf { last: false }, b'\n') => State::Trailer { empty: true },
            (state, _) => bail!("bad chunk framing: byte {byte:#04x} in {state:?}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(pieces: &[&[u8]]) -> Result<(Vec<u8>, bool)> {
        let (mut dechunker, mut out) = (Dechunker::new(), Vec::new());
        for piece in pieces {
            dechunker.feed(piece, |data| out.extend_from_slice(data))?;
        }
        Ok((out, dechunker.is_done()))
    }

    #[test]
    fn every_cut_gives_the_same() {
        let whole = b"3\r\nabc\r\n0C;x=y\r\nhello\r\n0\r\nwo\r\n0\r\nTrailer: t\r\n\r\n";
        let expected = (b"abchello\r\n0\r\nwo".to_vec(), true);
        for cut in 0..=whole.len() {
            let (a, b) = whole.split_at(cut);
            assert_eq!(payload(&[a, b]).unwrap(), expected, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(payload(&bytes).unwrap(), expected);
    }

    #[test]
    fn bad_framing() {
        for bad in
            ["\r\n", "g\r\n", "1\n", "1\r\nab", "11111111111111111\r\n", "0\r\n\r\nx", ";\r\n", "1\r\r"]
        {
            assert!(payload(&[bad.as_bytes()]).is_err(), "{bad:?}");
        }
    }
}
