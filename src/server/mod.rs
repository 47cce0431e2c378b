//! The engine as a program embeds it.

mod builder;
mod engine;
mod epoch;
mod history;
mod keys;
mod options;

pub use builder::EngineBuilder;
pub use engine::Engine;

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::ConfigError;
use crate::journal::log::OpenError;
use crate::net::KeyFileError;

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An option has a value that it cannot have.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It would let everybody do everything, from anywhere.
    #[error("refusing to listen on {0} without authentication: configure keys or allow insecure-open")]
    OpenBeyondLoopback(SocketAddr),
    /// A file of keys cannot be read or used.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// The folder of the history cannot be used.
    #[error("history-dir {}: {error}", folder.display())]
    History {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        #[source]
        error: OpenError,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The system refused something else: a thread, a descriptor, a socket option.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}
