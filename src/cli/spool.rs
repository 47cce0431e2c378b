//! Output that nobody waits for.

use std::io::{self, ErrorKind, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Maximum bytes that wait. More is dropped.
const MAX_WAITING: usize = 1024 * 1024;
/// A larger buffer is freed once it is written.
const KEPT: usize = 64 * 1024;
/// How long to wait before trying again to write to an output that is full.
const PAUSE: Duration = Duration::from_millis(10);

/// How long the end of the process waits for the last output.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Text that a thread of its own writes, so that whoever has output never waits for a reader: a pipe that nobody reads
/// takes 64 KiB, and then blocks its writer forever.
pub(super) struct Spool {
    state: Mutex<State>,
    changed: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Whether text taken from `waiting` is not written yet.
    is_writing: bool,
    /// Number of texts dropped since that was last reported.
    untold: u64,
}

impl Spool {
    /// Writes to `out` until the process ends. After texts were dropped, calls `tell` with their number before anything
    /// more is taken.
    pub(super) fn start(
        name: &str,
        mut out: impl Write + Send + 'static,
        tell: fn(u64),
    ) -> io::Result<Arc<Self>> {
        let spool = Self { state: Mutex::default(), changed: Condvar::new(), dropped: AtomicU64::new(0) };
        let spool = Arc::new(spool);
        let own = spool.clone();
        thread::Builder::new().name(name.to_owned()).spawn(move || own.run(&mut out, tell))?;
        Ok(spool)
    }

    /// Queues a text, whole or not at all.
    pub(super) fn push(&self, text: &[u8]) {
        let mut state = self.lock();
        if !state.waiting.is_empty() && state.waiting.len() + text.len() > MAX_WAITING {
            state.untold += 1;
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.waiting.extend_from_slice(text);
        if !state.is_writing {
            self.changed.notify_all();
        }
    }

    /// Number of texts dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until everything is written, but no longer than this.
    pub(super) fn flush(&self, at_most: Duration) {
        let is_busy = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        drop(self.changed.wait_timeout_while(self.lock(), at_most, is_busy));
    }

    /// Waits until everything is written, for a second at most: there may be no reader.
    pub(super) fn finish(&self) {
        self.flush(LAST_WORDS);
    }

    fn run(&self, out: &mut impl Write, tell: fn(u64)) {
        let mut taken = Vec::new();
        loop {
            match self.take(&mut taken) {
                0 => {}
                // There is room for that now, right after the last text that was not dropped.
                dropped => tell(dropped),
            }
            write_all(out, &taken);
        }
    }

    /// Waits for text to write; returns it with the number of texts dropped after it.
    fn take(&self, taken: &mut Vec<u8>) -> u64 {
        taken.clear();
        taken.shrink_to(KEPT);
        let mut state = self.lock();
        state.is_writing = false;
        self.changed.notify_all();
        let is_empty = |state: &mut State| state.waiting.is_empty();
        state = self.changed.wait_while(state, is_empty).unwrap_or_else(PoisonError::into_inner);
        state.is_writing = true;
        mem::swap(&mut state.waiting, taken);
        mem::take(&mut state.untold)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each call is one line.
impl Write for &Spool {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// If there is no reader, nobody misses it.
fn write_all(out: &mut impl Write, mut text: &[u8]) {
    while !text.is_empty() {
        match out.write(text) {
            Ok(count @ 1..) => text = &text[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Another process may have made the pipe non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Ok(0) | Err(_) => return,
        }
    }
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    const AT_MOST: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_said_is_written_in_order() {
        let (mut read, write) = io::pipe().unwrap();
        let spool = Spool::start("test", write, |_| panic!("nothing is dropped")).unwrap();
        let lines: Vec<String> = (0..100).map(|n| format!("{n}\n")).collect();
        lines.iter().for_each(|line| spool.push(line.as_bytes()));
        spool.flush(AT_MOST);
        let mut text = vec![0; lines.concat().len()];
        read.read_exact(&mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), lines.concat());
    }

    #[test]
    fn whoever_says_something_never_waits_and_what_is_dropped_is_counted() {
        static TOLD: AtomicU64 = AtomicU64::new(0);
        let (mut read, write) = io::pipe().unwrap();
        let spool =
            Spool::start("test", write, |dropped| _ = TOLD.fetch_add(dropped, Ordering::Relaxed)).unwrap();
        let line = [b'x'; 1024];
        let count = 4 * MAX_WAITING / line.len();
        (0..count).for_each(|_| spool.push(&line));
        let dropped = spool.dropped() as usize;
        assert!(dropped > 0 && dropped < count, "{dropped} of {count}");
        // Nobody reads; it ends by its time.
        spool.flush(Duration::from_millis(1));
        let mut text = vec![0; (count - dropped) * line.len()];
        read.read_exact(&mut text).unwrap();
        spool.flush(AT_MOST);
        assert_eq!(TOLD.load(Ordering::Relaxed), spool.dropped());
        spool.push(b"again");
        read.read_exact(&mut text[..5]).unwrap();
        assert_eq!(&text[..5], b"again");
    }
}
