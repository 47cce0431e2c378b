//! A server to load, described by a file: how to start it, where its streams are, how to publish.

use std::path::Path;
use std::{fs, str::FromStr};

use anyhow::{Context as _, Error, Result, ensure};
use serde::Deserialize;

use crate::template::Template;

/// The built-in peers.
const BUILT_IN: [&str; 2] = [include_str!("../peers/floor.toml"), include_str!("../peers/fanfare.toml")];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peer {
    pub(crate) name: String,
    /// Program and arguments; `{address}` stands for 127.0.0.1 and a free port, `{port}` for the port alone. A program without
    /// a slash is searched beside this executable, in its `examples`, and on the path. Empty if it already runs at `address`.
    #[serde(default)]
    pub(crate) start: Vec<String>,
    /// The same for a start with a listening socket that a service manager passes on: sd_listen_fds(3). Empty if the server
    /// does not support it.
    #[serde(default)]
    pub(crate) activated: Vec<String>,
    /// The address of a server that already runs.
    pub(crate) address: Option<String>,
    /// Its process, if it already runs; its descendants count as well.
    pub(crate) pid: Option<u32>,
    /// A command that prints a version to standard output or error; the first line is used.
    #[serde(default)]
    pub(crate) version: Vec<String>,
    #[serde(default = "post")]
    pub(crate) method: String,
    /// Header fields of every publish, `Name: value`.
    #[serde(default)]
    pub(crate) headers: Vec<String>,
    /// Header fields of every stream's request.
    #[serde(default)]
    pub(crate) stream_headers: Vec<String>,
    /// The beginning of the data of its first event on each stream, if that is not named `connection`.
    pub(crate) greeting: Option<String>,
    /// The data of its heartbeats, if they are neither comments nor events named `ping`.
    pub(crate) ping: Option<String>,
    /// Whether it honours `Last-Event-ID`.
    #[serde(default)]
    pub(crate) resumes: bool,
    /// Arguments that set its heartbeat interval, for which `{seconds}` stands.
    #[serde(default)]
    pub(crate) heartbeat: Vec<String>,
    /// Arguments that keep its history in a folder, for which `{folder}` stands, and next to nothing in memory.
    #[serde(default)]
    pub(crate) archive: Vec<String>,
    /// Arguments that set the size of its history, for which `{bytes}` stands.
    #[serde(default)]
    pub(crate) history: Vec<String>,
    /// Sends every event to every stream.
    pub(crate) all: Route,
    /// Each stream belongs to user `{n}`, and each event is for the user `{n}` of its publish.
    pub(crate) user: Option<Route>,
    /// Each topic has ten streams: a stream follows topic `{n/10}`, by a pattern if the server has patterns. Each event is for
    /// the topic `{n}` of its publish.
    pub(crate) topic: Option<Route>,
    /// A stream with a user, a session and a topic; nothing is published to it.
    pub(crate) identified: Option<StreamOnly>,
    pub(crate) batch: Option<Batch>,
    pub(crate) secured: Option<Secured>,
    pub(crate) wildcards: Option<Wildcards>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// Path and query of a stream.
    pub(crate) stream: Template,
    /// Path and query to publish to.
    pub(crate) publish: Template,
    /// The body; `{data}` stands for the event's JSON.
    pub(crate) body: Template,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamOnly {
    pub(crate) stream: Template,
}

/// Many events in one request, one body per line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch {
    /// Used instead of `headers`.
    pub(crate) headers: Vec<String>,
}

/// How to start it so that publishing needs a key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secured {
    /// Further arguments: `{api_keys}` stands for a file with one line, a key and the scope `publish`; `{key_set}` for a JSON
    /// Web Key Set with keys for ES256 and RS256. Clients without credentials may subscribe.
    #[serde(default)]
    pub(crate) arguments: Vec<String>,
    /// Claims of a subscriber's token, without `exp`; `{n}` stands for the number of the stream.
    pub(crate) claims: String,
    /// Path and query of a request that needs no credentials and is answered at once.
    pub(crate) health: String,
}

/// How streams name patterns of topics, and how to publish to many topics.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wildcards {
    /// The query parameter that is repeated for each pattern.
    pub(crate) parameter: String,
    /// The body of a publish; `{topics}` stands for a JSON array of topics.
    pub(crate) body: String,
}

fn post() -> String {
    "POST".to_owned()
}

impl Peer {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        text.parse().with_context(|| path.display().to_string())
    }

    /// `floor` or `fanfare`.
    pub(crate) fn built_in(name: &str) -> Result<Self> {
        let peers: Vec<Self> = BUILT_IN.into_iter().map(str::parse).collect::<Result<_>>()?;
        peers.into_iter().find(|peer| peer.name == name).with_context(|| {
            format!("no server called {name:?} is known: floor and fanfare are, and --peer reads files")
        })
    }
}

impl FromStr for Peer {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let peer: Self = toml::from_str(text)?;
        ensure!(!peer.name.is_empty(), "a peer has a name");
        ensure!(peer.start.is_empty() != peer.address.is_none(), "a peer has either `start` or `address`");
        let headers = peer.headers.iter().chain(&peer.stream_headers);
        for header in headers.chain(peer.batch.iter().flat_map(|batch| &batch.headers)) {
            ensure!(header.contains(':') && !header.contains(['\r', '\n']), "not a field: {header:?}");
        }
        Ok(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_come_along() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let mut names = Vec::new();
        for file in fs::read_dir(directory).unwrap() {
            let path = file.unwrap().path();
            let peer = Peer::read(&path).unwrap();
            assert_eq!(Some(&*peer.name), path.file_stem().and_then(|stem| stem.to_str()));
            names.push(peer.name);
        }
        assert!(BUILT_IN.len() <= names.len());
        assert_eq!(Peer::built_in("floor").unwrap().name, "floor");
        assert!(Peer::built_in("nothing").is_err());
    }

    #[test]
    fn refused() {
        let all = "[all]\nstream='/'\npublish='/'\nbody='{data}'";
        assert!(format!("name='a'\naddress='127.0.0.1:1'\n{all}").parse::<Peer>().is_ok());
        for bad in [
            format!("name='a'\n{all}"),
            format!("name='a'\naddress='127.0.0.1:1'\nstart=['x']\n{all}"),
            format!("name=''\naddress='127.0.0.1:1'\n{all}"),
            format!("name='a'\naddress='127.0.0.1:1'\ntypo=1\n{all}"),
            format!("name='a'\naddress='127.0.0.1:1'\nheaders=['no colon']\n{all}"),
            "name='a'\naddress='127.0.0.1:1'".to_owned(),
        ] {
            assert!(bad.parse::<Peer>().is_err(), "{bad}");
        }
    }
}
