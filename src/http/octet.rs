//! Classes of octets that the grammar names.

/// A set of octets.
#[derive(Clone, Copy)]
pub(super) struct Class(u8);

/// tchar (RFC 9110, 5.6.2).
pub(super) const TOKEN: Class = Class(1);
/// What a field value is made of, OWS included: VCHAR, SP, HTAB, obs-text (RFC 9110, 5.5).
pub(super) const VALUE: Class = Class(2);
/// What a request target is made of: visible ASCII but `#`. More than RFC 3986 allows, as browsers leave
/// `{|}^\` raw.
pub(super) const TARGET: Class = Class(4);
/// What a reg-name is made of besides percent-escapes (RFC 3986, 3.2.2), without the comma, which joins
/// lists.
pub(super) const REG_NAME: Class = Class(8);
/// qdtext (RFC 9110, 5.6.4).
pub(super) const QUOTED: Class = Class(16);

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        let byte = index as u8;
        let visible = byte.is_ascii_graphic();
        let alphanumeric = byte.is_ascii_alphanumeric();
        let unreserved = alphanumeric || matches!(byte, b'-' | b'.' | b'_' | b'~');
        let mark =
            matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'^' | b'`' | b'|');
        let delimiter = matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=');
        let value = visible || byte == b' ' || byte == b'\t' || byte >= 0x80;
        table[index] = if unreserved || mark { TOKEN.0 } else { 0 }
            | if value { VALUE.0 } else { 0 }
            | if visible && byte != b'#' { TARGET.0 } else { 0 }
            | if unreserved || delimiter { REG_NAME.0 } else { 0 }
            | if value && byte != b'"' && byte != b'\\' { QUOTED.0 } else { 0 };
        index += 1;
    }
    table
}

impl Class {
    /// Whether the octet is in the set.
    pub(super) fn has(self, byte: u8) -> bool {
        CLASSES[usize::from(byte)] & self.0 != 0
    }

    /// Where the run of octets of this set that begins at `from` ends: `from` itself if there is none.
    pub(super) fn run(self, bytes: &[u8], from: usize) -> usize {
        let rest = bytes.get(from..).unwrap_or_default();
        let length = rest.iter().position(|&byte| !self.has(byte)).unwrap_or(rest.len());
        #[cfg(test)]
        super::tests::note_looks(length + 1);
        from + length
    }
}

/// Whether it is a token, such as a field name (RFC 9110, 5.6.2).
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| TOKEN.has(*byte))
}

/// OWS and BWS (RFC 9110, 5.6.3).
pub(super) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(class: Class) -> Vec<u8> {
        (0..=255).filter(|&byte| class.has(byte)).collect()
    }

    #[test]
    fn classes_hold_what_the_grammar_says() {
        let tchar = b"!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~";
        assert_eq!(members(TOKEN), tchar);
        let value: Vec<u8> = [9].into_iter().chain(0x20..=0x7e).chain(0x80..=0xff).collect();
        assert_eq!(members(VALUE), value);
        let target: Vec<u8> = (0x21..=0x7e).filter(|byte| *byte != b'#').collect();
        assert_eq!(members(TARGET), target);
        let quoted: Vec<u8> = value.iter().copied().filter(|byte| !b"\"\\".contains(byte)).collect();
        assert_eq!(members(QUOTED), quoted);
        let reg_name = b"!$&'()*+-.0123456789;=ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
        assert_eq!(members(REG_NAME), reg_name);
    }

    #[test]
    fn a_run_ends_at_the_first_other_octet() {
        assert_eq!(TOKEN.run(b"ab c", 0), 2);
        assert_eq!(TOKEN.run(b"ab c", 2), 2);
        assert_eq!(TOKEN.run(b"ab c", 3), 4);
        assert_eq!(TOKEN.run(b"ab c", 9), 9);
    }
}
