use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::fake::{Fake, Fault};
use crate::peer::Peer;
use crate::run::{loadtest, run, scratch, summary, wait_until};

/// The path of a peer file that describes the fake server.
fn peer(fake: &Fake) -> String {
    Peer { name: "fake", server: &format!("address = \"{}\"", fake.address), ..Peer::PLAIN }.write()
}

/// Values of `--patience`. With a short one, a busy machine may deliver an event too late, which counts as lost. So a test
/// fails only if the result is wrong with all of them.
const PATIENCE: [&str; 3] = ["400ms", "4s", "20s"];

/// 10 streams, 3 events before 18 measured ones.
fn play(fault: Fault, scenario: &str, patience: &str) -> (bool, Vec<Value>) {
    let fake = Fake::start(fault);
    let peer = peer(&fake);
    let (output, lines) =
        run(&format!("{scenario} --rounds 1 --streams 10 --events 18 --patience {patience} --peer {peer}"));
    (output.status.success(), lines)
}

/// Whether a run has the expected result with any patience; and the last result.
fn play_patiently(
    fault: Fault,
    scenario: &str,
    is_right: impl Fn(bool, &Value) -> bool,
) -> Result<(), String> {
    let mut said = String::new();
    for patience in PATIENCE {
        let (success, lines) = play(fault, scenario, patience);
        if is_right(success, &lines[0]) {
            return Ok(());
        }
        said = format!("{fault:?} {scenario}: success {success}, {}", lines[0]);
    }
    Err(said)
}

#[test]
fn each_fault_is_reported_exactly() {
    // missing, gaps, repeats, reorders, damaged, closed, refused
    let table = [
        (Fault::None, "broadcast", [0, 0, 0, 0, 0, 0, 0]),
        (Fault::Busy, "burst", [0, 0, 0, 0, 0, 0, 0]),
        (Fault::Drop(7), "burst", [1, 1, 0, 0, 0, 0, 0]),
        (Fault::Drop(7), "latency --rate 500", [1, 1, 0, 0, 0, 0, 0]),
        // No later event shows the loss.
        (Fault::Drop(21), "burst", [1, 0, 0, 0, 0, 0, 0]),
        (Fault::Repeat(7), "broadcast", [0, 0, 1, 0, 0, 0, 0]),
        (Fault::Repeat(21), "latency --rate 500", [0, 0, 1, 0, 0, 0, 0]),
        (Fault::Swap(7), "burst", [0, 0, 0, 1, 0, 0, 0]),
        (Fault::Damage(7), "burst", [1, 1, 0, 0, 1, 0, 0]),
        (Fault::Close(7), "broadcast", [15, 0, 0, 0, 0, 1, 0]),
        (Fault::End(21), "broadcast", [0, 0, 0, 0, 0, 1, 0]),
        (Fault::Refuse, "broadcast", [0, 0, 0, 0, 0, 0, 5]),
        (Fault::Hang, "connect", [0, 0, 0, 0, 0, 0, 5]),
        (Fault::None, "large --rate 100", [0, 0, 0, 0, 0, 0, 0]),
        // The next event is published only once all streams have this one, which never happens.
        (Fault::Drop(7), "large --rate 100", [1, 0, 0, 0, 0, 0, 0]),
        (Fault::Damage(7), "large --rate 100", [1, 0, 0, 0, 1, 0, 0]),
        (Fault::Repeat(30), "large --rate 100", [0, 0, 1, 0, 0, 0, 0]),
        (Fault::Busy, "ingress16", [0, 0, 0, 0, 0, 0, 0]),
        // The run waits for the first warm-up event; since it does not arrive, the others are not sent.
        (Fault::Silent, "latency --rate 500", [190, 0, 0, 0, 0, 0, 0]),
    ];
    for (fault, scenario, expected) in table {
        let played = play_patiently(fault, scenario, |success, line| {
            let found = ["missing", "gaps", "repeats", "reorders", "damaged", "closed", "refused"]
                .map(|name| line["losses"][name].as_u64().unwrap());
            line["stopped"].is_null() && found == expected && success == (expected == [0; 7])
        });
        assert_eq!(played, Ok(()), "expected {expected:?}");
    }
}

