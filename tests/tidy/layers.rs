//! Which part of the crate may import what.

use std::path::Path;

use crate::paths::own_paths;
use crate::{code_lines, sources};

/// What each part may import, beside itself. Of a part with `::` only those names.
const LAYERS: [(&str, &[&str]); 15] = [
    ("event", &[]),
    ("http", &[]),
    ("api", &["event", "http"]),
    ("shard", &["api", "event", "http"]),
    // Of the shard, a journal sees only the commands.
    (
        "journal",
        &[
            "shard::After",
            "shard::Command",
            "shard::Join",
            "shard::Missed",
            "shard::Newest",
            "shard::ShardSender",
            "shard::Resume",
            "shard::StreamToken",
            "event",
            "metrics::Histogram",
        ],
    ),
    ("access", &["api", "event", "http"]),
    ("guide", &[]),
    ("metrics", &[]),
    ("net", &["access", "api", "event", "http", "journal", "metrics", "shard"]),
    ("config", &["api", "event", "http", "journal::durable", "shard::Heartbeat"]),
    ("publisher", &["api::MAX_KEY", "event", "journal", "net", "shard::DisconnectTarget"]),
    (
        "server",
        &[
            "access",
            "config",
            "journal",
            "net",
            "publisher",
            "shard::CloseReason",
            "shard::Heartbeat",
            "shard::REPLAY_EFFORT",
            "shard::Settings",
            "api",
            "event",
            "http",
            "shard::StreamLimits",
        ],
    ),
    // The program: the library's public API, which is not `crate::`.
    ("cli", &[]),
    ("main", &["cli"]),
    (
        "lib",
        &[
            "access",
            "api",
            "config",
            "event",
            "guide",
            "http",
            "journal",
            "metrics",
            "net",
            "publisher",
            "server",
            "shard",
        ],
    ),
];

/// The one source of a journal that makes system calls.
const FOLDER: &str = "journal/log/folder.rs";

/// What stands for system calls, threads and clocks, and the only parts and sources that may name it.
const OUTSIDE: [(&str, &[&str]); 22] = [
    ("mio::", &["net"]),
    ("socket2::", &["net"]),
    ("rlimit::", &["net"]),
    ("rustix::", &["net", FOLDER]),
    // The publisher waits for the answers of event loops.
    // So do the threads of a journal for what they are to do.
    ("crossbeam_channel::", &["journal", "net", "publisher"]),
    ("std::os::", &["net", FOLDER]),
    ("std::fs", &["net", "cli", FOLDER]),
    // The number of processors is a default.
    ("std::thread", &["net", "cli", "config"]),
    ("std::env", &["cli"]),
    ("std::process", &["net", "cli", "main"]),
    // Listeners may be handed in.
    ("TcpListener", &["net", "server"]),
    ("TcpStream", &["net"]),
    ("UdpSocket", &[]),
    ("Instant", &["net"]),
    ("SystemTime", &["net"]),
    ("clap::", &["cli"]),
    ("signal_hook::", &["cli"]),
    ("ureq::", &["cli"]),
    ("rustls::", &["cli"]),
    ("libc::", &["cli"]),
    // They stand in no public signature.
    ("ipnet::", &["http"]),
    ("jsonwebtoken::", &["access"]),
];

/// The part that a source belongs to, and its module.
fn place(path: &Path) -> (String, Vec<String>) {
    let path = path.with_extension("");
    let names = path.components().map(|name| name.as_os_str().to_string_lossy().into_owned());
    let module: Vec<String> = names.filter(|name| name != "mod").collect();
    (module[0].clone(), module)
}

/// What is wrong with the imports of one source.
fn misplaced(path: &str, text: &str) -> Vec<String> {
    let (part, mut module) = place(Path::new(path));
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == part) else {
        return vec![format!("{part} is not a part that the architecture knows")];
    };
    if matches!(&*part, "main" | "lib") {
        module.clear();
    }
    let may = |path: &[String]| {
        let name = path.first().map_or("", String::as_str);
        let whole = path.iter().take(2).cloned().collect::<Vec<_>>().join("::");
        name == part || allowed.contains(&name) || allowed.contains(&&*whole)
    };
    let mut wrong: Vec<String> = own_paths(&module, text)
        .into_iter()
        .filter(|path| !path.is_empty() && !may(path))
        .map(|path| path.join("::"))
        .collect();
    let code: Vec<&str> = code_lines(text).collect();
    for (word, parts) in OUTSIDE {
        if !parts.contains(&&*part) && !parts.contains(&path) && code.iter().any(|line| has_word(line, word))
        {
            wrong.push(word.to_owned());
        }
    }
    wrong
}

