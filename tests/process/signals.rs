//! Signals that an operator, a shell or a supervisor may send by accident.

use rustix::process::Signal;
use serde_json::json;

use crate::server::{Server, publish};
use crate::support::clock::{PATIENCE, eventually};

#[test]
fn signals_that_mean_something_elsewhere_do_nothing_and_are_told() {
    let mut server = Server::start(&[]);
    let mut stream = server.subscribe("");
    for (signal, name) in [
        (Signal::USR1, "SIGUSR1"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::VTALARM, "SIGVTALRM"),
        (Signal::PROF, "SIGPROF"),
        (Signal::IO, "SIGIO"),
        (Signal::XFSZ, "SIGXFSZ"),
        #[cfg(target_os = "linux")]
        (Signal::STKFLT, "SIGSTKFLT"),
    ] {
        server.signal(signal);
        eventually("it is told", || server.log().contains(&format!("{name} does nothing here")));
    }
    let id = publish(&mut server.connect(), &json!({"data": 1}));
    assert_eq!(stream.next().id, Some(id));
    assert!(server.is_running());
    server.signal(Signal::TERM);
    assert!(server.exit_within(PATIENCE).success());
}

/// Runtimes and supervisors use some of them for themselves, such as `RTMIN+3` for systemd in a container.
#[cfg(target_os = "linux")]
#[test]
fn real_time_signals_do_nothing_and_are_told() {
    let mut server = Server::start(&[]);
    let mut stream = server.subscribe("");
    let (first, last) = (libc::SIGRTMIN(), libc::SIGRTMAX());
    for signal in first..=last {
        server.signal_by_number(signal);
    }
    for n in 0..=last - first {
        eventually("it is told", || server.log().contains(&format!("SIGRTMIN+{n} does nothing here")));
    }
    let id = publish(&mut server.connect(), &json!({"data": 1}));
    assert_eq!(stream.next().id, Some(id));
    server.signal(Signal::TERM);
    assert!(server.exit_within(PATIENCE).success());
}

#[test]
fn a_storm_of_signals_is_a_few_lines() {
    const STORM: usize = 2_000;
    let mut server = Server::start(&[]);
    for n in 0..STORM {
        server.signal(if n % 2 == 0 { Signal::HUP } else { Signal::USR1 });
    }
    eventually("keys reloaded after the first", || server.log().contains("keys reloaded"));
    // Those that wait are no reason to wait with the end.
    server.signal(Signal::TERM);
    assert!(server.exit_within(PATIENCE).success());
    let log = server.log();
    let lines = log.lines().filter(|line| line.contains("signals=")).count();
    assert!((1..STORM / 20).contains(&lines), "{lines} lines: {log}");
}

#[test]
fn keys_are_read_anew_for_what_came_together_too() {
    let server = Server::start(&[]);
    for round in 1..=3 {
        server.signal(Signal::HUP);
        eventually("once more", || server.log().matches("keys reloaded").count() >= round);
    }
}
