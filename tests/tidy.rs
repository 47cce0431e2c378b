//! What the layout of the code promises: layers, lengths, names, and where time comes in.

use std::fs;
use std::path::{Path, PathBuf};

/// What each part of the crate may import, beside itself.
const LAYERS: [(&str, &[&str]); 8] = [
    ("wire", &[]),
    ("shard", &["wire"]),
    ("journal", &["shard", "wire"]),
    ("net", &["journal", "shard", "wire"]),
    ("config", &["shard"]),
    ("publisher", &["net", "journal", "shard", "wire"]),
    ("server", &["net", "journal", "config", "publisher", "shard", "wire"]),
    // The program: the library's public API only.
    ("cli", &["fanfare"]),
];
/// Of the shard, a journal sees only the commands.
const OF_SHARD_FOR_JOURNAL: [&str; 5] = ["Command", "Join", "Outlet", "Resume", "StreamToken"];
const MAX_LINES: usize = 500;
const MAX_MEDIAN_LINES: usize = 250;
const TOP_LEVEL: [&str; 17] = [
    ".ci",
    ".clippy.toml",
    ".git",
    ".github",
    ".gitignore",
    ".rustfmt.toml",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "benches",
    "client",
    "loadtest",
    "src",
    "target",
    "tests",
];
const REFUSED_NAMES: [&str; 8] =
    ["Manager", "Handler", "Context", "Registry", "mod utils", "mod common", "mod core", "mod helpers"];
const REFUSED_CODE: [&str; 6] =
    ["todo!(", "unimplemented!(", "#[ignore", "unsafe {", "Instant::now(", "SystemTime::now("];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a text");
            found.push((path, text));
        }
    }
    found
}

fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"))
}

/// The parts of the crate that a file imports or names by `crate::`.
fn imports(text: &str) -> Vec<String> {
    let of_line = |line: &str| {
        let by_path = line.match_indices("crate::").map(|(at, found)| &line[at + found.len()..]);
        let word =
            |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        by_path.map(word).filter(|word| !word.is_empty()).collect::<Vec<_>>()
    };
    code_lines(text).flat_map(of_line).collect()
}

fn part_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).expect("a source");
    let first = inside.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// What is wrong with the imports of one file.
fn misplaced(part: &str, text: &str) -> Vec<String> {
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == part) else { return Vec::new() };
    let mut wrong: Vec<String> = imports(text)
        .into_iter()
        .filter(|import| import != part && !allowed.contains(&import.as_str()))
        .collect();
    if part == "journal" {
        let shard = code_lines(text).filter_map(|line| line.strip_prefix("use crate::shard::"));
        let names =
            shard.flat_map(|rest| rest.split(['{', '}', ',', ';', ' '])).filter(|name| !name.is_empty());
        wrong.extend(names.filter(|name| !OF_SHARD_FOR_JOURNAL.contains(name)).map(str::to_owned));
    }
    wrong
}

fn refused(text: &str) -> Vec<&'static str> {
    let found = |word: &&&str| code_lines(text).any(|line| line.contains(**word));
    REFUSED_NAMES.iter().chain(&REFUSED_CODE).filter(found).copied().collect()
}

#[test]
fn layers_import_only_what_lies_below_them() {
    for (path, text) in sources(&root().join("src")) {
        let wrong = misplaced(&part_of(&path), &text);
        assert!(wrong.is_empty(), "{} imports {wrong:?}", path.display());
    }
}

#[test]
fn files_are_short() {
    for folder in ["src", "loadtest/src", "tests", "benches"] {
        let mut lengths: Vec<(usize, PathBuf)> = sources(&root().join(folder))
            .into_iter()
            .map(|(path, text)| (text.lines().count(), path))
            .collect();
        lengths.sort();
        let (longest, path) = lengths.last().expect("a file");
        assert!(*longest <= MAX_LINES, "{} has {longest} lines", path.display());
        let median = lengths[lengths.len() / 2].0;
        assert!(median <= MAX_MEDIAN_LINES, "half of the files of {folder} have {median} lines or more");
    }
}

#[test]
fn functions_are_short() {
    // clippy does it; this is that it is told to.
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    assert!(manifest.contains("too_many_lines = \"warn\"") && manifest.contains("unsafe_code = \"forbid\""));
    let clippy = fs::read_to_string(root().join(".clippy.toml")).expect("its settings");
    assert!(clippy.contains("too-many-lines-threshold = 70"));
}

#[test]
fn nothing_refused_is_there() {
    for (path, text) in sources(&root().join("src")) {
        let clock = path.ends_with("net/clock.rs");
        let found: Vec<_> =
            refused(&text).into_iter().filter(|word| !(clock && word.ends_with("::now("))).collect();
        assert!(found.is_empty(), "{}: {found:?}", path.display());
    }
}

#[test]
fn the_top_level_shows_the_architecture() {
    for entry in fs::read_dir(root()).expect("the root") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        assert!(TOP_LEVEL.contains(&name.as_str()), "{name} does not belong at the top level");
    }
}

#[test]
fn the_checks_can_fail() {
    assert_eq!(misplaced("wire", "use crate::shard::Shard;"), ["shard"]);
    assert_eq!(misplaced("wire", "use crate::wire::Event;"), Vec::<String>::new());
    assert_eq!(misplaced("wire", "// use crate::shard::Shard;"), Vec::<String>::new());
    assert_eq!(misplaced("shard", "    let x = crate::net::start();"), ["net"]);
    assert_eq!(misplaced("journal", "use crate::shard::{Join, Shard};"), ["Shard"]);
    assert_eq!(misplaced("cli", "use crate::net::Running;"), ["net"]);
    assert_eq!(refused("struct TaskManager;"), ["Manager"]);
    assert_eq!(refused("    // a Manager\n    let now = Instant::now();"), ["Instant::now("]);
}
