//! Options: by command line and environment, and what is said of a bad one.

use std::collections::BTreeSet;

use crate::server::{Server, command, run};

/// Every option, with a value that it cannot have.
const BAD: [(&str, &str); 48] = [
    ("listen", "localhost"),
    ("workers", "0"),
    ("base-path", "api"),
    ("heartbeat-interval", "30"),
    ("heartbeat", "loud"),
    ("connection-timeout", "0s"),
    ("retry", "0s"),
    ("max-connections", "0"),
    ("max-connections-per-ip", "-1"),
    ("max-other-connections-per-ip", "0"),
    ("max-connections-per-user", "many"),
    ("max-backlog", "1KiB"),
    ("max-body", "0"),
    ("max-topic-tokens", "33"),
    ("max-topic-wildcards", "-1"),
    ("max-stream-tokens", "0"),
    ("max-bodies", "a lot"),
    ("unsent-limit", "1"),
    ("history-events", "1.5"),
    ("history-bytes", "64 bits"),
    ("history-age", "5 fortnights"),
    ("history-dir", "/dev/null"),
    ("history-sync", "sometimes"),
    ("history-memory", "64 bits"),
    ("idempotency-window", "0s"),
    ("dev-endpoints", "perhaps"),
    ("insecure-open", "perhaps"),
    ("head-timeout", "1ns"),
    ("body-timeout", "1ns"),
    ("idle-timeout", "-1s"),
    ("drain-delay", "2days"),
    ("drain-timeout", "soon"),
    ("log-format", "xml"),
    ("config", "/nonexistent/fanfare.toml"),
    ("control-listen", "localhost:1"),
    ("publish-rate", "0"),
    ("trusted-proxy", "10.0.0.0/99"),
    ("cors-origin", "https://app.example/"),
    ("jwt-secret-file", "/nonexistent/secret"),
    ("jwt-public-key-file", "/dev/null"),
    ("jwks-file", "/dev/null"),
    ("jwt-audience", "nobody-without-a-key"),
    ("jwt-issuer", "nobody-without-a-key"),
    ("jwt-cookie", "a cookie"),
    ("jwt-leeway", "2days"),
    ("api-key-file", "/dev/null"),
    ("anonymous-subscribers", "perhaps"),
    ("anonymous-topic", "a..b"),
];

fn variable(option: &str) -> String {
    format!("FANFARE_{}", option.to_uppercase().replace('-', "_"))
}

/// Ended with status 2 and one line on standard error, which names the option.
fn assert_refused(mut command: std::process::Command, option: &str) {
    // What would be wrong if this were taken.
    command.env("RUST_LOG", "off");
    let shown = format!("{command:?}");
    let output = run(command);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{shown}: {error}");
    assert!(output.stdout.is_empty(), "{shown}");
    assert_eq!(error.lines().count(), 1, "{shown}: {error}");
    assert!(error.starts_with("fanfare: ") && error.contains(&format!("--{option}")), "{shown}: {error}");
}

#[test]
fn every_option_refuses_a_bad_value_in_one_line() {
    for (option, value) in BAD {
        assert_refused(command(&[&format!("--{option}={value}")]), option);
    }
}

