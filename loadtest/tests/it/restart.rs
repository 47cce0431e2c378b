//! Servers that end and come again.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use crate::peer::Peer;
use crate::run::run;

/// The floor, under another name: it keeps nothing, and says so or not.
fn peer(resumes: bool) -> String {
    let server = r#"start = ["loadtest", "floor", "--listen", "{address}"]"#;
    Peer { name: "restarted", server, resumes, ..Peer::PLAIN }.write()
}

#[test]
fn streams_come_back_by_themselves_and_the_times_are_told() {
    let (output, lines) = run(&format!("restart --rounds 1 --streams 30 --threads 2 --peer {}", peer(false)));
    assert!(output.status.success(), "{lines:?}");
    let figures = &lines[0]["figures"];
    for trial in ["terminated", "killed"] {
        let figure = |name: &str| figures[format!("{trial}_{name}")].as_f64().unwrap();
        // What the floor asks for is three seconds, and nobody comes before.
        assert!(
            3.0 <= figure("half_seconds") && figure("half_seconds") <= figure("all_seconds"),
            "{figures}"
        );
        assert!(1.0 <= figure("connects_per_second") && figure("connects_per_second") <= 30.0, "{figures}");
        assert!(figure("failed") >= 0.0, "{figures}");
    }
    // It takes over no listener.
    assert!(figures["handed_over_all_seconds"].is_null(), "{figures}");
}

#[test]
fn what_a_restart_loses_is_seen() {
    let args = format!("restart --rounds 1 --streams 10 --rate 5 --patience 1s --peer {}", peer(true));
    let (output, lines) = run(&args);
    assert!(!output.status.success());
    let losses = &lines[0]["losses"];
    // Ten events each time, before anybody is back.
    assert!(losses["missing"].as_u64() > Some(100), "{losses}");
    assert_eq!((&losses["closed"], &losses["refused"]), (&0.into(), &0.into()), "{losses}");
}

#[test]
fn a_listener_is_handed_over_as_service_managers_do() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Also where the number is taken already, by what the load tester itself was given.
    let line = r#"exec 3</dev/zero; exec "$0" tether --listener $PPID sh -c "$1""#;
    let program = r#"echo $LISTEN_FDS $(($LISTEN_PID - $$)) $(readlink /proc/$$/fd/0 /proc/$$/fd/3)"#;
    let mut command = Command::new("sh");
    command.args(["-c", line, env!("CARGO_BIN_EXE_loadtest"), program]);
    let output = command.stdin(Stdio::from(OwnedFd::from(listener))).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("1 0 /dev/null socket:["), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
