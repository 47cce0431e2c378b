//! A request head that outlives the buffer which it was read into.

use super::head::Head;
use super::rejection::Rejection;
use super::scanner::Outline;

/// The bytes of a head that was found sound, to be looked at again.
#[derive(Clone, Debug)]
pub struct KeptHead {
    bytes: Box<[u8]>,
    outline: Outline,
}

impl KeptHead {
    /// Copies a head. `bytes` begins with it.
    pub fn new(bytes: &[u8], outline: Outline) -> Self {
        Self { bytes: bytes.get(..outline.length).unwrap_or(bytes).into(), outline }
    }

    /// The head as it was read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A view of it.
    ///
    /// # Errors
    ///
    /// None for a head of which there has been a view before.
    pub fn head(&self) -> Result<Head<'_>, Rejection> {
        Head::parse(&self.bytes, &self.outline)
    }
}
