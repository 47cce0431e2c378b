//! Names and calls that are refused.

use std::path::Path;

use crate::{code_lines, sources};

/// In names of types, modules and the like.
const NAMES: [&str; 4] = ["Manager", "Handler", "Context", "Registry"];
/// Types of clap and of the standard library, which have such names.
const FOREIGN: [&str; 3] = ["ContextKind", "ContextValue", "task::Context"];
/// As names of files and modules: they say nothing.
const FILES: [&str; 9] =
    ["utils", "util", "common", "core", "helpers", "manager", "handler", "context", "registry"];
/// Anywhere in code.
const CODE: [&str; 6] = ["todo!(", "unimplemented!(", "dbg!(", "#[ignore", "unsafe {", "unsafe fn"];
/// Only where clocks are read.
const CLOCKS: [&str; 2] = ["Instant::now(", "SystemTime::now("];
/// The clock of the engine.
const CLOCK: &str = "net/clock.rs";

/// What is refused in one source of the engine.
fn refused(path: &str, text: &str) -> Vec<String> {
    let mut found = refused_anywhere(text);
    let path = Path::new(path);
    let names = path.iter().map(|name| name.to_string_lossy());
    found.extend(names.map(|name| name.trim_end_matches(".rs").to_owned()).filter(|name| is_vague(name)));
    found.extend(code_lines(text).filter_map(module).filter(|name| is_vague(name)).map(str::to_owned));
    // What others call their own is not ours to choose.
    let is_own = |line: &&str| !line.starts_with("use prometheus_client::");
    let without_foreign =
        |line: &str| FOREIGN.iter().fold(line.to_owned(), |line, name| line.replace(name, ""));
    let has =
        |word: &&&str| code_lines(text).filter(is_own).any(|line| without_foreign(line).contains(**word));
    found.extend(NAMES.iter().filter(has).map(|name| (*name).to_owned()));
    if path != Path::new(CLOCK) {
        found.extend(CLOCKS.iter().filter(has).map(|name| (*name).to_owned()));
    }
    found
}

/// What is refused in any source, tests among them.
fn refused_anywhere(text: &str) -> Vec<String> {
    let has = |word: &&&str| code_lines(text).any(|line| line.contains(**word));
    CODE.iter().filter(has).map(|word| (*word).to_owned()).collect()
}

fn is_vague(name: &str) -> bool {
    FILES.contains(&name)
}

/// The name of the module that a line declares.
fn module(line: &str) -> Option<&str> {
    let (_, rest) = declaration(line).split_once("mod ")?;
    rest.split([';', ' ', '{']).next()
}

/// The line, if it may declare a module: nothing is before that but its visibility.
fn declaration(line: &str) -> &str {
    let line = line.trim_start();
    match line.starts_with("mod ") || line.starts_with("pub") {
        true => line,
        false => "",
    }
}

#[test]
fn nothing_refused_is_in_the_engine() {
    for (path, text) in sources("src") {
        let found = refused(&path.to_string_lossy(), &text);
        assert!(found.is_empty(), "{}: {found:?}", path.display());
    }
}

#[test]
fn nothing_unfinished_is_anywhere() {
    for folder in ["tests", "benches", "loadtest/src", "loadtest/tests"] {
        for (path, text) in sources(folder) {
            // This file has the words themselves.
            if !path.ends_with("tidy/words.rs") {
                assert_eq!(refused_anywhere(&text), Vec::<String>::new(), "{folder}/{}", path.display());
            }
        }
    }
}

#[test]
fn what_is_refused_is_found() {
    let cases = [
        ("a.rs", "struct TaskManager;", "Manager"),
        ("a.rs", "fn f(context: &Context) {}", "Context"),
        ("a.rs", "    todo!()", "todo!("),
        ("a.rs", "#[ignore = \"slow\"]", "#[ignore"),
        ("a.rs", "let x = unsafe { y };", "unsafe {"),
        ("net/worker.rs", "// a Manager\nlet now = Instant::now();", "Instant::now("),
        ("a/clock.rs", "SystemTime::now()", "SystemTime::now("),
        ("event/utils.rs", "", "utils"),
        ("common/mod.rs", "", "common"),
        ("event/mod.rs", "pub(crate) mod helpers;", "helpers"),
        ("event/mod.rs", "mod core {", "core"),
    ];
    for (path, text, word) in cases {
        assert_eq!(refused(path, text), [word], "{path}: {text}");
    }
}

#[test]
fn what_is_not_refused_is_not_found() {
    let cases = [
        ("net/clock.rs", "let now = Instant::now(); SystemTime::now()"),
        ("net/worker.rs", "self.poll.registry().register(socket, token, interest); use core::fmt;"),
        ("event/mod.rs", "// Manager, todo!()\nmod event;"),
    ];
    for (path, text) in cases {
        assert_eq!(refused(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}
