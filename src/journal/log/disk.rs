//! The few functions of a file system that a log needs, so that a test can stand in for the disk.

use std::fmt;
use std::io;
use std::sync::Arc;

/// A folder that holds one log. Names are of files in it.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Takes the lock of the folder, for as long as the file lives, and returns the file `LOCK`, which it creates where it
    /// is missing. Fails with [`WouldBlock`](io::ErrorKind::WouldBlock) where another process has it.
    fn lock(&self) -> io::Result<Arc<dyn File>>;

    /// The names of all files.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Opens a file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// Creates an empty file, in place of one that has the name.
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// Renames a file, in place of one that has the new name; never half.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Those who have it open can still read it.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Returns when everything created, renamed and removed before is on the disk.
    fn sync(&self) -> io::Result<()>;

    /// Names this run of the kernel; `None` where it has no name.
    fn boot_id(&self) -> Option<String>;

    /// Bytes that can still be written.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// An open file.
pub trait File: fmt::Debug + Send + Sync {
    /// Its size in bytes.
    fn size(&self) -> io::Result<u64>;

    /// Reads at an offset, maybe less than asked for; nothing at the end.
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at an offset, maybe less than asked for.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Cuts the file, or fills it up with zeros.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Returns when everything written before is on the disk.
    fn sync(&self) -> io::Result<()>;
}

/// Fills as much of `out` as there is; returns how much.
pub(super) fn read_most(file: &dyn File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < out.len() {
        match file.read_at(&mut out[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Fills `out`, or fails with [`UnexpectedEof`](io::ErrorKind::UnexpectedEof).
pub(super) fn read_all(file: &dyn File, out: &mut [u8], offset: u64) -> io::Result<()> {
    match read_most(file, out, offset)? {
        count if count == out.len() => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Writes all, however often the disk takes only a part.
pub(super) fn write_all(file: &dyn File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match file.write_at(&bytes[done..], offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Puts a whole file in place: after a crash it is there with all of its content, or it is as before.
pub(super) fn put_in_place(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<Arc<dyn File>> {
    let draft = format!("{name}{DRAFT}");
    let write = || {
        let file = disk.create(&draft)?;
        write_all(&*file, bytes, 0)?;
        file.sync()?;
        disk.rename(&draft, name)?;
        Ok(file)
    };
    let written = write();
    if written.is_err() {
        // What stays of it is removed when the log is opened.
        let _ = disk.remove(&draft);
    }
    written
}

/// What the name of a file ends with until it is whole.
pub(super) const DRAFT: &str = ".new";

/// Whether there is no room: it may be tried again when there is.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
