//! How the body of a stream is delimited.

use std::ops::{Index, IndexMut};

/// How the body of a stream is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// HTTP/1.1: `Transfer-Encoding: chunked`, one chunk per event (RFC 9112, 7.1).
    Chunked,
    /// HTTP/1.0: the end of the connection ends the body.
    Plain,
}

impl Framing {
    /// All framings.
    pub const ALL: [Self; 2] = [Self::Chunked, Self::Plain];

    /// The bytes that end a stream cleanly.
    pub fn end(self) -> &'static [u8] {
        match self {
            Self::Chunked => b"0\r\n\r\n",
            Self::Plain => b"",
        }
    }
}

/// One value for each [`Framing`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerFraming<T>([T; Framing::ALL.len()]);

impl<T> PerFraming<T> {
    /// Creates the value for each framing.
    pub fn from_fn(value: impl FnMut(Framing) -> T) -> Self {
        Self(Framing::ALL.map(value))
    }
}

impl<T> Index<Framing> for PerFraming<T> {
    type Output = T;

    fn index(&self, framing: Framing) -> &T {
        &self.0[framing as usize]
    }
}

impl<T> IndexMut<Framing> for PerFraming<T> {
    fn index_mut(&mut self, framing: Framing) -> &mut T {
        &mut self.0[framing as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_framing_has_a_value_of_its_own() {
        let mut ends = PerFraming::from_fn(Framing::end);
        for framing in Framing::ALL {
            assert_eq!(ends[framing], framing.end());
        }
        ends[Framing::Plain] = b"x";
        assert_eq!((ends[Framing::Chunked], ends[Framing::Plain]), (Framing::Chunked.end(), &b"x"[..]));
    }
}
