//! The encoded fields of an event, read again.

use std::borrow::Cow;

/// The fields of an event as they were encoded, without `id:` and `retry:`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EncodedFields<'f>(&'f str);

impl<'f> EncodedFields<'f> {
    /// Fields that this crate has encoded.
    pub(crate) fn of(bytes: &'f [u8]) -> Self {
        Self(std::str::from_utf8(bytes).unwrap_or_default())
    }

    /// The name of the event.
    pub(crate) fn name(self) -> &'f str {
        self.lines().find_map(|line| line.strip_prefix("event: ")).unwrap_or("message")
    }

    /// Its data: JSON, or the lines of a text.
    pub(crate) fn data(self) -> Cow<'f, str> {
        let mut lines = self.lines().filter_map(|line| line.strip_prefix("data: "));
        let first = lines.next().unwrap_or_default();
        match lines.next() {
            None => Cow::Borrowed(first),
            Some(second) => {
                Cow::Owned([first, second].into_iter().chain(lines).collect::<Vec<_>>().join("\n"))
            }
        }
    }

    fn lines(self) -> impl Iterator<Item = &'f str> {
        // Not `lines`, which would take away a CR at an end.
        self.0.split('\n')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Publication, Target};

    #[test]
    fn what_was_encoded_is_read_as_it_was() {
        for text in ["", "one", "one\ntwo", "\n", "a\n\nb\n", " leading", "data: x\nevent: y"] {
            let event = Event::text("note", text).unwrap();
            let mut bytes = Vec::new();
            event.write_fields(&mut bytes);
            let fields = EncodedFields::of(&bytes);
            assert_eq!((fields.name(), &*fields.data()), ("note", text));
        }
        let publication = Publication::new(Event::json("message", &[1, 2]).unwrap(), Target::all());
        let mut bytes = Vec::new();
        publication.event.write_fields(&mut bytes);
        let fields = EncodedFields::of(&bytes);
        assert_eq!((fields.name(), &*fields.data()), ("message", "[1,2]"));
    }
}
