//! Quotes from input in errors.

use std::borrow::Cow;

/// Maximum number of characters: enough to recognise the input.
const MOST: usize = 64;

/// The beginning of a text, with an ellipsis if there is more.
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