/// Whether a line has it, and not as the end or the beginning of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let open_ended = !word.ends_with(is_name);
        !line[..at].ends_with(is_name) && (open_ended || !line[at + word.len()..].starts_with(is_name))
    })
}

#[test]
fn layers_import_only_what_lies_below_them() {
    for (path, text) in sources("src") {
        let wrong = misplaced(&path.to_string_lossy(), &text);
        assert!(wrong.is_empty(), "{} names {wrong:?}", path.display());
    }
}

/// What reads the server's bytes in tests must not be what wrote them: a fault in shared code would go unnoticed.
#[test]
fn what_checks_the_server_shares_no_code_with_it() {
    for folder in ["tests/support", "loadtest/src"] {
        for (path, text) in sources(folder) {
            let shared = code_lines(&text).find(|line| line.contains("fanfare::") || line.contains("/src/"));
            assert_eq!(shared, None, "{folder}/{}", path.display());
        }
    }
    let manifest = include_str!("../../loadtest/Cargo.toml");
    assert!(
        !manifest.lines().any(|line| line.starts_with("fanfare")),
        "the load tester depends on the library"
    );
}

#[test]
fn every_layer_is_there() {
    let parts: Vec<String> = sources("src").iter().map(|(path, _)| place(path).0).collect();
    for (part, _) in LAYERS {
        assert!(parts.iter().any(|name| name == part), "there is no {part} any more");
    }
}

#[test]
fn an_import_from_above_is_found() {
    let cases = [
        ("event/id.rs", "use crate::shard::Shard;", "shard::Shard"),
        ("http/head.rs", "use super::super::shard::Shard;", "shard::Shard"),
        ("event/id.rs", "use crate::{event::Id, net::Clock};", "net::Clock"),
        ("shard/mod.rs", "    let x = crate::net::start();", "net::start"),
        ("shard/sweep.rs", "use std::time::{Duration, Instant};", "Instant"),
        ("shard/mod.rs", "use std::thread;", "std::thread"),
        ("shard/outbox.rs", "use std::net::TcpStream;", "TcpStream"),
        ("journal/memory.rs", "use crate::shard::{Join, Shard};", "shard::Shard"),
        ("shard/file.rs", "use crossbeam_channel::Sender;", "crossbeam_channel::"),
        ("journal/log/appender.rs", "use std::fs;", "std::fs"),
        ("net/worker.rs", "use crate::publisher::Publisher;", "publisher::Publisher"),
        ("publisher.rs", "use crate::server::Engine;", "server::Engine"),
        ("publisher.rs", "use crate::shard::{Shard, DisconnectTarget};", "shard::Shard"),
        ("server/engine.rs", "use mio::Poll;", "mio::"),
        ("config.rs", "use crate::net::Access;", "net::Access"),
        ("cli/serve.rs", "use crate::net::Running;", "net::Running"),
        ("main.rs", "use crate::server::Engine;", "server::Engine"),
        ("utils/mod.rs", "", "utils is not a part that the architecture knows"),
    ];
    for (path, text, found) in cases {
        assert_eq!(misplaced(path, text), [found], "{path}: {text}");
    }
}

#[test]
fn what_lies_below_may_be_imported() {
    let cases = [
        ("event/id.rs", "use crate::event::Event; use super::id::EventId; use serde_json::Value;"),
        ("event/id.rs", "// use crate::shard::Shard;"),
        ("http/head.rs", "mod tests {\n    use super::super::Method;\n}"),
        ("shard/sweep.rs", "use std::time::Duration; use crate::event::{Frame, Now};"),
        ("shard/sweep.rs", "let instantly = Instants;"),
        ("net/clock.rs", "use std::time::{Instant, SystemTime};"),
        ("journal/log/folder.rs", "use std::fs; use std::os::unix::fs::FileExt; use rustix::fs::fstatvfs;"),
        ("cli/serve.rs", "use fanfare::Engine; use super::options;"),
        ("lib.rs", "pub use crate::event::Event;"),
    ];
    for (path, text) in cases {
        assert_eq!(misplaced(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}
