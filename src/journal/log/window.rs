//! Reading a file in stretches, so that what lies close together costs one system call.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::disk::{File, read_most};

/// A stretch of a file in memory, which goes where it is asked for.
#[derive(Debug)]
pub(super) struct Window {
    file: Arc<dyn File>,
    start: u64,
    bytes: Vec<u8>,
    /// Number of bytes that are read at least.
    pub(super) stretch: usize,
}

impl Window {
    pub(super) fn new(file: Arc<dyn File>, stretch: usize) -> Self {
        Self { file, start: 0, bytes: Vec::new(), stretch }
    }

    pub(super) fn file(&self) -> Arc<dyn File> {
        self.file.clone()
    }

    /// The bytes of a range; `None` where it goes beyond `end`, or the file has less. So no more is allocated than the file
    /// has, whatever length somebody has read in it.
    pub(super) fn get(&mut self, range: Range<u64>, end: u64) -> io::Result<Option<&[u8]>> {
        if range.start > range.end || range.end > end {
            return Ok(None);
        }
        let length = (range.end - range.start) as usize;
        let held = self.start..self.start + self.bytes.len() as u64;
        if range.start < held.start || range.end > held.end {
            let read = length.max(self.stretch).min((end - range.start) as usize);
            self.bytes.resize(read, 0);
            self.start = range.start;
            let count = read_most(&*self.file, &mut self.bytes, range.start);
            self.bytes.truncate(*count.as_ref().unwrap_or(&0));
            count?;
        }
        let at = (range.start - self.start) as usize;
        Ok(self.bytes.get(at..at + length))
    }

    /// The first place from `from` on, and before `end`, where `word` stands.
    pub(super) fn find(&mut self, word: [u8; 4], from: u64, end: u64) -> io::Result<Option<u64>> {
        let mut at = from;
        while at + 4 <= end {
            let until = end.min(at + self.stretch.max(64) as u64);
            let Some(bytes) = self.get(at..until, end)? else { return Ok(None) };
            let found = bytes.windows(4).position(|bytes| bytes == word);
            if let Some(found) = found {
                return Ok(Some(at + found as u64));
            }
            // The word may begin with the last three.
            at = until.saturating_sub(3).max(at + 1);
        }
        Ok(None)
    }
}
