//! Makes texts from elsewhere safe for a terminal.
//!
//! Control characters (C0, DEL, C1, and so every escape sequence) could repaint the terminal, rename it, or type for
//! the user; bidirectional controls could show something else than what is there.

use std::borrow::Cow;
use std::fmt::Write;

/// Escapes all control characters, so that the text is one line.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, controls, |out, c| out.extend(c.escape_unicode()))
}

/// The same, except for tabs.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\t' && controls(c), |out, c| out.extend(c.escape_unicode()))
}

/// Escapes JSON so that its meaning stays the same. Between values it must have no line ends or tabs.
pub(super) fn json(text: &str) -> Cow<'_, str> {
    escaped(text, controls, |out, c| {
        let _ = write!(out, "\\u{:04x}", u32::from(c));
    })
}

/// Whether a character has another effect than being shown.
fn controls(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

fn escaped(text: &str, is_unsafe: impl Fn(char) -> bool, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(&is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_unsafe(c) {
            true => escape(&mut out, c),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_controls_is_shown_and_all_else_is_as_it_was() {
        for c in "\0\u{7}\u{8}\n\r\u{b}\u{1b}\u{1f}\u{7f}\u{80}\u{9b}\u{9d}\u{9f}\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\
            \u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}"
            .chars()
        {
            let text = format!("a{c}b");
            let shown = format!("a\\u{{{:x}}}b", u32::from(c));
            assert_eq!((one_line(&text), plain(&text)), (shown.as_str().into(), shown.as_str().into()), "{c:?}");
            let code = format!("\"a\\u{:04x}b\"", u32::from(c));
            assert_eq!(json(&format!("\"{text}\"")), code);
            assert_eq!(serde_json::from_str::<String>(&code).unwrap(), text);
        }
        assert_eq!((one_line("a\tb"), plain("a\tb")), ("a\\u{9}b".into(), "a\tb".into()));
        for text in ["", "plain", "ä€😀 \u{a0}\u{2028}\u{feff}", "\\u{1b}"] {
            assert_eq!([one_line(text), plain(text), json(text)], [text; 3].map(Cow::Borrowed), "{text:?}");
        }
    }
}
