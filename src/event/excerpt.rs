//! What was sent, as far as an error quotes it.

use std::borrow::Cow;

/// Most characters of it: enough to be recognised, whatever was sent.
const MOST: usize = 64;

/// The beginning of a text, with a sign that there is more.
pub(crate) fn excerpt(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_long_is_cut_and_between_characters() {
        let cases = [0, 1, MOST].map(|count| "ä".repeat(count));
        assert!(cases.iter().all(|text| excerpt(text) == **text));
        for count in [MOST + 1, 1_000_000] {
            assert_eq!(excerpt(&"ä".repeat(count)), format!("{}…", "ä".repeat(MOST)));
        }
    }
}
