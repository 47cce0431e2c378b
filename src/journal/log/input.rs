//! Reading bytes that may be anything: nothing is taken that is not there.

/// Bytes to be read from the front. Each read is `None` where they end too early or are out of bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'b>(&'b [u8]);

impl<'b> Input<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A number of seven bits a byte, the low ones first (LEB128).
    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// The number of things that follow, each of at least `size` bytes: there cannot be more than the bytes have room
    /// for, so whoever allocates for them allocates no more than what was read.
    pub(super) fn count(&mut self, size: usize) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count.checked_mul(size)? <= self.len()).then_some(count)
    }

    /// Bytes behind their number.
    pub(super) fn block(&mut self) -> Option<&'b [u8]> {
        let length = self.count(1)?;
        self.bytes(length)
    }

    /// Text behind the number of its bytes.
    pub(super) fn text(&mut self) -> Option<&'b str> {
        std::str::from_utf8(self.block()?).ok()
    }
}

/// The bytes before a checksum of them; `None` where it is another's.
pub(super) fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (covered, crc) = bytes.split_last_chunk::<4>()?;
    (crc32fast::hash(covered) == u32::from_le_bytes(*crc)).then_some(covered)
}

/// Appends what [`checked`] looks at.
pub(super) fn put_checksum(out: &mut Vec<u8>) {
    out.extend_from_slice(&crc32fast::hash(out).to_le_bytes());
}

/// Appends what [`Input::number`] reads.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends what [`Input::block`] reads.
pub(super) fn put_block(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_were_put() {
        for bits in 0..64 {
            for number in [1_u64 << bits, (1 << bits) - 1, u64::MAX >> bits] {
                let mut out = Vec::new();
                put_number(&mut out, number);
                let mut input = Input::new(&out);
                assert_eq!((input.number(), input.len()), (Some(number), 0));
                assert_eq!(Input::new(&out[..out.len() - 1]).number(), None, "cut");
            }
        }
        assert_eq!(Input::new(&[0xff; 9]).number(), None);
        assert_eq!(Input::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).number(), None);
    }

    #[test]
    fn no_more_is_promised_than_there_is() {
        let mut out = Vec::new();
        put_number(&mut out, u64::MAX);
        assert_eq!(Input::new(&out).block(), None);
        assert_eq!(Input::new(&[3, 1, 2]).block(), None);
        assert_eq!(Input::new(&[2, 1, 2]).count(2), None);
        assert_eq!(Input::new(&[2, 0xc3, 0x28]).text(), None, "not UTF-8");
    }
}
