//! The log in a folder of the file system, and what is refused.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fanfare::Target;
use fanfare::journal::log::{
    Append, Disk, Entry, Folder, Log, LogOptions, OpenError, Opening, Query, RefusedAppend, Unstorable,
};

use crate::disk::SimulatedDisk;
use crate::world::read;

/// A folder of its own, which goes with it.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("fanfare-log-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self) -> Result<Log, OpenError> {
        open(Arc::new(Folder::open(&self.0).expect("a folder")))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(disk: Arc<dyn Disk>) -> Result<Log, OpenError> {
    let options = LogOptions { segment_bytes: 4 << 10, ..LogOptions::new(true, 1 << 40, 1 << 30) };
    Log::open(disk, options, Opening { unix_ms: 5_000, epoch: 4_000, hash_key: [1, 2] })
}

fn append(log: &mut Log, target: &Target, text: &str) -> Result<u64, RefusedAppend> {
    let fields = format!("data: {text}\n\n").into_bytes();
    let entry = Entry { target, fields: &fields, retry_ms: None, ttl_ms: None, is_text: true, is_end: false };
    log.appender.append(&[Append { entries: &[entry], key: None }], 5_000).map(|seqs| seqs.start)
}

#[test]
fn a_log_in_a_folder_is_read_again_after_it_was_closed_and_after_it_was_not() {
    let place = Place::new();
    let mut epoch = None;
    for round in 0..6_u64 {
        let mut log = place.open().expect("a log");
        assert_eq!(*epoch.get_or_insert(log.appender.epoch()), log.appender.epoch());
        let found = read(&log.reader, &Query::all(), 0, 0, &mut fastrand::Rng::with_seed(round));
        assert_eq!(found.len() as u64, round * 100);
        assert!((1..).zip(&found).all(|(seq, stored)| stored.seq == seq && stored.data() == seq.to_string()));
        for seq in round * 100 + 1..=round * 100 + 100 {
            let target = Target::user(format!("user-{}", seq % 7));
            assert_eq!(append(&mut log, &target, &seq.to_string()).expect("room"), seq);
        }
        let done = log.maintenance.run(5_000);
        assert!(done.errors.is_empty() && done.sealed > 0, "{done:?}");
        if round % 2 == 0 {
            log.appender.close().expect("a clean end");
        }
    }
    assert!(place.open().expect("a log").reader.report().segments > 3);
    assert!(Folder::open(&place.0).expect("a folder").free_bytes().expect("a number") > 0);
}

#[test]
fn a_folder_has_one_log_at_a_time() {
    let place = Place::new();
    let log = place.open().expect("a log");
    let error = place.open().expect_err("in use");
    assert_eq!(error.to_string(), "the history is in use by another process");
    drop(log);
    place.open().expect("nobody has it");
}

#[test]
fn what_is_not_ours_is_refused_and_stays_as_it_is() {
    for name in ["notes.txt", "LOCK", "00000000000000000001.log"] {
        let disk = SimulatedDisk::new(1);
        disk.put(name, b"something else");
        let error = open(Arc::new(disk.clone())).expect_err("refused").to_string();
        assert!(error.contains(name) && error.contains("give the history a folder of its own"), "{error}");
        assert_eq!(disk.content(name), b"something else");
        assert!(disk.file_names().iter().all(|known| *known == name || known == "LOCK"), "nothing was made");
    }
    let disk = SimulatedDisk::new(1);
    for name in ["lost+found", ".keep"] {
        disk.put(name, b"");
    }
    open(Arc::new(disk)).expect("a new log");
}

#[test]
fn a_newer_format_is_refused_and_stays_as_it_is() {
    let disk = SimulatedDisk::new(1);
    drop(open(Arc::new(disk.clone())).expect("a log"));
    disk.damage("LOCK", |bytes| bytes[..18].copy_from_slice(b"fanfare history 2\n"));
    let before = disk.content("LOCK");
    let error = open(Arc::new(disk.clone())).expect_err("refused").to_string();
    assert!(error.contains("format 2") && error.contains("use a newer version"), "{error}");
    assert_eq!(disk.content("LOCK"), before);
}

#[test]
fn a_folder_that_cannot_be_used_is_told_by_what_failed() {
    let place = Place::new();
    fs::write(&place.0, "a file").expect("a file");
    assert!(Folder::open(&place.0).is_err(), "it is a file");
    fs::remove_file(&place.0).expect("no file");
    // As root, permissions refuse nothing; a name that is a folder does.
    fs::create_dir_all(place.0.join("LOCK")).expect("a folder");
    let error = place.open().expect_err("not a file").to_string();
    assert!(error.starts_with("cannot lock LOCK: "), "{error}");
}

#[test]
fn a_closure_is_kept_nowhere_and_refused_with_all_that_comes_with_it() {
    let disk = SimulatedDisk::new(1);
    let mut log = open(Arc::new(disk)).expect("a log");
    let error = append(&mut log, &Target::filter(|_| true), "x").expect_err("refused");
    assert!(matches!(error, RefusedAppend::Unstorable(Unstorable::Filter)), "{error}");
    assert_eq!(append(&mut log, &Target::all(), "x").expect("room"), 1);
}
