//! Clients: who has a stream open.

use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;
use std::sync::Arc;

use siphasher::sip::SipHasher24;
use smallvec::SmallVec;

use super::topic::Pattern;

/// Identifies one stream for its lifetime. Prints as 32 hexadecimal digits, opaque to clients.
///
/// An id cannot be guessed, and does not reveal when or where its stream was opened, nor how many were before: it is
/// the location of the stream, encrypted with a key that the engine draws at its start. So finding a stream by its id
/// needs no index, and no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(u128);

/// Locates one stream on one event loop, for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamToken {
    /// The shard.
    pub shard: u16,
    /// Its slot there.
    pub slot: u32,
    /// Which of the slot's successive connections.
    pub serial: u32,
}

/// The key that makes the client ids of an engine, and finds streams by them.
///
/// A permutation of 128 bits: a Feistel network of four rounds over SipHash-2-4, which takes under 100 ns. 48 input
/// bits are always zero, so an id that was not made with the key is recognised.
#[derive(Clone, Copy)]
pub struct ClientKey([u64; 2]);

/// A string that is not a client id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a client id")]
pub struct InvalidClientId;

const ROUNDS: [u8; 4] = [0, 1, 2, 3];

impl ClientKey {
    /// A key from these bits, which must be random.
    pub fn new(key: [u64; 2]) -> Self {
        Self(key)
    }

    /// The id of a stream.
    pub fn seal(self, token: StreamToken) -> ClientId {
        let StreamToken { shard, slot, serial } = token;
        let (mut left, mut right) = (u64::from(shard), u64::from(slot) << 32 | u64::from(serial));
        for round in ROUNDS {
            (left, right) = (right, left ^ self.mix(round, right));
        }
        ClientId(u128::from(left) << 64 | u128::from(right))
    }

    /// The stream with this id; `None` if no stream can have it.
    pub fn open(self, id: ClientId) -> Option<StreamToken> {
        let (mut left, mut right) = ((id.0 >> 64) as u64, id.0 as u64);
        for round in ROUNDS.into_iter().rev() {
            (left, right) = (right ^ self.mix(round, left), left);
        }
        let shard = u16::try_from(left).ok()?;
        Some(StreamToken { shard, slot: (right >> 32) as u32, serial: right as u32 })
    }

    fn mix(self, round: u8, half: u64) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.0[0], self.0[1]);
        hasher.write_u64(half);
        hasher.write_u8(round);
        hasher.finish()
    }
}

impl ClientId {
    /// The form stored on disk.
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Reads the stored form. An id that no stream has is like that of a stream that has ended.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientKey")
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for ClientId {
    type Err = InvalidClientId;

    fn from_str(text: &str) -> Result<Self, InvalidClientId> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(is_digit) {
            return Err(InvalidClientId);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| InvalidClientId)
    }
}

/// A subscriber: who it is, what it subscribes to, and its metadata.
///
/// [Filters](super::Target::filter) and the connect and disconnect hooks see this.
#[derive(Clone, Debug)]
pub struct Client {
    token: StreamToken,
    key: ClientKey,
    profile: Arc<Profile>,
}

/// The part of a [`Client`] that outlives a connection: its identity and subscriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The user, as the application identifies it.
    pub user: Option<Arc<str>>,
    /// The session, as the application identifies it.
    pub session: Option<Arc<str>>,
    /// What it subscribes to.
    pub topics: SmallVec<[Pattern; 1]>,
    /// Metadata, each key once, sorted by key.
    pub meta: Box<[(Arc<str>, Arc<str>)]>,
}

impl Profile {
    /// Whether it is empty: such a stream only gets what goes to everyone.
    pub fn is_anonymous(&self) -> bool {
        self.user.is_none() && self.session.is_none() && self.topics.is_empty() && self.meta.is_empty()
    }

    /// The value of a metadata key.
    pub fn meta(&self, key: &str) -> Option<&str> {
        let at = self.meta.binary_search_by(|(name, _)| (**name).cmp(key)).ok()?;
        Some(&self.meta[at].1)
    }
}

impl Client {
    /// The client of a stream; its id is made with this key.
    pub fn new(token: StreamToken, key: ClientKey, profile: Arc<Profile>) -> Self {
        Self { token, key, profile }
    }

    /// The id of this stream. A reconnect gets another.
    pub fn id(&self) -> ClientId {
        // Computed when asked for, which is rare.
        self.key.seal(self.token)
    }

    /// The user of this stream.
    pub fn user_id(&self) -> Option<&str> {
        self.profile.user.as_deref()
    }

    /// The session of this stream.
    pub fn session_id(&self) -> Option<&str> {
        self.profile.session.as_deref()
    }

    /// The value of a metadata key of the client.
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

    const KEY: ClientKey = ClientKey([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]);

    #[test]
    fn client_ids_print_and_parse() {
        let id = KEY.seal(StreamToken { shard: 3, slot: 17, serial: u32::MAX });
        let text = id.to_string();
        assert_eq!(text, format!("{:032x}", id.0));
        assert_eq!((text.len(), text.parse()), (32, Ok(id)));
        for wrong in
            ["", "x", &text[1..], &format!("{text}0"), &text.to_uppercase(), &format!("+{}", &text[1..])]
        {
            assert!(wrong.parse::<ClientId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_stream_is_found_by_its_id_and_with_its_key_only() {
        for token in [(0, 0, 0), (0, 0, 1), (u16::MAX, u32::MAX, u32::MAX), (7, 123_456, 99)] {
            let token = StreamToken { shard: token.0, slot: token.1, serial: token.2 };
            let id = KEY.seal(token);
            assert_eq!(KEY.open(id), Some(token));
            assert_ne!(ClientKey([1, 2]).open(id), Some(token));
        }
    }

    /// Whoever knows the ids of many streams knows nothing of the next one's.
    #[test]
    fn ids_of_neighbours_have_nothing_in_common_and_none_is_found_by_guessing() {
        let id = |serial| KEY.seal(StreamToken { shard: 0, slot: serial, serial });
        let ids: Vec<u128> = (0..1000).map(|serial| id(serial).0).collect();
        for pair in ids.windows(2) {
            let differing = (pair[0] ^ pair[1]).count_ones();
            assert!((24..104).contains(&differing), "{differing} of 128 bits differ");
        }
        // Close by, and with the halves of others.
        let near = ids.iter().flat_map(|id| (0..128).map(move |bit| id ^ (1 << bit)));
        let crossed = ids.windows(2).map(|pair| pair[0] >> 64 << 64 | u128::from(pair[1] as u64));
        let found = near.chain(crossed).filter(|id| KEY.open(ClientId(*id)).is_some()).count();
        assert_eq!(found, 0, "each is a stream's with a probability of 2^-48");
    }
}
