//! The commands by themselves: a swarm in one process or several, and a publisher.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use crate::run::{Floor, loadtest, summary};

fn publish(url: &str, args: &str) -> Output {
    loadtest(&format!("publish --json --url {url}/events {args}")).output().unwrap()
}

/// A swarm of `streams` on a floor, with so many descriptors: publishes 30 events once all are open, then interrupts.
fn swarm_and_publish(streams: u64, descriptors: u64, args: &str) -> (bool, serde_json::Value) {
    let floor = Floor::start(1);
    let (url, pid) = (&floor.url, floor.pid());
    let program = env!("CARGO_BIN_EXE_loadtest");
    let line = format!(
        "ulimit -n {descriptors}; exec {program} swarm --json --url '{url}' --streams {streams} --payload 128 \
         --pid {pid} --duration 600s {args}"
    );
    let mut command = Command::new("sh");
    let mut swarm =
        command.args(["-c", &line]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut open = String::new();
    BufReader::new(swarm.stderr.take().unwrap()).read_line(&mut open).unwrap();
    assert!(open.starts_with(&format!("{streams} of {streams} streams open")), "{open}");
    let published = publish(url, "--rate 500 --events 30");
    assert!(published.status.success());
    assert_eq!(summary(&published)["accepted"], 30);
    floor.settle();
    assert!(Command::new("kill").args(["-INT", &swarm.id().to_string()]).status().unwrap().success());
    let output = swarm.wait_with_output().unwrap();
    (output.status.success(), summary(&output))
}

#[test]
fn a_swarm_gets_what_a_publisher_sends() {
    let (success, summary) = swarm_and_publish(300, 1000, "--threads 2 --sources 2");
    assert!(success, "{summary}");
    assert_eq!((&summary["opened"], &summary["received"]), (&300.into(), &(300 * 30).into()));
    assert_eq!(summary["stopped"], "interrupted");
    assert!(summary["p50_ms"].as_f64().unwrap() > 0.0);
    assert!(summary["server_cpu_seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn more_streams_than_a_process_has_descriptors() {
    let (success, summary) = swarm_and_publish(250, 300, "");
    assert!(success, "{summary}");
    assert_eq!((&summary["opened"], &summary["received"]), (&250.into(), &(250 * 30).into()));
}

#[test]
fn a_publisher_at_full_speed() {
    let floor = Floor::start(1);
    for args in
        ["--events 500 --window 8", "--events 500 --connections 4 --series 8", "--duration 300ms --rate 100"]
    {
        let output = publish(&floor.url, args);
        assert!(output.status.success(), "{args}");
        let summary = summary(&output);
        let accepted = summary["accepted"].as_u64().unwrap();
        // How many a time has is for the machine to say, but for the rate: an event is due at the beginning, too.
        let expected = if args.contains("--events") { 500..=500 } else { 1..=31 };
        assert!(expected.contains(&accepted), "{args}: {summary}");
    }
}

#[test]
fn refused_options() {
    for args in [
        "swarm --url nonsense",
        "swarm --streams 0",
        "swarm --payload 10",
        "publish --payload 10 --events 1",
        "publish --rate 0",
        "publish --rate 1 --window 2",
        "run nonsense",
        "run broadcast --target nobody",
        "run broadcast --peer /does/not/exist.toml",
        "report /does/not/exist.jsonl",
    ] {
        let output = loadtest(args).output().unwrap();
        // What only a file can show is no option.
        let status = if args.starts_with("report") { 1 } else { 2 };
        assert_eq!(output.status.code(), Some(status), "{args}");
        assert!(!output.stderr.is_empty(), "{args}");
    }
}

#[test]
fn the_floor_tells_its_address() {
    let mut child = loadtest("floor").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.starts_with("floor listening on 127.0.0.1:"), "{line}");
}
