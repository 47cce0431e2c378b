//! The paths of our own that a source names.

use crate::code_lines;

/// Every path that begins with `crate::` or `super::`, from the crate's root. `module` is where the source is.
///
/// Within an indented module (tests), `super` is the source itself.
pub(crate) fn own_paths(module: &[String], text: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let text: Vec<&str> = code_lines(text).collect();
    let text = text.join("\n");
    for (at, _) in text.match_indices("crate::") {
        if is_start(&text, at) {
            tree(&mut Vec::new(), &text[at + "crate::".len()..], &mut paths);
        }
    }
    for (at, _) in text.match_indices("super::") {
        if is_start(&text, at) && !text[..at].ends_with("super::") {
            let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
            let indented = text[line..].starts_with(' ');
            let rest = text[at..].trim_start_matches("super::");
            let up = (text[at..].len() - rest.len()) / "super::".len() - usize::from(indented);
            let base = &module[..module.len().saturating_sub(up)];
            tree(&mut base.to_vec(), rest, &mut paths);
        }
    }
    paths
}

/// Whether what is at `at` is not the end of something longer: `$crate`, `in_crate`.
fn is_start(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|before: char| before.is_alphanumeric() || matches!(before, '_' | '$'))
}

/// A use tree, or a path: `a::{b, c::{d, e}}` are three paths. Returns what comes after it.
pub(crate) fn tree<'t>(base: &mut Vec<String>, text: &'t str, paths: &mut Vec<Vec<String>>) -> &'t str {
    let depth = base.len();
    let mut rest = text.trim_start();
    loop {
        if let Some(mut list) = rest.strip_prefix('{') {
            loop {
                list = list.trim_start();
                match list.strip_prefix('}') {
                    Some(after) => {
                        rest = after;
                        break;
                    }
                    None if list.is_empty() => break,
                    None => {}
                }
                let after = tree(base, list, paths);
                list = after.trim_start().strip_prefix(',').unwrap_or(after);
                if after.len() == list.len() && !list.trim_start().starts_with('}') {
                    break;
                }
            }
            break;
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        base.push(name.to_owned());
        match after.strip_prefix("::") {
            Some(further) if !further.starts_with('<') => rest = further,
            _ => {
                paths.push(base.clone());
                rest = after;
                break;
            }
        }
    }
    base.truncate(depth);
    rest
}

#[cfg(test)]
mod tests {
    use super::own_paths;

    fn paths(module: &str, text: &str) -> Vec<String> {
        let module: Vec<String> = module.split("::").map(str::to_owned).collect();
        own_paths(&module, text).iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn every_form_of_a_path_is_found() {
        assert_eq!(paths("a", "use crate::event::Event;"), ["event::Event"]);
        assert_eq!(
            paths("a", "use crate::{\n    net::{self, Clock},\n    event::*,\n};\nuse std::io;"),
            ["net::self", "net::Clock", "event::*"]
        );
        assert_eq!(paths("a", "let x = crate::net::start(1);"), ["net::start"]);
        assert_eq!(paths("a", "// crate::net\nfn f() {} // crate::event"), Vec::<String>::new());
        assert_eq!(paths("a", "my_crate::x; $crate::y"), Vec::<String>::new());
        assert_eq!(paths("a", "pub(in crate::net) fn"), ["net"]);
    }

    #[test]
    fn super_is_followed() {
        assert_eq!(paths("net::control", "use super::worker;"), ["net::worker"]);
        assert_eq!(paths("net::control", "use super::super::shard::Shard;"), ["shard::Shard"]);
        assert_eq!(paths("event::id", "mod tests {\n    use super::*;\n}"), ["event::id::*"]);
        assert_eq!(paths("event::id", "mod tests {\n    use super::super::Event;\n}"), ["event::Event"]);
    }
}
