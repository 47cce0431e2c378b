//! Encoded events: the bytes written to sockets, encoded once for all streams.

use std::ops::Range;

use super::framing::Framing;

/// Room before the body for the chunk header: eight hexadecimal digits, CR and LF.
pub(super) const CHUNK_HEAD: usize = 10;
/// The end of the chunk after the body.
pub(super) const CHUNK_END: usize = 2;

/// One event as bytes, including its chunk framing.
#[derive(Clone, Debug)]
pub struct Frame {
    bytes: Box<[u8]>,
    chunk_start: u8,
    body_start: u8,
}

impl Frame {
    /// Encodes what `write` appends as one frame of at most 4 GiB, with a single allocation if it is `expected` bytes.
    pub fn build(expected: usize, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut bytes = Vec::with_capacity(CHUNK_HEAD + expected + CHUNK_END);
        bytes.resize(CHUNK_HEAD, 0);
        write(&mut bytes);
        Self::around(bytes, CHUNK_HEAD as u8)
    }

    /// Frames the bytes from `body_start` on. There must be room for the chunk header before it; if there is capacity
    /// for the end of the chunk, nothing is copied.
    pub(super) fn around(mut bytes: Vec<u8>, body_start: u8) -> Self {
        let body = usize::from(body_start);
        let mut length = bytes.len() - body;
        let mut chunk_start = body - 2;
        bytes[chunk_start..body].copy_from_slice(b"\r\n");
        loop {
            chunk_start -= 1;
            bytes[chunk_start] = b"0123456789abcdef"[length % 16];
            length /= 16;
            if length == 0 {
                break;
            }
        }
        bytes.extend_from_slice(b"\r\n");
        Self { bytes: bytes.into_boxed_slice(), chunk_start: chunk_start as u8, body_start }
    }

    /// The bytes for a stream with this framing.
    pub fn bytes(&self, framing: Framing) -> &[u8] {
        &self.bytes[self.range(framing)]
    }

    fn range(&self, framing: Framing) -> Range<usize> {
        match framing {
            Framing::Chunked => self.chunk_start as usize..self.bytes.len(),
            Framing::Plain => self.body_start as usize..self.bytes.len() - CHUNK_END,
        }
    }

    /// Bytes of memory that this frame uses.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_head_tells_the_length_of_the_body() {
        for length in [0, 1, 9, 15, 16, 255, 256, 4095, 4096, 65_535, 65_536, 1 << 20] {
            let frame = Frame::build(length, |out| out.resize(out.len() + length, b'x'));
            let body = "x".repeat(length);
            assert_eq!(frame.bytes(Framing::Plain), body.as_bytes());
            let chunked = format!("{length:x}\r\n{body}\r\n");
            assert_eq!(frame.bytes(Framing::Chunked), chunked.as_bytes(), "{length}");
        }
    }
}
