//! A folder of its own for each test.

use std::fs;
use std::path::{Path, PathBuf};

/// A folder that is removed at the end of the test.
#[derive(Debug)]
pub struct TestFolder(PathBuf);

impl TestFolder {
    /// An empty folder.
    pub fn new() -> Self {
        let name = format!("fanfare-test-{}-{:016x}", std::process::id(), fastrand::u64(..));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a folder");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path as an option of the command line.
    pub fn text(&self) -> &str {
        self.0.to_str().expect("a path in UTF-8")
    }

    /// The names of what is in it, in order.
    pub fn names(&self) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.expect("an entry").file_name().into_string().expect("a name in UTF-8")
        };
        let mut names: Vec<String> = fs::read_dir(&self.0).expect("the folder").map(name).collect();
        names.sort();
        names
    }
}

impl Default for TestFolder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        // A test that fails has said why already.
        let _ = fs::remove_dir_all(&self.0);
    }
}