/// Values that can be written, but not meant.
const ABSURD: [(&str, &str); 49] = [
    ("workers", "1025"),
    ("workers", "99999999999999999999999"),
    ("heartbeat-interval", "300000000y"),
    ("connection-timeout", "2days"),
    ("retry", "300000000y"),
    ("max-connections", "18446744073709551615"),
    ("max-connections-per-ip", "0"),
    ("max-connections-per-user", "0"),
    ("max-other-connections-per-ip", "1073741825"),
    ("publish-rate", "4294967296"),
    ("max-backlog", "99999999TiB"),
    ("max-backlog", "127TiB"),
    ("max-body", "2GiB"),
    ("max-bodies", "127TiB"),
    ("unsent-limit", "99999999TiB"),
    ("history-events", "18446744073709551615"),
    ("history-bytes", "99999999TiB"),
    ("history-bytes", "127TiB"),
    ("history-age", "300000000y"),
    ("history-age", "11years"),
    ("head-timeout", "300000000y"),
    ("idle-timeout", "300000000y"),
    ("drain-delay", "300000000y"),
    ("drain-timeout", "300000000y"),
    ("trusted-proxy", "0.0.0.0/0"),
    ("trusted-proxy", "10.0.0.0/8,::/0"),
    ("trusted-proxy", "::ffff:0.0.0.0/96"),
    // What is everybody in two halves, and more than anybody has.
    ("trusted-proxy", "0.0.0.0/1,128.0.0.0/1"),
    ("trusted-proxy", "10.0.0.0/8,128.0.0.0/1"),
    ("trusted-proxy", "126.0.0.0/7"),
    ("trusted-proxy", "2000::/3"),
    ("trusted-proxy", "::/1"),
    ("trusted-proxy", "2600::/15"),
    ("trusted-proxy", "::ffff:128.0.0.0/97"),
    // More than 64 patterns of 32 tokens.
    ("max-stream-tokens", "2049"),
    ("max-stream-tokens", "18446744073709551615"),
    // No stream could follow a topic of the 16 tokens that one may have.
    ("max-stream-tokens", "15"),
    // Nothing would be kept, and a 0 would say so.
    ("history-bytes", "4095"),
    ("history-age", "9ms"),
    // Of a history in memory there is nothing to sync, and no part in memory.
    ("history-sync", "1s"),
    ("history-sync", "never"),
    ("history-memory", "1MiB"),
    ("history-memory", "127TiB"),
    ("idempotency-window", "31days"),
    // No event is so small, or hardly any.
    ("max-body", "1"),
    ("max-body", "1023"),
    // No room for a body as large as one may be.
    ("max-bodies", "0"),
    ("max-bodies", "1023KiB"),
    ("max-bodies", "2047KiB"),
];

/// Values at the edge of what is absurd.
const SOUND: [&[&str]; 9] = [
    &["--max-stream-tokens=2048"],
    &["--max-stream-tokens=16"],
    &["--max-stream-tokens=1", "--max-topic-tokens=1"],
    &["--max-body=1KiB", "--max-bodies=2KiB"],
    &["--max-bodies=2MiB"],
    &["--history-bytes=0", "--history-age=0s", "--history-events=0"],
    // The total follows, where nobody says what it is.
    &["--max-body=64MiB"],
    &["--trusted-proxy=10.0.0.0/8,fc00::/7,fe80::/10,240.0.0.0/4"],
    // Of Cloudflare and Akamai.
    &["--trusted-proxy=104.16.0.0/12,104.64.0.0/10,2a06:98c0::/29,2600:1400::/24"],
];

#[test]
fn values_at_the_edge_are_taken() {
    for args in SOUND {
        Server::start(args);
    }
}

#[test]
fn a_network_that_is_too_wide_is_named_with_what_to_do() {
    let output = run(command(&["--trusted-proxy", "10.0.0.0/8,128.0.0.0/1"]));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("128.0.0.0/1") && error.contains("list the networks"), "{error}");
}

#[test]
fn absurd_values_are_refused_whichever_way_they_come() {
    for (option, value) in ABSURD {
        assert_refused(command(&[&format!("--{option}={value}")]), option);
        let mut by_variable = command(&[]);
        by_variable.env(variable(option), value);
        assert_refused(by_variable, option);
        let file = crate::file::File::new("absurd.toml", &format!("{option} = \"{value}\"\n"));
        assert_refused(command(&["--config", file.path()]), option);
    }
    let long = format!("/{}", "a".repeat(1024));
    // No client can ask for a path with dots: it removes them first.
    for path in [&*long, "/a/../b", "/./a", "/a/..", "/."] {
        assert_refused(command(&["--base-path", path]), "base-path");
    }
}

#[test]
fn absurd_values_of_the_shell_commands_are_refused() {
    for (option, args) in [
        ("timeout", &["publish", "--data", "1", "--timeout", "300000000y"][..]),
        ("ttl", &["publish", "--data", "1", "--ttl", "300000000y"]),
        ("retry", &["publish", "--data", "1", "--retry", "2days"]),
        ("tries", &["publish", "--data", "1", "--tries", "0"]),
        ("tries", &["publish", "--data", "1", "--tries", "1001"]),
        ("idempotency-key", &["publish", "--data", "1", "--idempotency-key", ""]),
        ("idempotency-key", &["publish", "--data", "1", "--idempotency-key", "a\tb"]),
        ("timeout", &["tail", "--timeout", "2days"]),
        ("heartbeat-timeout", &["tail", "--heartbeat-timeout", "300000000y"]),
        ("count", &["tail", "--count", "99999999999999999999"]),
    ] {
        assert_refused(command(args), option);
    }
}

#[test]
fn every_option_is_in_the_environment_too() {
    for (option, value) in BAD {
        let mut command = command(&[]);
        command.env(variable(option), value);
        assert_refused(command, option);
    }
}

