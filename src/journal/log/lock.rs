//! The file `LOCK`: whose folder it is, under which kernel its log was last open, and how that ended.

use std::io;

use super::disk::{File, read_most, write_all};
use super::error::OpenError;

/// Its name.
pub(super) const LOCK: &str = "LOCK";
/// What it begins with, before the number of the format.
const TITLE: &str = "fanfare history ";
/// The format that this version reads and writes.
pub(super) const FORMAT: u32 = 1;
/// Its size, less than a sector, which a disk writes whole or not at all.
const SIZE: usize = 256;

/// How the log was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is open, or its process died.
    Open,
    /// Everything was on the disk, and this event was to be the next.
    Clean { next: u64 },
    /// A sync has failed, so nobody knows what is on the disk.
    Doubt,
}

/// What stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LockState {
    pub(super) boot: Option<String>,
    /// Whether everything was synced before anybody saw it.
    pub(super) always: bool,
    pub(super) end: End,
}

/// What was found in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Previous {
    /// Nothing: the folder is a new one.
    New,
    /// It is damaged, or a crash left half of it.
    Unreadable,
    Known(LockState),
}

impl LockState {
    pub(super) fn write(&self, file: &dyn File) -> io::Result<()> {
        write_all(file, &self.encode(), 0)?;
        file.sync()
    }

    fn encode(&self) -> Vec<u8> {
        let boot =
            self.boot.as_deref().filter(|boot| boot.len() <= 64 && !boot.contains('\n')).unwrap_or("-");
        let sync = if self.always { "always" } else { "later" };
        let end = match self.end {
            End::Open => "open".to_owned(),
            End::Clean { next } => format!("clean {next}"),
            End::Doubt => "doubt".to_owned(),
        };
        let text = format!("{TITLE}{FORMAT}\nboot {boot}\nsync {sync}\nend {end}\n");
        let crc = crc32fast::hash(text.as_bytes());
        let mut bytes = format!("{text}crc {crc:08x}\n").into_bytes();
        bytes.resize(SIZE, b'\n');
        bytes
    }

    fn decode(text: &str) -> Option<Self> {
        let (body, crc) = text.trim_end().rsplit_once("crc ")?;
        if u32::from_str_radix(crc, 16).ok()? != crc32fast::hash(body.as_bytes()) {
            return None;
        }
        let mut lines = body.lines().skip(1);
        let boot = lines.next()?.strip_prefix("boot ")?;
        let always = lines.next()?.strip_prefix("sync ")? == "always";
        let end = match lines.next()?.strip_prefix("end ")? {
            "open" => End::Open,
            "doubt" => End::Doubt,
            end => End::Clean { next: end.strip_prefix("clean ")?.parse().ok()? },
        };
        Some(Self { boot: (boot != "-").then(|| boot.to_owned()), always, end })
    }
}

impl Previous {
    /// Reads it. Fails where it is another program's, or of a newer version of this one.
    pub(super) fn read(file: &dyn File) -> Result<Self, OpenError> {
        let unreadable = |error| OpenError::io("read", LOCK, error);
        let mut bytes = [0; SIZE];
        let count = read_most(file, &mut bytes, 0).map_err(unreadable)?;
        if count == 0 {
            return Ok(Self::New);
        }
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(Self::Unreadable);
        }
        let text = std::str::from_utf8(&bytes[..count]).unwrap_or_default();
        // Torn while the file was new.
        if TITLE.starts_with(text.trim_end_matches('\0')) {
            return Ok(Self::Unreadable);
        }
        let first = text.lines().next().unwrap_or_default();
        let Some(format) = first.strip_prefix(TITLE) else {
            return Err(OpenError::Foreign { name: LOCK.to_owned() });
        };
        match format.parse::<u32>() {
            Ok(format) if format > FORMAT => Err(OpenError::Newer { format, known: FORMAT }),
            Ok(_) => Ok(LockState::decode(text).map_or(Self::Unreadable, Self::Known)),
            Err(_) => Ok(Self::Unreadable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_and_no_other_way() {
        for end in [End::Open, End::Clean { next: u64::MAX }, End::Doubt] {
            for boot in [None, Some("3f1c-2".to_owned())] {
                let state = LockState { boot, always: end == End::Open, end };
                let bytes = state.encode();
                assert_eq!(bytes.len(), SIZE);
                let text = String::from_utf8(bytes.clone()).unwrap();
                assert_eq!(LockState::decode(&text), Some(state));
                for at in 0..text.trim_end().len() {
                    let mut torn = bytes.clone();
                    torn[at] ^= 1;
                    let torn = String::from_utf8(torn).unwrap();
                    assert!(LockState::decode(&torn).is_none_or(|read| read.encode() == bytes), "{at}");
                }
            }
        }
    }
}
