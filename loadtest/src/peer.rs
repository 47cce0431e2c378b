//! A server to load, as a file describes it: how it is started, where its streams are, how one publishes to it.

use std::path::Path;
use std::{fs, str::FromStr};

use anyhow::{Context as _, Error, Result, ensure};
use serde::Deserialize;

use crate::template::Template;

/// The peers that need no file.
const BUILT_IN: [&str; 2] = [include_str!("../peers/floor.toml"), include_str!("../peers/fanfare.toml")];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peer {
    pub(crate) name: String,
    /// Program and arguments; `{address}` is 127.0.0.1 and a free port, `{port}` the port alone. A program without a
    /// slash is looked for beside this one, in its `examples`, and on the path. Empty: it runs already, at `address`.
    #[serde(default)]
    pub(crate) start: Vec<String>,
    /// The same where it takes over a listening socket, as service managers hand it over: sd_listen_fds(3). Empty: it does
    /// not.
    #[serde(default)]
    pub(crate) activated: Vec<String>,
    /// Where a server listens that runs already.
    pub(crate) address: Option<String>,
    /// Its process, if it runs already; processes under it count with it.
    pub(crate) pid: Option<u32>,
    /// A command that prints a version, on either output; its first line is kept.
    #[serde(default)]
    pub(crate) version: Vec<String>,
    #[serde(default = "post")]
    pub(crate) method: String,
    /// Fields of every publish, `Name: value`.
    #[serde(default)]
    pub(crate) headers: Vec<String>,
    /// Fields of every stream's request.
    #[serde(default)]
    pub(crate) stream_headers: Vec<String>,
    /// How the data begins of an event with which it greets each stream, other than one called `connection`.
    pub(crate) greeting: Option<String>,
    /// The data of its heartbeats, where they are neither comments nor events called `ping`.
    pub(crate) ping: Option<String>,
    /// It honours `Last-Event-ID`.
    #[serde(default)]
    pub(crate) resumes: bool,
    /// An option that sets its heartbeat interval; `{seconds}` stands for it.
    #[serde(default)]
    pub(crate) heartbeat: Vec<String>,
    /// An option that sets how much history it keeps for clients that come back; `{bytes}` stands for it.
    #[serde(default)]
    pub(crate) history: Vec<String>,
    /// Every event to every stream.
    pub(crate) all: Route,
    /// Each stream is a user's, `{n}`, and each event is for one, `{n}` of a publish.
    pub(crate) user: Option<Route>,
    /// Each topic has ten streams, so a stream's is `{n/10}`, by a pattern if the server has patterns; each event is for
    /// one topic, `{n}` of a publish.
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
    /// Path and query that one publishes to.
    pub(crate) publish: Template,
    /// `{data}` is the event's JSON.
    pub(crate) body: Template,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamOnly {
    pub(crate) stream: Template,
}

/// Many events in one request: their bodies as lines.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch {
    /// Instead of `headers`.
    pub(crate) headers: Vec<String>,
}

/// How it is started so that strangers may do nothing but try.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secured {
    /// More arguments: `{api_keys}` stands for a file whose one line has a key and the scope `publish`, `{key_set}` for a
    /// JSON Web Key Set with keys for ES256 and RS256. Whoever brings nothing may subscribe.
    #[serde(default)]
    pub(crate) arguments: Vec<String>,
    /// Of a subscriber's token, without `exp`; `{n}` is the number of the stream.
    pub(crate) claims: String,
    /// Path and query of what anybody may ask for, and is answered at once.
    pub(crate) health: String,
}

/// How streams ask for patterns of topics, and how one publishes to many topics.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wildcards {
    /// The parameter of the query that is repeated for each pattern.
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
