//! Modules that import each other, by themselves or by way of others.

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
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let (mut names, mut exports) = (own_paths(&module, text), Vec::new());
        let code: Vec<&str> = code_lines(text).collect();
        let code = code.join("\n");
        for statement in code.split(';') {
            let Some((before, imported)) = statement.rsplit_once("use ") else { continue };
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
        Self { module, names, exports }
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
    let mut reached: BTreeMap<&Module, BTreeSet<Module>> = BTreeMap::new();
    for source in sources.values() {
        let imported = source.names.iter().filter_map(|name| definer(name, &sources));
        // The root declares all modules, and whatever names it names no part of the program.
        let others = imported.filter(|module| *module != source.module && !module.is_empty());
        reached.insert(&source.module, others.collect());
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
    for module in reached.keys().copied().filter(in_circle) {
        let together = |other: &&Module| reached[module].contains(*other) && reached[*other].contains(module);
        let circle: Vec<String> =
            reached.keys().copied().filter(together).map(|name| name.join("::")).collect();
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
    // To pass a child on is not to need it; nor is what only tests import.
    let parent = [("x/mod.rs", "mod a;\npub(crate) use a::A;\nstruct X;"), ("x/a.rs", "use super::X;")];
    assert_eq!(found(&parent), Vec::<Vec<String>>::new());
    let tests =
        [("a.rs", "use crate::b::B;"), ("b.rs", "#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}")];
    assert_eq!(found(&tests), Vec::<Vec<String>>::new());
}
