//! Files that describe servers.

use std::fs;

use crate::run::scratch;

/// What a file says of a server.
pub(crate) struct Peer<'p> {
    pub(crate) name: &'p str,
    /// Where it is, or how it is started, as lines of the file.
    pub(crate) server: &'p str,
    pub(crate) resumes: bool,
    pub(crate) stream: &'p str,
    pub(crate) publish: &'p str,
    /// What else it has, as lines of the file.
    pub(crate) more: &'p str,
}

impl Peer<'_> {
    /// A server with the paths of fanfare, and nothing but streams of what goes to all.
    pub(crate) const PLAIN: Self = Self {
        name: "plain",
        server: "",
        resumes: true,
        stream: "/api/sse",
        publish: "/api/sse/events",
        more: "",
    };

    /// Writes the file; its path.
    pub(crate) fn write(&self) -> String {
        let Self { name, server, resumes, stream, publish, more } = self;
        let path = scratch(&format!("{name}.toml"));
        let text = format!(
            r#"name = "{name}"
{server}
resumes = {resumes}
headers = ["Content-Type: application/json"]
[all]
stream = "{stream}"
publish = "{publish}"
body = '{{"event":"load","data":{{data}}}}'
{more}"#
        );
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}
