//! What a file on the simulated disk holds, and what of it is on the disk.

use std::collections::BTreeSet;

/// What a disk writes whole or not at all, as a rule. Here even that may be torn, but what was synced of it stays.
pub(crate) const SECTOR: usize = 512;

/// The bytes of a file.
#[derive(Default)]
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    pub(crate) synced: Vec<u8>,
    /// Sectors that a failed sync has made the kernel forget.
    pub(crate) forgotten: BTreeSet<usize>,
}

impl Content {
    /// What is left after a power failure.
    pub(crate) fn lose(&mut self, random: &mut fastrand::Rng) {
        self.forgotten.clear();
        if self.bytes == self.synced {
            return;
        }
        let (old, new) = (&self.synced, &self.bytes);
        let (short, long) = (old.len().min(new.len()), old.len().max(new.len()));
        let size = match random.u32(..4) {
            0 => old.len(),
            1 => new.len(),
            2 => long,
            _ => random.usize(short..=long),
        };
        let manner = random.u32(..5);
        let prefix = random.usize(..=long / SECTOR + 1);
        let mut bytes = vec![0; size];
        let at = |content: &[u8], place: usize| content.get(place).copied().unwrap_or(0);
        for start in (0..size).step_by(SECTOR) {
            let end = size.min(start + SECTOR);
            // Up to here it is the new one.
            let torn = match manner {
                0 => start,
                1 => end,
                2 => {
                    if start / SECTOR < prefix {
                        end
                    } else {
                        start
                    }
                }
                3 => {
                    if random.bool() {
                        end
                    } else {
                        start
                    }
                }
                _ => random.usize(start..=end),
            };
            // Where there was nothing before, there may be zeros, whatever was written.
            let is_zeroed = start >= old.len() && manner > 1 && random.u32(..4) == 0;
            for (place, byte) in bytes[start..end].iter_mut().enumerate() {
                let place = start + place;
                *byte = if is_zeroed {
                    0
                } else if place < torn {
                    at(new, place)
                } else {
                    at(old, place)
                };
            }
        }
        self.synced = bytes.clone();
        self.bytes = bytes;
    }

    pub(crate) fn sync(&mut self) {
        if self.forgotten.is_empty() {
            self.synced.clone_from(&self.bytes);
            return;
        }
        self.synced.resize(self.bytes.len(), 0);
        for start in (0..self.bytes.len()).step_by(SECTOR) {
            if !self.forgotten.contains(&(start / SECTOR)) {
                let end = self.bytes.len().min(start + SECTOR);
                self.synced[start..end].copy_from_slice(&self.bytes[start..end]);
            }
        }
    }

    /// A sync has failed: the kernel takes for written what was not.
    pub(crate) fn forget(&mut self) {
        for start in (0..self.bytes.len()).step_by(SECTOR) {
            let end = self.bytes.len().min(start + SECTOR);
            if self.synced.get(start..end) != Some(&self.bytes[start..end]) {
                self.forgotten.insert(start / SECTOR);
            }
        }
    }
}
