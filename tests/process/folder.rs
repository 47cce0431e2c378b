//! The folder of a history on disk, as operators treat it: shared, foreign, damaged, full.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use rustix::process::Signal;
use serde_json::json;

use crate::server::{PROGRAM, Server, command, run};
use crate::support::clock::{PATIENCE, eventually};
use crate::support::endpoint::parts;
use crate::support::folder::TestFolder;

fn on(folder: &TestFolder) -> Server {
    Server::start(&["--history-dir", folder.text(), "--history-memory", "64KiB"])
}

/// Ended with status 2 and one line that names the folder.
fn assert_refused(output: &Output, folder: &str, why: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{error}");
    assert!(error.contains(&format!("--history-dir {folder}: ")) && error.contains(why), "{error}");
}

fn refused(folder: &str, why: &str) {
    let output = run(command(&["--listen", "127.0.0.1:0", "--history-dir", folder]));
    assert_refused(&output, folder, why);
}

fn kill(mut server: Server) {
    server.signal(Signal::KILL);
    server.exit_within(PATIENCE);
}

fn log_of(folder: &TestFolder) -> std::path::PathBuf {
    folder.path().join(format!("{:020}.log", 1))
}

/// What stands in the newest segment, without the zeros that are written ahead.
fn written(folder: &TestFolder) -> Vec<u8> {
    let mut bytes = fs::read(log_of(folder)).expect("a segment");
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
    bytes
}

#[test]
fn a_second_server_is_told_that_the_folder_is_in_use() {
    let folder = TestFolder::new();
    let server = on(&folder);
    server.publish(&json!({"data": 1}));
    let before = fs::read(log_of(&folder)).expect("a segment");
    refused(folder.text(), "in use by another process");
    assert_eq!(fs::read(log_of(&folder)).expect("a segment"), before, "nothing is overwritten");
    server.publish(&json!({"data": 2}));
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let folder = TestFolder::new();
    let file = folder.path().join("letters.txt");
    fs::write(&file, "Dear Ada").expect("a file");
    refused(folder.text(), "letters.txt is not of a fanfare history");
    assert_eq!(fs::read_to_string(&file).expect("a file"), "Dear Ada");
    refused(file.to_str().expect("a path"), "");
    refused("/dev/null", "");
    refused("/proc/fanfare/history", "");
}

#[test]
fn a_history_of_a_newer_version_is_left_alone() {
    let folder = TestFolder::new();
    kill(on(&folder));
    let lock = folder.path().join("LOCK");
    let mut bytes = fs::read(&lock).expect("the lock");
    let title = b"fanfare history ";
    assert!(bytes.starts_with(title));
    bytes[title.len()] = b'9';
    fs::write(&lock, &bytes).expect("the lock");
    refused(folder.text(), "format 9");
    assert_eq!(fs::read(&lock).expect("the lock"), bytes);
}

#[test]
fn a_torn_end_is_cut_and_what_was_acknowledged_is_there() {
    let folder = TestFolder::new();
    let server = on(&folder);
    let ids: Vec<String> = (0..20).map(|n| server.publish(&json!({"data": n}))).collect();
    kill(server);
    let log = log_of(&folder);
    let whole = written(&folder);
    for torn in [&b"\x00\x07\x00"[..], &[7; 1000]] {
        fs::write(&log, [&whole[..], torn].concat()).expect("a segment");
        let server = on(&folder);
        let mut again = server.resume("", &ids[0]);
        assert_eq!((again.reason(), again.take(19).len()), (None, 19));
        assert!(server.log().contains("cut off"), "{}", server.log());
        kill(server);
        assert_eq!(written(&folder), whole, "nothing else is cut");
    }
}

