//! Warnings about files of keys.

use std::fmt;

#[cfg(feature = "jwt")]
use super::invalid_key::LeftOut;

/// A likely mistake in a valid file of keys. Shows nothing of the file except the `kid` of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyWarning {
    /// A secret is shorter than the hash of HS256.
    #[cfg(feature = "jwt")]
    ShortSecret,
    /// The secret is several lines of text.
    #[cfg(feature = "jwt")]
    SeveralLines,
    /// The secret begins with a byte order mark, as editors write it.
    #[cfg(feature = "jwt")]
    ByteOrderMark,
    /// A key of a set is left out.
    #[cfg(feature = "jwt")]
    LeftOut(LeftOut),
    /// The API key in this line can be guessed.
    ShortApiKey(usize),
    /// The API key in this line ends with a colon, as if that separated it from its scopes.
    Colon(usize),
}

/// Byte order marks of UTF-8, and of UTF-16 in both orders.
#[cfg(feature = "jwt")]
const MARKS: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];

#[cfg(feature = "jwt")]
impl KeyWarning {
    /// The warning for a secret, if it is text; other bytes may be intended.
    pub(super) fn of_text(secret: &[u8]) -> Option<Self> {
        if MARKS.iter().any(|mark| secret.starts_with(mark)) {
            return Some(Self::ByteOrderMark);
        }
        let is_text = |text: &str| text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
        let text = std::str::from_utf8(secret).ok().filter(|text| is_text(text))?;
        text.contains(['\n', '\r']).then_some(Self::SeveralLines)
    }
}

impl fmt::Display for KeyWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "jwt")]
            Self::ShortSecret => {
                f.write_str("the secret is shorter than the 32 bytes that HS256 needs (RFC 7518, 3.2)")
            }
            #[cfg(feature = "jwt")]
            Self::SeveralLines => f.write_str(
                "the secret has more than one line: all of it is the secret, but for one newline at its end",
            ),
            #[cfg(feature = "jwt")]
            Self::ByteOrderMark => {
                f.write_str("the secret begins with a byte order mark, which is taken as part of it")
            }
            #[cfg(feature = "jwt")]
            Self::LeftOut(left_out) => write!(f, "left out: {left_out}"),
            Self::ShortApiKey(line) => write!(f, "line {line}: the key is short enough to be guessed"),
            Self::Colon(line) => write!(
                f,
                "line {line}: the key ends with a colon, which is taken as part of it; a space sets its scopes apart"
            ),
        }
    }
}

#[cfg(all(test, feature = "jwt"))]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_text_is_one_line() {
        use KeyWarning::{ByteOrderMark, SeveralLines};
        for (secret, warning) in [
            (&b"a secret"[..], None),
            (b"a secret\r\n", Some(SeveralLines)),
            (b"a secret\nanother", Some(SeveralLines)),
            (b"a secret\n\n", Some(SeveralLines)),
            ("\u{feff}a secret".as_bytes(), Some(ByteOrderMark)),
            (b"\xff\xfea\0 \0", Some(ByteOrderMark)),
            // What a generator of random bytes writes.
            (b"\x01\x02\n\x03\x04", None),
            (b"\xf0\n\xf1", None),
        ] {
            assert_eq!(KeyWarning::of_text(secret), warning, "{secret:?}");
        }
    }
}
