//! The test panel: the files of a web page, compiled into the program.
//!
//! They are in `src/panel` in the form in which they are served: there is no build step.

use super::response::Response;

/// A file of the panel.
#[derive(Debug, PartialEq, Eq)]
pub struct PanelFile {
    path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

/// What the page may do: load the files beside it, and send requests to this server. No inline script or style, no
/// other origin, no frame, and no HTML from strings.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// The placeholder for the base path.
const BASE: &str = "{{base}}";

macro_rules! files {
    ($(($path:literal, $content_type:ident, $name:literal)),+ $(,)?) => {
        [$(PanelFile {
            path: $path,
            content_type: $content_type,
            text: include_str!(concat!("../panel/", $name)),
        }),+]
    };
}

const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

static FILES: [PanelFile; 13] = files![
    ("/sse-test", HTML, "panel.html"),
    ("/sse-test/panel.css", CSS, "panel.css"),
    ("/sse-test/icon.svg", SVG, "icon.svg"),
    ("/sse-test/panel.js", SCRIPT, "panel.js"),
    ("/sse-test/api.js", SCRIPT, "api.js"),
    ("/sse-test/chart.js", SCRIPT, "chart.js"),
    ("/sse-test/fields.js", SCRIPT, "fields.js"),
    ("/sse-test/history.js", SCRIPT, "history.js"),
    ("/sse-test/publisher.js", SCRIPT, "publisher.js"),
    ("/sse-test/sse.js", SCRIPT, "sse.js"),
    ("/sse-test/statistics.js", SCRIPT, "statistics.js"),
    ("/sse-test/stream.js", SCRIPT, "stream.js"),
    ("/sse-test/streams.js", SCRIPT, "streams.js"),
];

impl PanelFile {
    /// The file at this path.
    pub fn find(path: &str) -> Option<&'static Self> {
        path.starts_with("/sse-test").then(|| FILES.iter().find(|file| file.path == path)).flatten()
    }

    /// The response with this file, on a server with this base path, which must not need escapes.
    pub fn response(&self, base: &str) -> Response {
        let response = match self.content_type {
            HTML => Response::text(200, &self.text.replace(BASE, base)),
            _ => Response::text(200, self.text),
        };
        response
            .of_type(self.content_type)
            .with_field("Content-Security-Policy", CONTENT_SECURITY_POLICY)
            .with_field("X-Content-Type-Options", "nosniff")
            .with_field("Referrer-Policy", "no-referrer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_its_scripts_name_files_that_are_there() {
        let names = FILES.iter().flat_map(|file| {
            let quoted = file.text.split(['"', '\'']);
            quoted.filter_map(|name| match file.content_type {
                HTML => name.strip_prefix("/sse-test/").map(str::to_owned),
                _ => name.strip_prefix("./").map(str::to_owned),
            })
        });
        let names: Vec<String> = names.collect();
        assert!(names.len() >= FILES.len() - 1, "{names:?}");
        for name in &names {
            assert!(PanelFile::find(&format!("/sse-test/{name}")).is_some(), "{name}");
        }
        for file in FILES.iter().filter(|file| file.path != "/sse-test") {
            let name = file.path.trim_start_matches("/sse-test/");
            assert!(names.iter().any(|used| used == name), "{name} is used nowhere");
        }
    }

    #[test]
    fn nothing_is_inline_and_nothing_is_elsewhere() {
        for file in &FILES {
            for word in ["<style", " style=", " onclick=", "innerHTML", "eval(", "//cdn", "https://"] {
                assert!(!file.text.contains(word), "{word} in {}", file.path);
            }
        }
        let page = PanelFile::find("/sse-test").expect("the page").text;
        assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=").count());
        assert_eq!(page.matches(BASE).count(), 1);
    }

    #[test]
    fn only_whole_paths_are_found() {
        for path in [
            "/",
            "/sse-test/",
            "/sse-testx",
            "/sse-test/panel",
            "/sse-test/../panel.rs",
            "/sse-test/panel.html",
        ] {
            assert_eq!(PanelFile::find(path), None, "{path}");
        }
    }
}
