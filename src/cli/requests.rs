//! Requests to the process by signals.
//!
//! | signal | what it does |
//! |---|---|
//! | `TERM`, `INT`, `QUIT`, `XCPU`, `PWR` | drains; once more, ends the process at once |
//! | `HUP` | reads keys anew |
//! | `USR1`, `USR2`, `ALRM`, `VTALRM`, `PROF`, `IO`, `XFSZ`, `STKFLT`, the real-time ones | nothing, and the log says so |
//!
//! By default each of them would end the process at once, and other servers use some of the last for reopening logs or
//! changing programs. `PWR` says that the power is failing, or, within a container of LXC, that it is to stop. `ABRT` and
//! the signals of faults still leave a core.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use fanfare::Engine;
use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::Signals;
use signal_hook::low_level::signal_name;

/// Signals that ask the process to end.
const ENDING: &[i32] = &[
    SIGTERM,
    SIGINT,
    SIGQUIT,
    SIGXCPU,
    #[cfg(target_os = "linux")]
    SIGPWR,
];
/// Signals that do nothing here, except for a line in the log.
const IGNORED: [i32; 7] = [SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGXFSZ];
/// Signals that arrive this soon after others are handled together.
const TOGETHER: Duration = Duration::from_secs(1);

/// Receives signals from the system.
pub(super) struct Caught(Signals);

/// Requests to the process.
pub(super) struct Requests {
    sender: Sender<Request>,
    receiver: Receiver<Request>,
    /// How often each signal has arrived that was not handled yet.
    waiting: Arc<Waiting>,
}

type Waiting = Mutex<BTreeMap<i32, u64>>;

enum Request {
    /// Signals have arrived.
    Look,
    /// End: by a signal, or since the drain delay is over.
    End,
}

/// Keeps signals from ending the process from now on.
pub(super) fn catch() -> io::Result<Caught> {
    let signals = Signals::new(ENDING.iter().chain(&IGNORED).chain(&[SIGHUP]))?;
    for signal in ignored_of_linux() {
        // An emulated kernel may lack some of them, and what cannot be caught there cannot be sent either.
        let _ = signals.add_signal(signal);
    }
    Ok(Caught(signals))
}

// Numbers of signal(7); not every C library has a name for these.
#[cfg(target_os = "linux")]
const SIGPWR: i32 = match () {
    () if cfg!(any(target_arch = "mips", target_arch = "mips64")) => 19,
    () if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) => 29,
    () => 30,
};
/// If the number is another signal's, that one is ignored too.
#[cfg(target_os = "linux")]
const SIGSTKFLT: i32 = 16;

/// Further signals to ignore. Only the C library knows how many real-time signals there are, since it reserves the
/// first few for itself.
#[cfg(target_os = "linux")]
fn ignored_of_linux() -> impl Iterator<Item = i32> {
    std::iter::once(SIGSTKFLT).chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
}

#[cfg(not(target_os = "linux"))]
fn ignored_of_linux() -> impl Iterator<Item = i32> {
    std::iter::empty()
}

fn name_of(signal: i32) -> Cow<'static, str> {
    #[cfg(target_os = "linux")]
    if let Some(n) = signal.checked_sub(libc::SIGRTMIN()).filter(|n| *n >= 0) {
        return format!("SIGRTMIN+{n}").into();
    }
    #[cfg(target_os = "linux")]
    if signal == SIGSTKFLT {
        return "SIGSTKFLT".into();
    }
    signal_name(signal).unwrap_or("a signal").into()
}

impl Requests {
    /// Starts listening. Asked to end a second time, the process ends at once, whatever it is doing.
    pub(super) fn hear(Caught(mut signals): Caught) -> Self {
        let (sender, receiver) = channel();
        let requests = Self { sender: sender.clone(), receiver, waiting: Arc::default() };
        let waiting = requests.waiting.clone();
        thread::spawn(move || {
            let mut is_ending = false;
            for signal in signals.forever() {
                let request = match ENDING.contains(&signal) {
                    true if is_ending => std::process::exit(128 + signal),
                    true => Request::End,
                    false if add(&mut lock(&waiting), signal) => Request::Look,
                    false => continue,
                };
                is_ending |= matches!(request, Request::End);
                // Nobody receives requests once streams are being ended.
                let _ = sender.send(request);
            }
        });
        requests
    }

    /// Handles requests, such as to reload keys, until asked to end.
    pub(super) fn serve_until_asked_to_end(&self, engine: &Engine) {
        let is_left = !lock(&self.waiting).is_empty();
        let mut next = if is_left { Some(Request::Look) } else { self.receiver.recv().ok() };
        while let Some(Request::Look) = next {
            let waiting = std::mem::take(&mut *lock(&self.waiting));
            for (signal, count) in waiting {
                act_on(signal, count, engine);
            }
            next = match self.receiver.recv_timeout(TOGETHER) {
                Ok(Request::Look) => self.wait_for_more(),
                Err(RecvTimeoutError::Timeout) => self.receiver.recv().ok(),
                Ok(Request::End) | Err(RecvTimeoutError::Disconnected) => return,
            };
        }
    }

    /// Signals that arrive together are one request, but a request to end is not delayed.
    fn wait_for_more(&self) -> Option<Request> {
        match self.receiver.recv_timeout(TOGETHER) {
            Err(RecvTimeoutError::Timeout) => Some(Request::Look),
            request => request.ok(),
        }
    }

    /// Keeps serving for this time, while the engine reports that it is not ready.
    pub(super) fn serve_for(&self, delay: Duration, engine: &Engine) {
        engine.begin_shutdown();
        let over = self.sender.clone();
        thread::spawn(move || {
            thread::sleep(delay);
            let _ = over.send(Request::End);
        });
        self.serve_until_asked_to_end(engine);
    }
}

/// Counts a signal; true if it is the first that waits.
fn add(waiting: &mut BTreeMap<i32, u64>, signal: i32) -> bool {
    let is_first = waiting.is_empty();
    *waiting.entry(signal).or_default() += 1;
    is_first
}

fn lock(waiting: &Waiting) -> MutexGuard<'_, BTreeMap<i32, u64>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

fn act_on(signal: i32, count: u64, engine: &Engine) {
    if signal != SIGHUP {
        let name = name_of(signal);
        return tracing::info!(signals = count, "{name} does nothing here");
    }
    match engine.reload_keys() {
        Ok(()) => tracing::info!(signals = count, "keys reloaded"),
        Err(error) => {
            tracing::error!(%error, signals = count, "cannot reload keys; the old ones stay in use")
        }
    }
}
