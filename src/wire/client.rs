//! Who is at the other end of a stream.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::topic::Pattern;

/// Names one stream for its lifetime. It prints as 28 hexadecimal digits, opaque to clients.
///
/// Inside it says where the stream lives, so that finding one costs no index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId {
    /// Drawn at random at each start of the engine.
    pub node: u32,
    /// The event loop that holds the stream.
    pub shard: u16,
    /// Its place there.
    pub slot: u32,
    /// Which tenant of that place it is.
    pub serial: u32,
}

/// A text that is no client id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a client id")]
pub struct InvalidClientId;

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}{:04x}{:08x}{:08x}", self.node, self.shard, self.slot, self.serial)
    }
}

impl FromStr for ClientId {
    type Err = InvalidClientId;

    fn from_str(text: &str) -> Result<Self, InvalidClientId> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 28 || !text.bytes().all(is_digit) {
            return Err(InvalidClientId);
        }
        let field = |range| u32::from_str_radix(&text[range], 16).map_err(|_| InvalidClientId);
        let shard = u16::try_from(field(8..12)?).map_err(|_| InvalidClientId)?;
        Ok(Self { node: field(0..8)?, shard, slot: field(12..20)?, serial: field(20..28)? })
    }
}

/// What is known of a subscriber: who it is, what it asked for, and its metadata.
///
/// Filters ([`Target::filter`](super::Target::filter)) and the connect and disconnect hooks see this.
#[derive(Clone, Debug)]
pub struct Client {
    id: ClientId,
    profile: Arc<Profile>,
}

/// The part of a [`Client`] that outlives a connection: what it claims and subscribes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The user, in the application's terms.
    pub user: Option<Arc<str>>,
    /// The session, in the application's terms.
    pub session: Option<Arc<str>>,
    /// What it subscribes to.
    pub topics: SmallVec<[Pattern; 1]>,
    /// Metadata, each key once, sorted by key.
    pub meta: Box<[(Arc<str>, Arc<str>)]>,
}

impl Profile {
    /// Whether nothing at all is known: such a stream gets what goes to everyone.
    pub fn is_anonymous(&self) -> bool {
        self.user.is_none() && self.session.is_none() && self.topics.is_empty() && self.meta.is_empty()
    }

    /// The value of one key of the metadata.
    pub fn meta(&self, key: &str) -> Option<&str> {
        let at = self.meta.binary_search_by(|(name, _)| (**name).cmp(key)).ok()?;
        Some(&self.meta[at].1)
    }
}

impl Client {
    /// A client of that id and profile.
    pub fn new(id: ClientId, profile: Arc<Profile>) -> Self {
        Self { id, profile }
    }

    /// Names this stream; a reconnect gets another.
    pub fn id(&self) -> ClientId {
        self.id
    }

    /// The user whose stream this is.
    pub fn user_id(&self) -> Option<&str> {
        self.profile.user.as_deref()
    }

    /// The session that this stream belongs to.
    pub fn session_id(&self) -> Option<&str> {
        self.profile.session.as_deref()
    }

    /// The value of one key of the client's metadata.
    pub fn meta(&self, key: &str) -> Option<&str> {
        self.profile.meta(key)
    }

    pub(crate) fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The topic patterns that this stream subscribes to.
    pub fn topics(&self) -> &[Pattern] {
        &self.profile.topics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_print_and_parse() {
        let id = ClientId { node: 0xdead_beef, shard: 3, slot: 17, serial: u32::MAX };
        let text = id.to_string();
        assert_eq!(text, "deadbeef000300000011ffffffff");
        assert_eq!(text.parse(), Ok(id));
        for wrong in ["", "x", &text[1..], &format!("{text}0"), &text.to_uppercase(), &text.replace('d', "+")]
        {
            assert!(wrong.parse::<ClientId>().is_err(), "{wrong}");
        }
    }
}
