//! A server with keys, and the files that they are in.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::key::{Key, SECRET};
use super::token::Token;
use crate::server::{Server, command, patient};
use crate::support::client::{Connection, Response};
use crate::support::subscriber::Subscriber;

/// A folder of a test, gone with it.
pub(super) struct Folder(PathBuf);

/// A server with files that options name.
pub(super) struct Keyed {
    // Dropped before its files.
    server: Server,
    folder: Folder,
}

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("auth-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    /// Writes a file, whole at once, and returns its path.
    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let (path, draft) = (self.0.join(name), self.0.join("draft"));
        fs::write(&draft, content).expect("a file");
        fs::rename(draft, &path).expect("a file");
        path.to_str().expect("a path in UTF-8").to_owned()
    }

    pub(super) fn path(&self) -> &str {
        self.0.to_str().expect("a path in UTF-8")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in the folder of the build.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Keyed {
    /// With a file of that content for each of these options, and arguments besides.
    pub(super) fn start(files: &[(&str, &[u8])], args: &[&str]) -> Self {
        Self::start_with(files, args, |_| ())
    }

    /// As [`Keyed::start`], with something done to the command before.
    pub(super) fn start_with(files: &[(&str, &[u8])], args: &[&str], prepare: fn(&mut Command)) -> Self {
        let folder = Folder::new();
        let mut all: Vec<String> = Vec::new();
        for (option, content) in files {
            all.extend([format!("--{option}"), folder.write(option, content)]);
        }
        let listen = ["--listen", "127.0.0.1:0"].into_iter();
        let all: Vec<&str> =
            listen.chain(all.iter().map(String::as_str)).chain(args.iter().copied()).collect();
        let mut command = command(&all);
        patient(&mut command);
        prepare(&mut command);
        Self { server: Server::launch(command), folder }
    }

    /// With [`SECRET`].
    pub(super) fn secret(args: &[&str]) -> Self {
        Self::start(&[("jwt-secret-file", SECRET)], args)
    }

    /// Replaces the file of an option.
    pub(super) fn replace(&self, option: &str, content: impl AsRef<[u8]>) {
        self.folder.write(option, content);
    }

    /// Removes the file of an option.
    pub(super) fn remove(&self, option: &str) {
        fs::remove_file(self.folder.0.join(option)).expect("it is there");
    }
}

impl Deref for Keyed {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Keyed {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}

/// The field of a token or an API key.
pub(super) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// The field of the token, signed with [`SECRET`].
pub(super) fn signed(token: &Token) -> String {
    bearer(&token.sign(Key::Secret(SECRET)))
}

/// Opens a stream.
pub(super) fn subscribe(server: &Server, query: &str, fields: &str) -> Subscriber {
    Subscriber::open(server.address, &format!("/api/sse{query}"), fields)
}

/// Posts JSON with fields besides.
pub(super) fn post(connection: &mut Connection, target: &str, fields: &str, json: &str) -> Response {
    let fields = format!("{fields}Content-Type: application/json\r\n");
    connection.request("POST", target, &fields, json)
}

/// Publishes one event, as somebody who may, and returns its id.
pub(super) fn publish(connection: &mut Connection, fields: &str, json: &serde_json::Value) -> String {
    let response = post(connection, "/api/sse/events", fields, &json.to_string());
    assert_eq!(response.status(), 202, "{}", response.text());
    response.json()["id"].as_str().expect("an id").to_owned()
}

/// The sequence number of an event id. Ids are opaque to clients, but that there are no holes is promised, and
/// so a test can tell that nothing was published between two events.
pub(super) fn sequence(id: &str) -> u64 {
    id.split_once('-').and_then(|(_, sequence)| sequence.parse().ok()).expect("an id of ours")
}
