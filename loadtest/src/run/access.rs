//! The keys of a server that is started with keys, in a temporary folder.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};

use crate::peer::{Peer, Secured};
use crate::token::{Forger, Signer, TokenAlgorithm};

const EC: &[u8] = include_bytes!("../../keys/ec.pem");
const KEY_SET: &str = include_str!("../../keys/jwks.json");
/// The ids of the keys in the set, and the length of their signatures in bytes.
const ES256: (&str, usize) = ("ec", 64);
const RS256: (&str, usize) = ("rsa", 512);

pub(super) struct Access {
    secured: Secured,
    folder: PathBuf,
    /// The honest publisher's key.
    api_key: String,
    signer: Signer,
}

impl Access {
    pub(super) fn new(peer: &Peer) -> Result<Self> {
        let secured = peer.secured.clone().context("its file has no [secured]")?;
        let signer = Signer::new(EC, TokenAlgorithm::Es256, Some(ES256.0), &secured.claims)?;
        let folder = folder()?;
        let api_key: String = (0..32).map(|_| fastrand::alphanumeric()).collect();
        let access = Self { secured, folder, api_key, signer };
        fs::write(access.folder.join("api-keys"), format!("{} publish\n", access.api_key))?;
        fs::write(access.folder.join("jwks.json"), KEY_SET)?;
        Ok(access)
    }

    /// Arguments of the server.
    pub(super) fn arguments(&self) -> Vec<String> {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let fill = |text: &String| {
            text.replace("{api_keys}", &path("api-keys")).replace("{key_set}", &path("jwks.json"))
        };
        self.secured.arguments.iter().map(fill).collect()
    }

    /// Path and query of a request that needs no credentials.
    pub(super) fn health(&self) -> &str {
        &self.secured.health
    }

    /// The honest publisher's `Authorization` field.
    pub(super) fn publisher_field(&self) -> String {
        format!("Authorization: Bearer {}", self.api_key)
    }

    /// A token for each of the streams. Another `id` makes other tokens.
    pub(super) fn tokens(&self, streams: usize, id: &str) -> Result<Vec<String>> {
        self.signer.tokens(0, streams, id)
    }

    pub(super) fn forger(&self, algorithm: TokenAlgorithm) -> Result<Forger> {
        let (name, (id, bytes)) = match algorithm {
            TokenAlgorithm::Rs256 => ("RS256", RS256),
            _ => ("ES256", ES256),
        };
        Forger::new(name, id, bytes, &self.secured.claims)
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        // A leftover folder is harmless.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Creates a folder that only this user may read.
fn folder() -> Result<PathBuf> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("loadtest-{}-{number}-{:x}", std::process::id(), fastrand::u64(..));
    let path = std::env::temp_dir().join(name);
    DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}
