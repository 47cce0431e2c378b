//! How long files and functions are.

use std::fs;

use crate::{root, sources};

const MAX_LINES: usize = 500;
const MAX_MEDIAN_LINES: usize = 250;
const FOLDERS: [&str; 5] = ["src", "tests", "benches", "loadtest/src", "loadtest/tests"];

/// What is wrong with files of such lengths.
fn too_long(mut lengths: Vec<(usize, String)>) -> Option<String> {
    lengths.sort();
    let (longest, name) = lengths.last()?;
    if *longest > MAX_LINES {
        return Some(format!("{name} has {longest} lines"));
    }
    let (median, _) = lengths[lengths.len() / 2];
    (median > MAX_MEDIAN_LINES).then(|| format!("half of the files have {median} lines or more"))
}

#[test]
fn files_are_short() {
    for folder in FOLDERS {
        let lengths = sources(folder).into_iter();
        let lengths = lengths.map(|(path, text)| (text.lines().count(), path.display().to_string()));
        assert_eq!(too_long(lengths.collect()), None, "in {folder}");
    }
}

#[test]
fn a_long_file_is_found() {
    let files = |lengths: &[usize]| lengths.iter().map(|lines| (*lines, format!("{lines}.rs"))).collect();
    assert_eq!(too_long(files(&[10, 500, 20])), None);
    assert_eq!(too_long(files(&[10, 501, 20])).as_deref(), Some("501.rs has 501 lines"));
    assert_eq!(too_long(files(&[250, 250, 250])), None);
    assert!(too_long(files(&[10, 251, 300])).is_some_and(|found| found.contains("251")));
}

/// Clippy counts the lines of functions; this is that it is told to, and that nobody tells it not to.
#[test]
fn functions_are_short() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    for line in ["too_many_lines = \"warn\"", "disallowed_methods = \"warn\"", "unsafe_code = \"forbid\""] {
        assert!(manifest.contains(line), "{line}");
    }
    let clippy = fs::read_to_string(root().join(".clippy.toml")).expect("its settings");
    for line in ["too-many-lines-threshold = 70", "std::time::Instant::now", "std::time::SystemTime::now"] {
        assert!(clippy.contains(line), "{line}");
    }
    let checks = fs::read_to_string(root().join(".ci/run")).expect("the checks");
    assert!(checks.contains("clippy --workspace --all-targets --locked -- -D warnings"));
    for folder in ["src", "benches", "loadtest/src", "loadtest/tests"] {
        for (path, text) in sources(folder) {
            assert!(!text.contains("too_many_lines"), "{} excuses itself", path.display());
        }
    }
    let own = fs::read_to_string(root().join("loadtest/Cargo.toml")).expect("a manifest");
    assert!(own.contains("[lints]\nworkspace = true") && manifest.contains("[lints]\nworkspace = true"));
}
