//! The browser client: an ES module that is part of the program.
//!
//! It is made of `client/src` by `npm run build` there, and kept in the repository as it is served: `cargo build` needs no
//! step before it.

use std::fmt::Write as _;

use super::response::Response;
use crate::http::Head;

const MODULE: &str = include_str!("../../client/dist/client.js");

/// Names this very text (RFC 9110, 8.8.3): its FNV-1a hash, which tells versions apart and hides nothing.
const TAG: u64 = fnv_1a(MODULE.as_bytes());

const fn fnv_1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x100_0000_01b3);
        at += 1;
    }
    hash
}

/// The answer that the module is; without a body (304) for a browser that has this very text.
pub fn browser_client(is_held: bool) -> Response {
    let response = if is_held { Response::not_modified() } else { Response::text(200, MODULE) };
    response
        .of_type("text/javascript; charset=utf-8")
        // Kept, but asked for each time: so a page and its server are never of two versions.
        .cached("no-cache")
        .with_field("ETag", tag())
        .with_field("X-Content-Type-Options", "nosniff")
}

/// Whether the client says that it has the module as it is (RFC 9110, 13.1.2).
pub fn holds_browser_client(head: &Head<'_>) -> bool {
    let Some(value) = head.field("if-none-match") else { return false };
    let (value, tag) = (value.trim_ascii(), tag());
    let mut tags = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    value == b"*" || tags.any(|held| held.strip_prefix(b"W/").unwrap_or(held) == tag.as_bytes())
}

fn tag() -> String {
    let mut tag = String::with_capacity(18);
    // Writing to a string does not fail.
    let _ = write!(tag, "\"{TAG:016x}\"");
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{RequestLimits, RequestReader, Step};

    fn holds(field: &str) -> bool {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n").into_bytes();
        let mut reader = RequestReader::with_bytes(bytes);
        match reader.next(&RequestLimits::default()) {
            Step::Head(head) => holds_browser_client(&head),
            _ => panic!("no head"),
        }
    }

    #[test]
    fn the_tag_is_of_the_text() {
        assert_eq!(fnv_1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv_1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert!(
            MODULE.contains("FanfareClient")
                && MODULE.starts_with("/*! fanfare-client | MIT OR Apache-2.0 */")
        );
    }

    #[test]
    fn who_has_it() {
        let tag = tag();
        for held in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            assert!(holds(&format!("If-None-Match: {held}\r\n")), "{held}");
        }
        for other in ["", "If-None-Match: \"x\"\r\n", "If-None-Match: \r\n", "If-None-Match: \"*\"\r\n"] {
            assert!(!holds(other), "{other}");
        }
    }
}
