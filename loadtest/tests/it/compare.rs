use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::run::loadtest;

#[test]
fn a_floor_beside_a_floor() {
    // `PATH serve --listen ADDR ARGS`, as a server is run.
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("serve-a-floor.sh");
    fs::write(&program, format!("#!/bin/sh\nshift\nexec {} floor \"$@\"\n", env!("CARGO_BIN_EXE_loadtest")))
        .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let output = loadtest("compare --streams 100 --events 10 --rounds 2 --server")
        .arg(&program)
        .args(["--server-args", "--threads 2"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for row in [
        "| | floor | server | to the floor |",
        "| CPU per delivery, µs | ",
        "| losses | 0 [0–0] | 0 [0–0] | – |",
    ] {
        assert!(text.contains(row), "{row} in {text}");
    }
}

#[test]
fn a_server_that_does_not_start() {
    let output = loadtest("compare --streams 10 --rounds 1 --server /bin/false").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("ended before it listened"));
}