#[test]
fn streams_that_come_and_go_are_checked_too() {
    for fault in [Fault::None, Fault::Forget, Fault::SkipFirst] {
        // Two workers close and open 500 streams per second together, or as many as the machine can.
        let played = play_patiently(fault, "churn --rate 500 --duration 1s --threads 2", |success, line| {
            let reconnects = line["figures"]["reconnects_per_second"].as_f64().unwrap();
            assert!((1.0..600.0).contains(&reconnects), "{reconnects}");
            let is_whole = line["losses"]["missing"] == 0;
            (success, is_whole) == (fault == Fault::None, fault == Fault::None)
        });
        assert_eq!(played, Ok(()));
    }
}

#[test]
fn a_server_that_fails_is_a_result_and_the_next_scenario_is_played() {
    let fake = Fake::start(Fault::Mute);
    let peer = peer(&fake);
    let (output, lines) =
        run(&format!("ingress connect --rounds 1 --streams 10 --events 5 --patience 400ms --peer {peer}"));
    assert!(!output.status.success());
    let stopped = lines[0]["stopped"].as_str().unwrap();
    assert!(stopped.starts_with("failed: no answer"), "{stopped}");
    assert_eq!((lines.len(), &lines[1]["stopped"]), (2, &json!(null)));
    assert!(String::from_utf8_lossy(&output.stdout).contains("### connect"));
}

#[test]
fn a_swarm_that_does_not_open_whole_says_so() {
    // Answered streams are open by the end, if the machine is fast enough.
    let is_told = ["1s", "5s", "30s"].into_iter().any(|time| {
        let fake = Fake::start(Fault::Hang);
        let url = format!("http://{}/", fake.address);
        let args = format!("swarm --json --streams 10 --duration {time} --url {url}");
        let output = loadtest(&args).output().unwrap();
        assert!(!output.status.success());
        summary(&output)["losses"]["refused"] == 5
    });
    assert!(is_told, "five of ten are not open, whatever the time");
}

#[test]
fn an_interrupt_stops_at_once_with_what_there_is() {
    let fake = Fake::start(Fault::None);
    let (peer, out) = (peer(&fake), scratch("interrupted.jsonl"));
    let args = "run broadcast connect --rounds 5 --streams 5 --events 1000000 --deadline 600s";
    let mut command = loadtest(&format!("{args} --peer {peer} --out {}", out.display()));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the measured events have begun", || fake.published() >= 100);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    let text = fs::read_to_string(&out).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["stopped"], "interrupted");
    assert!(line["figures"]["deliveries_per_second"].as_f64().unwrap() > 0.0);
    assert_eq!(line["losses"]["gaps"], 0);
}

#[test]
fn the_deadline_stops_a_run() {
    let fake = Fake::start(Fault::None);
    let peer = peer(&fake);
    let out = scratch("late.jsonl");
    let args = format!("run broadcast --streams 5 --events 1000000 --peer {peer} --deadline 2s --out");
    let output = loadtest(&args).arg(&out).output().unwrap();
    let lines: Vec<Value> =
        fs::read_to_string(&out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!output.status.success());
    assert_eq!((lines.len(), &lines[0]["stopped"]), (1, &json!("deadline")));
}

#[test]
fn servers_that_do_not_start() {
    for (start, expected) in [("'false'", "ended before it listened"), ("'/does/not/exist'", "cannot run")] {
        let peer = Peer { name: "false", server: &format!("start = [{start}]"), ..Peer::PLAIN }.write();
        let (output, lines) = run(&format!("connect --streams 5 --peer {peer}"));
        assert!(!output.status.success() && lines.is_empty());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(expected), "{error}");
    }
}
