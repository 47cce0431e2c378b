//! Modules that import each other, by themselves or by way of others.
//!
//! A module imports what its code names by a path or a `use`, and the import is of the file that defines the name: a
//! parent that only passes its children on (`pub use`) is not imported by who goes through it, nor does it import them.
//! Not counted are test modules, the paths in `pub(in …)`, and what the root of the crate names.
//!
//! A type may be split: a file below the one that defines a type, with an `impl` block of that type itself (not of a
//! trait for it), is a part of the module of the type. `shard/flush.rs` with `impl Shard` is a part of `shard`, and the
//! two may name each other. They count as one module, so whatever either of them names or defines is that module's: a
//! type in `shard/flush.rs` that `shard/outbox.rs` needs would be a circle, and belongs in a file of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::paths::{own_paths, tree};
use crate::{code_lines, sources};

type Module = Vec<String>;

/// One source, by what it names and what it passes on.
struct Source {
    module: Module,
    /// Every path of the crate that it names, from the crate's root.
    names: Vec<Module>,
    /// What it exports of other modules: the path of each.
    exports: Vec<Module>,
    /// The types that it has an `impl` block of, other than of a trait.
    implemented: Vec<String>,
}

/// The module that a source is. The root of a crate has no name.
fn module_of(path: &Path) -> Module {
    let path = path.with_extension("");
    let names = path.components().map(|name| name.as_os_str().to_string_lossy().into_owned());
    names.filter(|name| !matches!(&**name, "mod" | "main" | "lib")).collect()
}

impl Source {
    /// `children` tells whether the module has one of that name: a path may begin with it. Tests are left out: what they
    /// import, the code does not need.
    fn read(module: Module, text: &str, is_child: impl Fn(&str) -> bool) -> Self {
        let tests = ["\nmod tests {", "\npub(super) mod tests {"];
        let text = tests.iter().fold(text, |text, begin| text.split(begin).next().unwrap_or_default());
        let text = without_scopes(text);
        let (mut names, mut exports) = (own_paths(&module, &text), Vec::new());
        let implemented = text.lines().filter_map(implemented).map(str::to_owned).collect();
        let code: Vec<&str> = code_lines(&text).collect();
        let code = code.join("\n");
        for statement in code.split(';') {
            let Some((before, imported)) = statement.rsplit_once("use ") else {
                names.extend(paths_below(&module, statement, &is_child));
                continue;
            };
            let visibility = before.rsplit('\n').next().unwrap_or_default().trim();
            let first: String = imported.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let mut paths = Vec::new();
            if is_child(&first) {
                tree(&mut module.clone(), imported, &mut paths);
            }
            if visibility.starts_with("pub") {
                names.retain(|name| !paths.contains(name));
                exports.extend(paths);
            } else {
                names.extend(paths);
            }
        }
        Self { module, names, exports, implemented }
    }

    /// The module that this is a part of: one above it, with a type that is split over both.
    fn whole(&self, sources: &BTreeMap<Module, Source>) -> Option<Module> {
        let definers = self.implemented.iter().flat_map(|name| {
            let named = self.names.iter().filter(move |path| path.last() == Some(name));
            named.filter_map(|path| definer(path, sources))
        });
        let is_above = |module: &Module| !module.is_empty() && self.module.starts_with(module);
        definers.filter(|module| *module != self.module).find(is_above)
    }
}

/// The paths in code that begin with a child of the module.
fn paths_below(module: &[String], code: &str, is_child: impl Fn(&str) -> bool) -> Vec<Module> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("::") {
        let before = code[..at].trim_end_matches(is_name);
        if !before.ends_with(':') && is_child(&code[before.len()..at]) {
            tree(&mut module.to_vec(), &code[before.len()..], &mut paths);
        }
    }
    paths
}

/// The text less the paths in `pub(in …)`: they say who may see a name, and import nothing.
fn without_scopes(text: &str) -> String {
    let mut parts = text.split("pub(in ");
    let first = parts.next().unwrap_or_default();
    let rest = parts.map(|part| part.split_once(')').map_or(part, |(_, after)| after));
    std::iter::once(first).chain(rest).collect::<Vec<_>>().join("pub")
}

