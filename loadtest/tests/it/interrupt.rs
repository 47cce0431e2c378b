//! What is left after a signal: results, and no process.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::port::Port;
use crate::run::{Floor, loadtest, scratch, summary, wait_until};

fn signal(name: &str, target: &str) {
    assert!(Command::new("kill").args([name, "--", target]).status().unwrap().success());
}

/// As a terminal does it at Ctrl-C: to all of the group.
fn interrupt(child: &Child) {
    signal("-INT", &format!("-{}", child.id()));
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_ascii_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// It is gone, or has ended and nobody has asked for its status yet.
fn has_ended(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
}

fn is_listening(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "loadtest")
        && fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|fds| fds.count() > 30)
}

/// A run that goes on until it is told to stop, in a process group of its own; its server has streams.
fn long_run(out: &std::path::Path) -> (Child, u32) {
    let args = "run soak --target floor --streams 30 --duration 600s --deadline 600s --out";
    let mut command = loadtest(args);
    command.arg(out).process_group(0).stdout(Stdio::piped()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    wait_until("a server with streams", || {
        children(child.id()).first().is_some_and(|&pid| is_listening(pid))
    });
    let server = children(child.id())[0];
    (child, server)
}

#[test]
fn an_interrupt_from_a_terminal_is_for_the_load_tester_alone() {
    let out = scratch("terminal.jsonl");
    let (child, server) = long_run(&out);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success() && !output.stdout.is_empty());
    let line: Value = serde_json::from_str(&fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!((&line["stopped"], &line["losses"]["closed"]), (&json!("interrupted"), &json!(0)), "{line}");
    assert!(has_ended(server));
}

#[test]
fn a_server_ends_with_the_load_tester_however_that_ends() {
    let (mut child, server) = long_run(&scratch("killed.jsonl"));
    signal("-KILL", &child.id().to_string());
    child.wait().unwrap();
    wait_until("the end of the server", || has_ended(server));
}

#[test]
fn a_swarm_comes_back_to_a_server_that_was_away() {
    // Away for long enough that each stream has found nobody, and there again for long enough that each has an answer:
    // how long that is, is for the machine to say.
    let mut summary = Value::Null;
    let is_back = [(7, 1), (7, 10), (25, 30), (25, 90)].into_iter().any(|(away, there)| {
        summary = swarm_while_away(Duration::from_secs(away), Duration::from_secs(there));
        summary["opened"] == 20 && summary["losses"]["refused"].as_u64() >= Some(20)
    });
    assert!(is_back, "{summary}");
}

/// What a swarm of 20 streams tells whose server is away for that time, and then there for the other.
fn swarm_while_away(away: Duration, there: Duration) -> Value {
    let port = Port::reserve();
    let address = port.address().to_string();
    let floor = Floor::listen(&address, 1);
    // The process that it measures ends, too, which is no reason to keep its results.
    let (url, pid) = (&floor.url, floor.pid());
    let args = format!("swarm --json --reconnect --streams 20 --duration 600s --url {url} --pid {pid}");
    let mut command = loadtest(&args);
    let mut child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut open = String::new();
    said.read_line(&mut open).unwrap();
    assert!(open.starts_with("20 of 20 streams open"), "{open}");
    let has_streams = |floor: &Floor| fs::read_dir(format!("/proc/{}/fd", floor.pid())).unwrap().count() > 25;
    drop(floor);
    // The first attempts to open again, three to six seconds later, find nobody.
    thread::sleep(away);
    let floor = Floor::listen(&address, 1);
    wait_until("20 streams again", || has_streams(&floor));
    // Accepted, but the last of them may not have been answered.
    thread::sleep(there);
    interrupt(&child);
    let summary = summary(&child.wait_with_output().unwrap());
    assert_eq!(summary["losses"]["closed"], 20, "{summary}");
    summary
}

#[test]
fn processes_of_a_swarm_give_what_they_have() {
    let floor = Floor::start(1);
    let line = format!(
        "ulimit -n 300; exec {} swarm --json --url '{}' --streams 150 --duration 600s",
        env!("CARGO_BIN_EXE_loadtest"),
        floor.url
    );
    let mut command = Command::new("sh");
    let child = command.args(["-c", &line]).process_group(0).stdout(Stdio::piped()).spawn().unwrap();
    let is_open = || fs::read_dir(format!("/proc/{}/fd", floor.pid())).unwrap().count() > 150;
    wait_until("150 streams", is_open);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(summary(&output)["stopped"], "interrupted");
    assert!(output.status.success());
}
