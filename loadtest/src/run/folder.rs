//! A folder of its own for each server.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// What stands for the folder in the arguments of a server.
const PLACE: &str = "{folder}";

/// An empty folder, removed at the end.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// A folder for the server with these arguments, which then name it; `None` where they do not ask for one.
    pub(super) fn name_in(arguments: &mut [String]) -> Result<Option<Self>> {
        if !arguments.iter().any(|argument| argument.contains(PLACE)) {
            return Ok(None);
        }
        let name = format!("fanfare-loadtest-{}-{:016x}", std::process::id(), fastrand::u64(..));
        let path = env::temp_dir().join(name);
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let folder = Self(path);
        let text = folder.0.to_str().context("the folder for temporary files has no name in UTF-8")?;
        for argument in arguments {
            *argument = argument.replace(PLACE, text);
        }
        Ok(Some(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays is in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_named_and_removed() {
        let mut arguments = ["--history-dir", "{folder}/a", "--more={folder}"].map(str::to_owned);
        let folder = Folder::name_in(&mut arguments).unwrap().unwrap();
        let path = folder.0.to_str().unwrap().to_owned();
        assert_eq!(arguments, ["--history-dir", &format!("{path}/a"), &format!("--more={path}")]);
        assert!(fs::metadata(&path).unwrap().is_dir());
        drop(folder);
        assert!(fs::metadata(&path).is_err());
        assert!(Folder::name_in(&mut ["serve".to_owned()]).unwrap().is_none());
    }
}
