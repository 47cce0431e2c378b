//! Targets in their stored form.

use smallvec::SmallVec;

use super::error::Unstorable;
use super::input::{Input, put_block, put_number};
use crate::event::{ClientId, Selector, Target, Topic};

/// Levels of exceptions from exceptions that are stored.
pub(super) const MAX_DEPTH: usize = 8;

const EVERYONE: u8 = 1;
const USERS: u8 = 1 << 1;
const SESSIONS: u8 = 1 << 2;
const TOPICS: u8 = 1 << 3;
const CLIENTS: u8 = 1 << 4;
const META: u8 = 1 << 5;
const EXCEPT: u8 = 1 << 6;

/// Whether a target can be stored: one with a filter cannot, for a closure is code.
pub fn storable(target: &Target) -> Result<(), Unstorable> {
    check(target, MAX_DEPTH)
}

fn check(target: &Target, depth: usize) -> Result<(), Unstorable> {
    if target.to.filter.is_some() {
        return Err(Unstorable::Filter);
    }
    if !target.except.is_empty() && depth == 0 {
        return Err(Unstorable::Depth);
    }
    target.except.iter().try_for_each(|except| check(except, depth - 1))
}

/// Appends a target that is [`storable`].
pub(super) fn put_target(out: &mut Vec<u8>, target: &Target) {
    let Selector { everyone, users, sessions, topics, clients, meta, .. } = &target.to;
    let flags = [
        (*everyone, EVERYONE),
        (!users.is_empty(), USERS),
        (!sessions.is_empty(), SESSIONS),
        (!topics.is_empty(), TOPICS),
        (!clients.is_empty(), CLIENTS),
        (!meta.is_empty(), META),
        (!target.except.is_empty(), EXCEPT),
    ];
    out.push(flags.iter().filter(|(is_there, _)| *is_there).fold(0, |all, (_, flag)| all | flag));
    put_texts(out, users.iter().map(|user| &**user));
    put_texts(out, sessions.iter().map(|session| &**session));
    put_texts(out, topics.iter().map(Topic::as_str));
    if !clients.is_empty() {
        put_number(out, clients.len() as u64);
        clients.iter().for_each(|client| out.extend_from_slice(&client.to_bytes()));
    }
    if !meta.is_empty() {
        put_number(out, meta.len() as u64);
        meta.iter().for_each(|(key, value)| {
            put_block(out, key.as_bytes());
            put_block(out, value.as_bytes());
        });
    }
    if !target.except.is_empty() {
        put_number(out, target.except.len() as u64);
        target.except.iter().for_each(|except| put_target(out, except));
    }
}

/// Nothing where there are none; a flag says so.
fn put_texts<'t>(out: &mut Vec<u8>, texts: impl ExactSizeIterator<Item = &'t str>) {
    if texts.len() > 0 {
        put_number(out, texts.len() as u64);
        texts.for_each(|text| put_block(out, text.as_bytes()));
    }
}

/// Reads a target; `None` where there is none.
pub(super) fn target(input: &mut Input<'_>) -> Option<Target> {
    at_depth(input, MAX_DEPTH).map(Target::sorted)
}

fn at_depth(input: &mut Input<'_>, depth: usize) -> Option<Target> {
    let flags = input.u8()?;
    let has = |flag: u8| flags & flag != 0;
    let mut to = Selector::default();
    if has(EVERYONE) {
        to.everyone = true;
    }
    if has(USERS) {
        to.users = texts(input, |text| Some(text.into()))?;
    }
    if has(SESSIONS) {
        to.sessions = texts(input, |text| Some(text.into()))?;
    }
    if has(TOPICS) {
        to.topics = texts(input, |text| Topic::parse(text).ok())?;
    }
    if has(CLIENTS) {
        let count = input.count(16)?;
        to.clients = (0..count).map(|_| input.array().map(ClientId::from_bytes)).collect::<Option<_>>()?;
    }
    if has(META) {
        let count = input.count(2)?;
        let mut pair = || Some((input.text()?.into(), input.text()?.into()));
        to.meta = (0..count).map(|_| pair()).collect::<Option<_>>()?;
    }
    let mut except = Vec::new();
    if has(EXCEPT) {
        let depth = depth.checked_sub(1)?;
        let count = input.count(1)?;
        except = (0..count).map(|_| at_depth(input, depth)).collect::<Option<_>>()?;
    }
    let mut target = Target::from(to);
    target.except = except;
    Some(target)
}

fn texts<T>(input: &mut Input<'_>, read: impl Fn(&str) -> Option<T>) -> Option<SmallVec<[T; 1]>> {
    let count = input.count(1)?;
    (0..count).map(|_| read(input.text()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ClientKey, StreamToken};

    fn some(random: &mut fastrand::Rng, depth: usize) -> Target {
        let mut target = if random.bool() { Target::all() } else { Target::user("ada") };
        for _ in 0..random.usize(..4) {
            let name = format!("é{}", random.u32(..100));
            target = match random.u32(..5) {
                0 => target.or_user(name),
                1 => target.or_session(name),
                2 => target.or_topic(Topic::parse(&format!("a.{name}")).unwrap()),
                3 => {
                    let token = StreamToken { shard: 1, slot: random.u32(..), serial: 2 };
                    target.or_client(ClientKey::new([1, 2]).seal(token))
                }
                _ => target.with_meta(name, "value"),
            };
        }
        if depth > 0 && random.bool() {
            target = target.except(some(random, depth - 1)).except(some(random, depth - 1));
        }
        target.sorted()
    }

    fn encoded(target: &Target) -> Vec<u8> {
        let mut out = Vec::new();
        put_target(&mut out, target);
        out
    }

    #[test]
    fn a_target_is_read_as_it_was_put_and_nothing_panics() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..3_000 {
            let put = some(&mut random, 3);
            let mut bytes = encoded(&put);
            let mut input = Input::new(&bytes);
            let read = target(&mut input).expect("a target");
            assert!(input.is_empty());
            assert_eq!(format!("{read:?}"), format!("{put:?}"));
            assert!((0..bytes.len()).all(|end| target(&mut Input::new(&bytes[..end])).is_none()), "cut");
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
            let _ = target(&mut Input::new(&bytes));
        }
    }

    #[test]
    fn what_cannot_be_stored_is_refused() {
        let filter = || Target::filter(|_| true);
        assert_eq!(storable(&filter()), Err(Unstorable::Filter));
        assert_eq!(
            storable(&Target::all().except(Target::user("a").except(filter()))),
            Err(Unstorable::Filter)
        );
        let nested = |levels: usize| (0..levels).fold(Target::all(), |inner, _| Target::all().except(inner));
        assert_eq!(storable(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(storable(&nested(MAX_DEPTH + 1)), Err(Unstorable::Depth));
        assert!(target(&mut Input::new(&encoded(&nested(MAX_DEPTH)))).is_some());
        // Read from a disk, it must not take the stack.
        assert!(target(&mut Input::new(&[EXCEPT, 1].repeat(1_000_000))).is_none());
    }
}
