//! Text on its way to whoever reads it.

use std::io::{self, ErrorKind, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Most bytes that wait. What comes then is dropped.
const MAX_WAITING: usize = 1024 * 1024;
/// A buffer that has grown beyond this is given back once it is written.
const KEPT: usize = 64 * 1024;
/// How long an output that takes nothing just now is left alone.
const PAUSE: Duration = Duration::from_millis(10);

/// How long the end of the process waits for what was said last.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Text that a thread of its own writes out, so that whoever has something to say never waits for a reader: a pipe
/// that nobody reads takes 64 KiB, and then holds up whoever writes to it, for ever.
pub(super) struct Spool {
    state: Mutex<State>,
    changed: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// What was taken from `waiting` is not yet written.
    is_writing: bool,
    /// Dropped since that was last told.
    untold: u64,
}

impl Spool {
    /// Writes to `out` until the process ends. `tell` is called, before anything more is taken, where so many were
    /// dropped.
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

    /// Says something, whole or not at all.
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

    /// How many were dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until everything is written, but no longer than that.
    pub(super) fn flush(&self, at_most: Duration) {
        let is_busy = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        drop(self.changed.wait_timeout_while(self.lock(), at_most, is_busy));
    }

    /// Waits until what was said last is written, for a second at most: there may be no reader.
    pub(super) fn finish(&self) {
        self.flush(LAST_WORDS);
    }

    fn run(&self, out: &mut impl Write, tell: fn(u64)) {
        let mut taken = Vec::new();
        loop {
            match self.take(&mut taken) {
                0 => {}
                // There is room for that now, right behind what was not dropped.
                dropped => tell(dropped),
            }
            write_all(out, &taken);
        }
    }

    /// Waits for something to be written; tells how many were dropped behind it.
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

/// One call is one line.
impl Write for &Spool {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where nobody is left to read, nobody misses it.
fn write_all(out: &mut impl Write, mut text: &[u8]) {
    while !text.is_empty() {
        match out.write(text) {
            Ok(count @ 1..) => text = &text[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A pipe that another process has made non-blocking.
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