#[test]
fn the_table_has_every_option() {
    let output = run(command(&["serve", "--help"]));
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    let word = |rest: &str| rest.split([' ', '=', '[', ',']).next().unwrap_or_default().to_owned();
    let told: BTreeSet<String> =
        help.lines().filter_map(|line| line.trim_start().strip_prefix("--").map(word)).collect();
    let known: BTreeSet<String> = BAD.iter().map(|(option, _)| (*option).to_owned()).collect();
    assert_eq!(told, known);
    for option in known {
        assert!(help.contains(&format!("[env: {}=", variable(&option))), "--{option} names its variable");
    }
}

#[test]
fn an_unknown_option_or_command_is_refused_in_one_line() {
    assert_refused(command(&["--colour", "red"]), "colour");
    assert_refused(command(&["serve", "--workers"]), "workers");
    let output = run(command(&["dance"]));
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{error}");
    assert!(error.contains("dance"), "{error}");
}

#[test]
fn an_option_is_taken_from_the_environment_and_the_command_line_wins() {
    let with = |args: &[&str]| {
        let mut command = command(&[&["--listen", "127.0.0.1:0"], args].concat());
        command.env("FANFARE_BASE_PATH", "/from/environment").env("FANFARE_MAX_CONNECTIONS", "17");
        command.env("FANFARE_DEV_ENDPOINTS", "off").env("FANFARE_INSECURE_OPEN", "false");
        Server::launch(command)
    };
    let server = with(&[]);
    assert!(server.greeting[0].ends_with("/from/environment"));
    let statistics = server.connect().get("/from/environment/stats").json();
    assert_eq!(statistics["engine"]["maxConnections"], 17);
    assert_eq!(server.connect().get("/from/environment/test").status(), 404);
    let server = with(&["--base-path", "/given", "--max-connections", "18", "--dev-endpoints", "on"]);
    assert!(server.greeting[0].ends_with("/given"));
    assert_eq!(server.connect().get("/given/stats").json()["engine"]["maxConnections"], 18);
    assert_eq!(server.connect().get("/given/test").status(), 200);
}

#[test]
fn several_addresses_in_one_variable() {
    let mut command = command(&[]);
    command.env("FANFARE_LISTEN", "127.0.0.1:0,127.0.0.2:0");
    let server = Server::launch(command);
    let addresses: Vec<std::net::SocketAddr> = server.greeting[0]
        .split("http://")
        .skip(1)
        .filter_map(|url| url.split('/').next()?.parse().ok())
        .collect();
    assert_eq!(addresses.len(), 2, "the first line names every address: {}", server.greeting[0]);
    for address in addresses {
        assert_eq!(crate::support::client::Connection::open(address).get("/healthz").status(), 200);
    }
}

#[test]
fn the_log_is_json_where_asked_for() {
    let mut server = Server::start(&["--log-format", "json"]);
    server.signal(rustix::process::Signal::TERM);
    assert!(server.exit_within(crate::support::clock::PATIENCE).success());
    assert!(!server.log().is_empty());
    for line in server.log().lines() {
        let entry: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(entry["level"].is_string(), "{line}");
    }
}

/// As files of compose have them: `FANFARE_MAX_CONNECTIONS=`.
#[test]
fn an_empty_variable_is_an_absent_one() {
    let file = crate::file::File::new("empty.toml", "listen = \"127.0.0.1:0\"\nbase-path = \"/file\"\n");
    let with = |args: &[&str]| {
        let mut command = command(args);
        command.envs(BAD.iter().map(|(option, _)| (variable(option), "")));
        command.env("RUST_LOG", "");
        Server::launch(command)
    };
    let server = with(&["--listen", "127.0.0.1:0"]);
    assert!(server.greeting[0].ends_with("/api/sse"), "{}", server.greeting[0]);
    let server = with(&["--config", file.path()]);
    assert!(server.greeting[0].ends_with("/file"), "the file counts: {}", server.greeting[0]);
    // What is empty on the command line was meant.
    for (option, _) in BAD {
        assert_refused(command(&[&format!("--{option}=")]), option);
    }
}

#[test]
fn an_address_is_explained() {
    for address in ["localhost:3000", ":3000", "3000", "0.0.0.0"] {
        let output = run(command(&["--listen", address]));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("127.0.0.1:3000") && error.contains("[::]:3000"), "{address}: {error}");
    }
    let output = run(command(&["--port", "3000"]));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--listen"), "{output:?}");
}
