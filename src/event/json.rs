//! Takes JSON objects apart one member at a time, so that an error can name the member.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::{SmallVec, smallvec};

use super::excerpt::excerpt;

/// Why a text is not the expected value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text is not JSON (400).
    #[error("malformed JSON: {0}")]
    Malformed(String),
    /// The text is JSON, but not what it must be (422).
    #[error("{member}: {reason}")]
    Invalid {
        /// The invalid member, with its path.
        member: String,
        /// What it must be.
        reason: String,
    },
}

impl JsonError {
    /// An error about a member, present or missing.
    pub fn invalid(member: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { member: member.into(), reason: reason.into() }
    }
}

/// The members of an object, each once, with unparsed values.
pub(crate) struct Members<'j>(Vec<(Name<'j>, &'j RawValue)>);

/// The name of a member: borrowed, unless it has escapes.
type Name<'j> = Cow<'j, str>;

impl<'j> Members<'j> {
    /// Parses a whole text as one object. `member` names it in errors.
    pub(crate) fn parse(text: &'j str, member: &str) -> Result<Self, JsonError> {
        // One pass suffices for valid input, which is nearly all; the second pass finds the error.
        if let Ok(members) = serde_json::from_str(text) {
            return Ok(members);
        }
        let value: &RawValue =
            serde_json::from_str(text).map_err(|error| JsonError::Malformed(error.to_string()))?;
        Self::of(value, member)
    }

    /// The members of a value, which must be an object.
    pub(crate) fn of(value: &'j RawValue, member: &str) -> Result<Self, JsonError> {
        if !value.get().starts_with('{') {
            return Err(JsonError::invalid(member, "must be an object"));
        }
        serde_json::from_str(value.get())
            .map_err(|error| JsonError::invalid(member, format!("is not usable: {error}")))
    }

    /// Removes and returns a member; `null` is a value like any other.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'j RawValue> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Fails if members are left: a misspelt member must not be ignored, least of all in a target. `of` is the path of
    /// the object, empty for the root.
    pub(crate) fn finish(self, of: &str) -> Result<(), JsonError> {
        let point = if of.is_empty() { "" } else { "." };
        match self.0.into_iter().next() {
            Some((name, _)) => {
                Err(JsonError::invalid(format!("{of}{point}{}", excerpt(&name)), "is not a known member"))
            }
            None => Ok(()),
        }
    }

    /// All members, in order.
    pub(crate) fn into_iter(self) -> impl Iterator<Item = (Name<'j>, &'j RawValue)> {
        self.0.into_iter()
    }
}

impl<'de: 'j, 'j> Deserialize<'de> for Members<'j> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(Name<'de>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Self::Value = Vec::with_capacity(4);
                while let Some((Text(name), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    if members.len() == MAX_MEMBERS {
                        return Err(serde::de::Error::custom("too many members"));
                    }
                    if members.iter().any(|(key, _)| *key == name) {
                        return Err(serde::de::Error::custom(format_args!(
                            "member {:?} stands twice",
                            excerpt(&name)
                        )));
                    }
                    members.push((name, value));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Collect).map(Members)
    }
}

/// A string that borrows if possible, as `Cow` itself does not.
struct Text<'j>(Cow<'j, str>);

impl<'de: 'j, 'j> Deserialize<'de> for Text<'j> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

/// Looking for duplicates is quadratic. None of our objects has more members than this.
const MAX_MEMBERS: usize = 64;

/// A string: borrowed, unless it has escapes.
pub(crate) fn string<'j>(value: &'j RawValue, member: &str) -> Result<Cow<'j, str>, JsonError> {
    serde_json::from_str(value.get())
        .map(|Text(text)| text)
        .map_err(|_| JsonError::invalid(member, "must be a string of Unicode text"))
}

/// A non-negative integer.
pub(crate) fn whole_number(value: &RawValue, member: &str) -> Result<u64, JsonError> {
    serde_json::from_str(value.get()).map_err(|_| JsonError::invalid(member, "must be a whole number from 0"))
}

/// A string, or an array of strings.
pub(crate) fn strings(value: &RawValue) -> Option<SmallVec<[Box<str>; 1]>> {
    match value.get().starts_with('[') {
        true => serde_json::from_str::<Vec<Box<str>>>(value.get()).ok().map(SmallVec::from_vec),
        false => serde_json::from_str(value.get()).ok().map(|one: Box<str>| smallvec![one]),
    }
}

/// A string, number or boolean, as text: metadata values are texts.
pub(crate) fn scalar(value: &RawValue, member: &str) -> Result<String, JsonError> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'"') => string(value, member).map(Cow::into_owned),
        Some(b'{' | b'[' | b'n') | None => {
            Err(JsonError::invalid(member, "must be a string, number or boolean"))
        }
        Some(_) => Ok(text.to_owned()),
    }
}
