//! A file of a test's own, removed with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) struct File(PathBuf);

impl File {
    /// With that text. No two files of a run have one path, whatever their names.
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let file = Self::absent(name);
        fs::write(&file.0, text).expect("a folder for temporary files");
        file
    }

    /// A path at which nothing is yet.
    pub(crate) fn absent(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (process, n) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("fanfare-{process}-{n}-{name}"));
        let _ = fs::remove_file(&path);
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("a path in UTF-8")
    }
}

impl AsRef<Path> for File {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