/// The name of the type whose `impl` block begins in this line, if it is not of a trait.
fn implemented(line: &str) -> Option<&str> {
    let mut rest = line.strip_prefix("impl")?;
    if line.contains(" for ") {
        return None;
    }
    if rest.starts_with('<') {
        let mut depth = 0;
        let end = rest.find(|c| {
            depth += i32::from(c == '<') - i32::from(c == '>');
            depth == 0
        })?;
        rest = &rest[end + 1..];
    }
    let rest = rest.strip_prefix(' ')?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// The module that a module counts as.
fn whole(module: &Module, sources: &BTreeMap<Module, Source>) -> Module {
    match sources.get(module).and_then(|source| source.whole(sources)) {
        Some(above) => whole(&above, sources),
        None => module.clone(),
    }
}

/// The module in which the last name of a path is defined: the longest part of it that is a module, or the one that this
/// exports the name from.
fn definer(path: &[String], sources: &BTreeMap<Module, Source>) -> Option<Module> {
    let length = (0..=path.len()).rev().find(|&length| sources.contains_key(&path[..length]))?;
    let (module, rest) = path.split_at(length);
    let exported = rest.first().and_then(|name| {
        let source = sources.get(module)?;
        source.exports.iter().find(|export| export.last() == Some(name) && **export != path)
    });
    match exported {
        Some(export) => definer(export, sources),
        None => Some(module.to_vec()),
    }
}

/// The circles of a crate, each as the names of its modules in order.
fn circles(texts: &[(PathBuf, String)]) -> Vec<Vec<String>> {
    let modules: BTreeSet<Module> = texts.iter().map(|(path, _)| module_of(path)).collect();
    let read = |(path, text): &(PathBuf, String)| {
        let module = module_of(path);
        let is_child = |name: &str| modules.contains(&[&module[..], &[name.to_owned()]].concat());
        (module.clone(), Source::read(module.clone(), text, is_child))
    };
    let sources: BTreeMap<Module, Source> = texts.iter().map(read).collect();
    let mut reached: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for source in sources.values() {
        let own = whole(&source.module, &sources);
        let imported = source.names.iter().filter_map(|name| definer(name, &sources));
        // The root declares all modules, and whatever names it names no part of the program.
        let imported = imported.filter(|module| !module.is_empty()).map(|module| whole(&module, &sources));
        let others: Vec<Module> = imported.filter(|module| *module != own).collect();
        reached.entry(own).or_default().extend(others);
    }
    // What is imported by way of others, until nothing is added any more.
    loop {
        let before = reached.clone();
        for targets in reached.values_mut() {
            let further: Vec<_> =
                targets.iter().filter_map(|target| before.get(target)).flatten().cloned().collect();
            targets.extend(further);
        }
        if reached == before {
            break;
        }
    }
    let in_circle = |module: &&Module| reached[*module].contains(*module);
    let mut found: Vec<Vec<String>> = Vec::new();
    for module in reached.keys().filter(in_circle) {
        let together = |other: &&Module| reached[module].contains(*other) && reached[*other].contains(module);
        let circle: Vec<String> = reached.keys().filter(together).map(|name| name.join("::")).collect();
        if !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

#[test]
fn no_modules_of_the_load_tester_import_each_other() {
    assert_eq!(circles(&sources("loadtest/src")), Vec::<Vec<String>>::new());
}

#[test]
fn no_modules_of_the_server_import_each_other() {
    assert_eq!(circles(&sources("src")), Vec::<Vec<String>>::new());
}

#[test]
fn a_circle_is_found() {
    let found = |texts: &[(&str, &str)]| {
        let texts: Vec<_> =
            texts.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
        circles(&texts)
    };
    let pair =
        [("a.rs", "use crate::b::B;"), ("b.rs", "fn f() { crate::a::g(); }"), ("c.rs", "use crate::a::A;")];
    assert_eq!(found(&pair), [["a", "b"]]);
    let long = [
        ("x/a.rs", "use super::b::B;"),
        ("x/b.rs", "use super::{c, d::D};"),
        ("x/c.rs", "use super::a;"),
        ("x/d.rs", ""),
    ];
    assert_eq!(found(&long), [["x::a", "x::b", "x::c"]]);
    let parent = [("x/mod.rs", "mod a;\nuse a::A;\nstruct X;"), ("x/a.rs", "use super::X;")];
    assert_eq!(found(&parent), [["x", "x::a"]]);
    let by_export = [
        ("x/mod.rs", "mod a;\npub(crate) use a::A;"),
        ("x/a.rs", "use crate::b::B;"),
        ("b.rs", "use crate::x::A;"),
    ];
    assert_eq!(found(&by_export), [["b", "x::a"]]);
    let by_path = [("x/mod.rs", "mod a;\nfn f() { a::g(1); }"), ("x/a.rs", "use super::f;")];
    assert_eq!(found(&by_path), [["x", "x::a"]]);
    // What is said of visibility imports nothing.
    let scope = [("x/mod.rs", "mod a;\nuse a::g;"), ("x/a.rs", "pub(in crate::x) fn g() {}")];
    assert_eq!(found(&scope), Vec::<Vec<String>>::new());
    // To pass a child on is not to need it; nor is what only tests import.
    let parent = [("x/mod.rs", "mod a;\npub(crate) use a::A;\nstruct X;"), ("x/a.rs", "use super::X;")];
    assert_eq!(found(&parent), Vec::<Vec<String>>::new());
    let tests =
        [("a.rs", "use crate::b::B;"), ("b.rs", "#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}")];
    assert_eq!(found(&tests), Vec::<Vec<String>>::new());
}

#[test]
fn a_type_that_is_split_over_files_is_one_module() {
    let found = |child: &str, other: &str| {
        let parent = "mod a;\nmod b;\nuse a::A;\nuse b::B;\npub struct X;";
        let texts = [("x/mod.rs", parent), ("x/a.rs", child), ("x/b.rs", other)];
        circles(&texts.map(|(path, text)| (PathBuf::from(path), text.to_owned())))
    };
    let none = Vec::<Vec<String>>::new();
    let whole = "use super::X;\nuse super::b::B;\npub struct A;\nimpl<S: Into<A>> X<S> {}";
    assert_eq!(found(whole, "pub struct B;"), none);
    // What is defined in a part is the whole's.
    assert_eq!(found(whole, "use super::a::A;\npub struct B;"), [["x", "x::b"]]);
    // A trait's implementation, and one of a type from elsewhere, do not make a part of a file.
    assert_eq!(found("use super::X;\nimpl<S> Into<A> for X<S> {}", ""), [["x", "x::a"]]);
    assert_eq!(found("use super::X;\nuse super::b::B;\nimpl B {}", "pub struct B;"), [["x", "x::a"]]);
    assert_eq!(found("use super::b::B;\nimpl B {}", "use super::a::A;\npub struct B;"), [["x::a", "x::b"]]);
}