#[test]
fn damage_in_the_middle_costs_what_it_hit_and_is_told_to_whom_it_concerns() {
    let folder = TestFolder::new();
    let server = on(&folder);
    let ids: Vec<String> = (0..30)
        .map(|n| {
            server.publish(&json!({"data": format!("number {n}"), "to": {"user": format!("u{}", n % 3)}}))
        })
        .collect();
    kill(server);
    let log = log_of(&folder);
    let mut bytes = written(&folder);
    let hit = bytes.windows(9).position(|nine| nine == b"number 12").expect("the event");
    bytes[hit] ^= 0x20;
    fs::write(&log, &bytes).expect("a segment");
    let server = on(&folder);
    assert!(server.log().contains("damaged"), "{}", server.log());
    let mut concerned = server.resume("?userId=u0", &ids[0]);
    assert_eq!(concerned.reason().as_deref(), Some("expired"));
    let left: Vec<u64> =
        concerned.take(8).iter().map(|message| parts(message.id.as_deref().expect("an id")).1).collect();
    assert_eq!(left, [4, 7, 10, 16, 19, 22, 25, 28], "all but the thirteenth");
    let behind = server.resume("?userId=u0", &ids[15]);
    assert_eq!(behind.reason(), None, "the loss is before that");
    let damages = server.stats()["engine"]["history"]["disk"]["damages"].as_u64();
    assert!(damages > Some(0), "{damages:?}");
    kill(server);
    assert!(written(&folder).starts_with(&bytes), "nothing valid is removed");
}

/// The kernel refuses to make a file larger, as a full disk does.
#[test]
fn a_full_disk_costs_nothing_that_was_acknowledged() {
    let folder = TestFolder::new();
    let mut limited = Command::new("sh");
    // In units of 512 bytes, or of 1,024 where the shell is bash.
    limited.args(["-c", "ulimit -f 8192 && exec \"$0\" \"$@\"", PROGRAM]);
    limited.args(["--listen", "127.0.0.1:0", "--history-dir", folder.text(), "--history-memory", "64KiB"]);
    limited.stdin(std::process::Stdio::null());
    limited.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let server = Server::launch(limited);
    let large = "x".repeat(50_000);
    let mut connection = server.connect();
    let mut acknowledged = Vec::new();
    let refusal = loop {
        let event = json!({"data": [acknowledged.len(), large]});
        let response = connection.post("/api/sse/events", event.to_string());
        if response.status() != 202 {
            break response;
        }
        acknowledged.push(response.json()["id"].as_str().expect("an id").to_owned());
    };
    assert_eq!(refusal.status(), 507, "{}", refusal.text());
    let mut stream = server.resume("", &acknowledged[0]);
    assert_eq!((stream.reason(), stream.take(acknowledged.len() - 1).len()), (None, acknowledged.len() - 1));
    kill(server);
    let server = on(&folder);
    let next = server.publish(&json!({"data": "room"}));
    let mut again = server.resume("", &acknowledged[0]);
    assert_eq!(again.reason(), None);
    let ids: Vec<String> =
        again.take(acknowledged.len()).into_iter().map(|message| message.id.expect("an id")).collect();
    assert_eq!((&ids[..ids.len() - 1], ids.last()), (&acknowledged[1..], Some(&next)));
}

#[test]
fn a_missing_index_is_made_anew() {
    let folder = TestFolder::new();
    let args = ["--history-dir", folder.text(), "--history-memory", "64KiB", "--history-bytes", "1MiB"];
    let server = Server::start(&args);
    let mut connection = server.connect();
    let large = "x".repeat(5_000);
    let mut publish = |n: usize| {
        let event =
            json!({"data": [n, large], "to": {"user": if n.is_multiple_of(10) { "ada" } else { "bob" }}});
        crate::server::publish(&mut connection, &event)
    };
    let ids: Vec<String> = (0..150).map(&mut publish).collect();
    let has_index = |name: &String| Path::new(name).extension().is_some_and(|extension| extension == "idx");
    eventually("segments are sealed", || folder.names().iter().any(has_index));
    kill(server);
    for name in folder.names().iter().filter(|name| has_index(name)) {
        fs::remove_file(folder.path().join(name)).expect("an index");
    }
    let server = Server::start(&args);
    let mut ada = server.resume("?userId=ada", &ids[0]);
    assert_eq!((ada.reason(), ada.take(14).len()), (None, 14));
}
