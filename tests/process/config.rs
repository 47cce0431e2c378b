//! The configuration file, as an operator uses it.

use crate::file::File;
use crate::server::{Server, command, run};

#[test]
fn the_command_line_counts_before_the_environment_and_that_before_the_file() {
    let file = File::new(
        "order.toml",
        "listen = \"127.0.0.1:0\"\nbase-path = \"/file\"\nmax-connections = 7\ndev-endpoints = false\n",
    );
    let start = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = command(args);
        command.env("FANFARE_CONFIG", file.path()).envs(variables.iter().copied());
        Server::launch(command)
    };
    let limit = |server: &Server, base: &str| {
        server.connect().get(&format!("{base}/stats")).json()["engine"]["maxConnections"].clone()
    };
    let server = start(&[], &[]);
    assert_eq!(limit(&server, "/file"), 7);
    assert_eq!(server.connect().get("/file/test").status(), 404);
    let server = start(&[], &[("FANFARE_MAX_CONNECTIONS", "8")]);
    assert_eq!(limit(&server, "/file"), 8);
    let server =
        start(&["--max-connections=9"], &[("FANFARE_MAX_CONNECTIONS", "8"), ("FANFARE_BASE_PATH", "/e")]);
    assert_eq!(limit(&server, "/e"), 9);
    let server = start(&["serve", "--dev-endpoints", "on"], &[]);
    assert_eq!(server.connect().get("/file/test").status(), 200);
}

#[test]
fn the_printed_file_is_taken_as_it_is() {
    let printed = run(command(&["config"]));
    assert!(printed.status.success() && printed.stderr.is_empty());
    let text = String::from_utf8(printed.stdout).expect("UTF-8");
    let file = File::new("printed.toml", &text);
    let server = Server::start(&["--config", file.path()]);
    assert_eq!(server.connect().get("/api/sse/test").status(), 200);
    let checked = run(command(&["check", file.path()]));
    assert!(checked.status.success(), "{checked:?}");
    assert!(String::from_utf8_lossy(&checked.stdout).ends_with(": ok\n"), "{checked:?}");
}

#[test]
fn a_bad_file_is_refused_in_one_line_that_says_where() {
    let cases = [
        ("retry = \"1s\"\nretry = \"2s\"\n", "line 2"),
        ("colour = \"red\"\n", "colour is no option"),
        ("retry = \"fast\"\n", "--retry"),
        ("workers = 0\n", "workers"),
        ("jwks-file = \"/nonexistent/keys\"\n", "/nonexistent/keys"),
        ("listen = \"0.0.0.0:0\"\n", "insecure-open"),
        ("anonymous-subscribers = true\n", "needs keys"),
        ("\u{0}", "line 1"),
    ];
    for (n, (text, expected)) in cases.into_iter().enumerate() {
        let file = File::new(&format!("bad-{n}.toml"), text);
        for args in [vec!["check", file.path()], vec!["--config", file.path()]] {
            let output = run(command(&args));
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{args:?} {text:?}: {error}");
            assert!(error.contains(expected) && error.lines().count() == 1, "{args:?} {text:?}: {error}");
            assert!(output.stdout.is_empty(), "{args:?}");
        }
    }
    // The environment has no say in what a file is.
    let file = File::new("plain.toml", "workers = 1\n");
    let mut command = command(&["check", file.path()]);
    command.env("FANFARE_WORKERS", "none").env("FANFARE_RETRY", "never");
    assert!(run(command).status.success());
}
