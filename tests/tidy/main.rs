//! What the layout of the code promises: layers, no circles, lengths, names, where time comes in, and what is at the top.
//!
//! Each check is a function of a text, so that a test beside it can show that it fails where it should.

mod circles;
mod layers;
mod lengths;
mod paths;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

const TOP_LEVEL: [&str; 19] = [
    ".ci",
    ".clippy.toml",
    ".git",
    ".github",
    ".gitignore",
    ".rustfmt.toml",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "client",
    "examples",
    "loadtest",
    "src",
    "target",
    "tests",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All sources below a folder, by their path in it.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = root().join(folder);
    let mut found = Vec::new();
    collect(&folder, &mut found);
    assert!(!found.is_empty(), "no source in {}", folder.display());
    let inside = |path: PathBuf| path.strip_prefix(&folder).expect("a path in it").to_owned();
    found.into_iter().map(|(path, text)| (inside(path), text)).collect()
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a text");
            found.push((path, text));
        }
    }
}

/// The lines that are code, without comments at their end.
fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| match line.find("//") {
        // Not within a string: a URL.
        Some(at) if !line[..at].ends_with(':') => &line[..at],
        _ => line,
    })
}

#[test]
fn the_top_level_shows_the_architecture() {
    for entry in fs::read_dir(root()).expect("the root") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        assert!(TOP_LEVEL.contains(&name.as_str()), "{name} does not belong at the top level");
    }
}
