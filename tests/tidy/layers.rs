//! Which part of the crate may import what.

use std::path::Path;

use crate::paths::own_paths;
use crate::{code_lines, sources};

/// What each part may import, beside itself. Of a part with `::` only those names.
const LAYERS: [(&str, &[&str]); 13] = [
    ("wire", &[]),
    ("shard", &["wire"]),
    // Of the shard, a journal sees only the commands.
    (
        "journal",
        &["shard::Command", "shard::Join", "shard::Outlet", "shard::Resume", "shard::StreamToken", "wire"],
    ),
    ("access", &["wire"]),
    ("guide", &[]),
    ("metrics", &[]),
    ("net", &["access", "journal", "metrics", "shard", "wire"]),
    ("config", &["shard::Heartbeat", "wire"]),
    ("publisher", &["net", "journal", "shard::Who", "wire"]),
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
            "shard::StreamLimits",
            "wire",
        ],
    ),
    // The program: the library's public API, which is not `crate::`.
    ("cli", &[]),
    ("main", &["cli"]),
    (
        "lib",
        &["access", "config", "guide", "journal", "metrics", "net", "publisher", "server", "shard", "wire"],
    ),
];

/// The one source of a journal that makes system calls.
const FOLDER: &str = "journal/log/folder.rs";

/// What stands for system calls, threads and clocks, and the only parts and sources that may name it.
const OUTSIDE: [(&str, &[&str]); 19] = [
    ("mio::", &["net"]),
    ("socket2::", &["net"]),
    ("rlimit::", &["net"]),
    ("rustix::", &["net", FOLDER]),
    // The publisher waits for the answers of event loops.
    ("crossbeam_channel::", &["net", "publisher"]),
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
        ("wire/event.rs", "use crate::shard::Shard;", "shard::Shard"),
        ("wire/http/head.rs", "use super::super::super::shard::Shard;", "shard::Shard"),
        ("wire/event.rs", "use crate::{wire::Id, net::Clock};", "net::Clock"),
        ("shard/mod.rs", "    let x = crate::net::start();", "net::start"),
        ("shard/sweep.rs", "use std::time::{Duration, Instant};", "Instant"),
        ("shard/mod.rs", "use std::thread;", "std::thread"),
        ("shard/outbox.rs", "use std::net::TcpStream;", "TcpStream"),
        ("journal/memory.rs", "use crate::shard::{Join, Shard};", "shard::Shard"),
        ("journal/file.rs", "use crossbeam_channel::Sender;", "crossbeam_channel::"),
        ("journal/log/appender.rs", "use std::fs;", "std::fs"),
        ("net/worker.rs", "use crate::publisher::Publisher;", "publisher::Publisher"),
        ("publisher.rs", "use crate::server::Engine;", "server::Engine"),
        ("publisher.rs", "use crate::shard::{Shard, Who};", "shard::Shard"),
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
        ("wire/event.rs", "use crate::wire::Event; use super::id::EventId; use serde_json::Value;"),
        ("wire/event.rs", "// use crate::shard::Shard;"),
        ("wire/http/head.rs", "mod tests {\n    use super::super::Method;\n}"),
        ("shard/sweep.rs", "use std::time::Duration; use crate::wire::{Frame, Now};"),
        ("shard/sweep.rs", "let instantly = Instants;"),
        ("net/clock.rs", "use std::time::{Instant, SystemTime};"),
        ("journal/log/folder.rs", "use std::fs; use std::os::unix::fs::FileExt; use rustix::fs::fstatvfs;"),
        ("cli/serve.rs", "use fanfare::Engine; use super::options;"),
        ("lib.rs", "pub use crate::wire::Event;"),
    ];
    for (path, text) in cases {
        assert_eq!(misplaced(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}
