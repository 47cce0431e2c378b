use std::process::{Command, Stdio};
use std::thread;

use serde_json::json;

use crate::fake::{Fake, Fault};
use crate::run::{load, loadtest, report};

/// 10 streams, 20 events, and a short patience for what never comes.
const SMALL: &str = "--streams 10 --payload 64 --patience 400ms";

#[test]
fn each_fault_is_reported_exactly() {
    // missing, gaps, repeats, reorders, damaged, closed, refused
    let table = [
        (Fault::None, "--in-flight 1 --warm-up 2 --events 18", [0, 0, 0, 0, 0, 0, 0]),
        (Fault::Busy, "--in-flight 4 --warm-up 2 --events 18", [0, 0, 0, 0, 0, 0, 0]),
        (Fault::Drop(7), "--in-flight 4 --warm-up 2 --events 18", [1, 1, 0, 0, 0, 0, 0]),
        (Fault::Drop(7), "--in-flight 1 --warm-up 2 --events 18", [1, 1, 0, 0, 0, 0, 0]),
        (Fault::Drop(1), "--rate 500 --warm-up 2 --events 18", [1, 1, 0, 0, 0, 0, 0]),
        // No later event shows it.
        (Fault::Drop(20), "--in-flight 4 --warm-up 2 --events 18", [1, 0, 0, 0, 0, 0, 0]),
        (Fault::Repeat(7), "--in-flight 4 --warm-up 2 --events 18", [0, 0, 1, 0, 0, 0, 0]),
        (Fault::Repeat(20), "--rate 500 --warm-up 2 --events 18", [0, 0, 1, 0, 0, 0, 0]),
        (Fault::Swap(7), "--in-flight 4 --warm-up 2 --events 18", [0, 0, 0, 1, 0, 0, 0]),
        (Fault::Damage(7), "--in-flight 4 --warm-up 2 --events 18", [1, 1, 0, 0, 1, 0, 0]),
        (Fault::Close(7), "--in-flight 1 --warm-up 2 --events 18", [14, 0, 0, 0, 0, 1, 0]),
        (Fault::Refuse, "--in-flight 2 --warm-up 2 --events 18", [0, 0, 0, 0, 0, 0, 5]),
        (Fault::Silent, "--rate 500 --warm-up 0 --events 18", [180, 0, 0, 0, 0, 0, 0]),
    ];
    for (fault, pace, expected) in table {
        let fake = Fake::start(fault);
        let (success, report) = load(&fake.url(), &format!("{SMALL} {pace}"));
        let losses = &report["losses"];
        let found = ["missing", "gaps", "repeats", "reorders", "damaged", "closed", "refused"]
            .map(|name| losses[name].as_u64().unwrap());
        assert_eq!(found, expected, "{fault:?} {pace}: {report}");
        assert_eq!(success, expected == [0; 7], "{fault:?} {pace}");
        assert_eq!(report["stopped"], json!(null), "{fault:?} {pace}");
    }
}

#[test]
fn an_interrupt_stops_at_once_with_what_there_is() {
    let fake = Fake::start(Fault::None);
    let url = fake.url();
    let mut command =
        loadtest(&format!("load --json --streams 5 --events 1000000 --url {url} --deadline 30s"));
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    // The measured events have begun; the load's own deadline bounds the wait.
    while fake.published() < 100 {
        thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let (success, report) = report(&child.wait_with_output().unwrap());
    assert!(!success);
    assert_eq!(report["stopped"], "interrupted");
    assert!(report["delivery"]["deliveries"].as_u64().unwrap() > 0);
}

#[test]
fn the_deadline_stops_a_load() {
    let fake = Fake::start(Fault::None);
    let args = "--streams 5 --events 1000000 --deadline 2s";
    let output = loadtest(&format!("load --json --url {} {args}", fake.url())).output().unwrap();
    let (success, report) = report(&output);
    assert_eq!((success, &report["stopped"]), (false, &json!("deadline")));
}

#[test]
fn nobody_there() {
    // Bound and never accepted by anyone: closed before the load begins.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (success, report) = load(&format!("http://{address}/"), "--streams 5");
    assert_eq!((success, &report["losses"]["refused"]), (false, &json!(5)));
    assert!(report["losses"]["trouble"].as_str().unwrap().contains("refused"), "{report}");
}

#[test]
fn bad_options() {
    for args in ["load --payload 10", "load --url nonsense", "load --rate 0", "load --in-flight 1 --rate 1"] {
        let output = loadtest(args).output().unwrap();
        assert!(!output.status.success() && !output.stderr.is_empty(), "{args}");
    }
}
