//! Files of keys.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::access::{ApiKeys, InvalidApiKeys, KeyWarning, Keys};
#[cfg(feature = "jwt")]
use crate::access::{InvalidKey, TokenKeys};

/// The files that hold the keys.
#[derive(Clone, Debug)]
pub(crate) struct KeyFiles {
    #[cfg(feature = "jwt")]
    pub(crate) tokens: Option<TokenKeyFile>,
    pub(crate) api: Option<PathBuf>,
}

/// The file with the keys that verify tokens, and its format.
#[cfg(feature = "jwt")]
#[derive(Clone, Debug)]
pub(crate) enum TokenKeyFile {
    Secret(PathBuf),
    PublicKey(PathBuf),
    Jwks(PathBuf),
}

/// A key file that cannot be read or used.
#[derive(Debug, thiserror::Error)]
#[error("{option}: {}: {fault}", path.display())]
pub struct KeyFileError {
    /// The option that names it.
    pub option: &'static str,
    /// The file.
    pub path: PathBuf,
    fault: Fault,
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    System(#[from] io::Error),
    #[error("has more than {} KiB", MAX_FILE / 1024)]
    Size,
    #[error("is not UTF-8")]
    NotUtf8,
    #[cfg(feature = "jwt")]
    #[error(transparent)]
    Tokens(#[from] InvalidKey),
    #[error(transparent)]
    Api(#[from] InvalidApiKeys),
}

/// Maximum bytes of a key file. A larger one was probably named by mistake.
const MAX_FILE: u64 = 1024 * 1024;
/// Maximum number of warnings about one file.
const MAX_WARNINGS: usize = 16;

impl KeyFiles {
    /// Reads all files.
    pub(crate) fn read(&self) -> Result<Keys, KeyFileError> {
        let mut keys = Keys::default();
        #[cfg(feature = "jwt")]
        if let Some(file) = &self.tokens {
            let tokens = used(file.option(), file.path(), |bytes| Ok(file.parse(bytes)?))?;
            warn(file.path(), tokens.warnings());
            keys.tokens = Some(tokens);
        }
        if let Some(path) = &self.api {
            keys.api = used("api-key-file", path, |bytes| {
                Ok(ApiKeys::parse(std::str::from_utf8(bytes).map_err(|_| Fault::NotUtf8)?)?)
            })?;
            warn(path, keys.api.warnings());
        }
        Ok(keys)
    }
}

#[cfg(feature = "jwt")]
impl TokenKeyFile {
    fn path(&self) -> &Path {
        match self {
            Self::Secret(path) | Self::PublicKey(path) | Self::Jwks(path) => path,
        }
    }

    fn option(&self) -> &'static str {
        match self {
            Self::Secret(_) => "jwt-secret-file",
            Self::PublicKey(_) => "jwt-public-key-file",
            Self::Jwks(_) => "jwks-file",
        }
    }

    fn parse(&self, bytes: &[u8]) -> Result<TokenKeys, InvalidKey> {
        match self {
            Self::Secret(_) => TokenKeys::from_secret(bytes),
            Self::PublicKey(_) => TokenKeys::from_pem(bytes),
            Self::Jwks(_) => TokenKeys::from_jwks(bytes),
        }
    }
}

/// Logs what is doubtful about a file.
fn warn(path: &Path, warnings: &[KeyWarning]) {
    let path = path.display();
    for warning in warnings.iter().take(MAX_WARNINGS) {
        tracing::warn!(%path, "{warning}");
    }
    if let Some(more @ 1..) = warnings.len().checked_sub(MAX_WARNINGS) {
        tracing::warn!(%path, more, "further warnings about this file are left out");
    }
}

fn used<T>(
    option: &'static str,
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, Fault>,
) -> Result<T, KeyFileError> {
    let failed = |fault| KeyFileError { option, path: path.to_owned(), fault };
    read(path).and_then(|bytes| parse(&bytes)).map_err(failed)
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MAX_FILE {
        true => Err(Fault::Size),
        false => Ok(bytes),
    }
}
