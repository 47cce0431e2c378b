//! Finds subscriptions with wildcards by topic.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use crate::event::{Pattern, Topic};

/// Which slots subscribe to which patterns: a trie by tokens. Tokens without a branch between them share a node.
///
/// Memory: a pattern adds at most two nodes, whatever its length, and at most one copy of its text. Removing it frees
/// them.
///
/// Time: a look-up visits only the prefixes of patterns that match the topic, and one token beyond each. A matching
/// prefix of `i` tokens is determined by the positions of its `*`, so if patterns have at most `w` of them there are at
/// most `C(i, 0) + … + C(i, w)` such prefixes. For a topic of 16 tokens and `w` = 4, the defaults of
/// [`TopicLimits`](crate::event::TopicLimits), that is less than 10,000 prefixes in all, whatever streams subscribe to;
/// for a topic of 5 tokens it is 62.
#[derive(Debug)]
pub(super) struct PatternTrie {
    root: Node,
    hashes: Hashes,
}

/// Hashes tokens, with SipHash and a random key since they come from clients.
#[derive(Debug)]
struct Hashes {
    state: RandomState,
    any: u64,
    rest: u64,
}

#[derive(Debug, Default)]
struct Node {
    /// The tokens from the parent node to this one; wildcards are tokens like others.
    path: Box<str>,
    /// Child nodes, by the first token of their path.
    next: HashTable<Box<Node>>,
    /// The subscribers of the pattern that ends here.
    slots: Slots,
}

/// A set that nearly always has one element.
#[derive(Debug, Default)]
enum Slots {
    #[default]
    None,
    One(u32),
    #[expect(clippy::box_collection, reason = "the few large sets must not make every node larger")]
    Many(Box<BTreeSet<u32>>),
}

/// A token of a topic, with its hash.
type Token<'t> = (&'t str, u64);

impl Default for PatternTrie {
    fn default() -> Self {
        let state = RandomState::new();
        let (any, rest) = (state.hash_one("*"), state.hash_one(">"));
        Self { root: Node::default(), hashes: Hashes { state, any, rest } }
    }
}

impl PatternTrie {
    pub(super) fn insert(&mut self, pattern: &Pattern, slot: u32) {
        self.root.insert(pattern.as_str(), slot, &self.hashes);
    }

    pub(super) fn remove(&mut self, pattern: &Pattern, slot: u32) {
        self.root.remove(pattern.as_str(), slot, &self.hashes);
    }

    /// Calls `found` with the slot of each pattern that matches, so more than once for some. Returns how many nodes were
    /// visited.
    pub(super) fn visit(&self, topic: &Topic, mut found: impl FnMut(u32)) -> usize {
        if self.is_empty() {
            return 0;
        }
        let tokens: Vec<Token<'_>> =
            topic.tokens().map(|token| (token, self.hashes.state.hash_one(token))).collect();
        self.root.visit(&tokens, &self.hashes, &mut found)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.root.is_bare()
    }
}

impl Hashes {
    fn of(&self, node: &Node) -> u64 {
        self.state.hash_one(first(&node.path))
    }
}

impl Node {
    fn is_bare(&self) -> bool {
        matches!(self.slots, Slots::None) && self.next.is_empty()
    }

    fn find(&self, (token, hash): Token<'_>) -> Option<&Self> {
        self.next.find(hash, |node| first(&node.path) == token).map(|node| &**node)
    }

    fn insert(&mut self, rest: &str, slot: u32, hashes: &Hashes) {
        if rest.is_empty() {
            return self.slots.insert(slot);
        }
        let token = first(rest);
        let hash = hashes.state.hash_one(token);
        if let Some(node) = self.next.find_mut(hash, |node| first(&node.path) == token) {
            let shared = shared(&node.path, rest);
            if shared < node.path.len() {
                node.split(shared, hashes);
            }
            return node.insert(rest.get(shared + 1..).unwrap_or_default(), slot, hashes);
        }
        let node = Self { path: rest.into(), next: HashTable::new(), slots: Slots::One(slot) };
        self.next.insert_unique(hash, Box::new(node), |node| hashes.of(node));
    }

    /// Splits the node `at` bytes into its path.
    fn split(&mut self, at: usize, hashes: &Hashes) {
        let (above, below) = (self.path[..at].into(), self.path[at + 1..].into());
        let lower = Self {
            path: below,
            next: std::mem::take(&mut self.next),
            slots: std::mem::take(&mut self.slots),
        };
        self.path = above;
        self.next.insert_unique(hashes.of(&lower), Box::new(lower), |node| hashes.of(node));
    }

    /// The number of tokens in a pattern limits the recursion.
    fn remove(&mut self, rest: &str, slot: u32, hashes: &Hashes) {
        if rest.is_empty() {
            return self.slots.remove(slot);
        }
        let token = first(rest);
        let hash = hashes.state.hash_one(token);
        let Ok(mut entry) = self.next.find_entry(hash, |node| first(&node.path) == token) else { return };
        let node = entry.get_mut();
        let Some(rest) = behind(rest, &node.path) else { return };
        node.remove(rest, slot, hashes);
        if node.is_bare() {
            entry.remove();
            self.shrink(hashes);
        } else {
            node.join();
        }
    }

    /// If no pattern ends here and there is one branch, joins it.
    fn join(&mut self) {
        if !matches!(self.slots, Slots::None) || self.next.len() != 1 {
            return;
        }
        if let Some(lower) = std::mem::take(&mut self.next).into_iter().next() {
            let Self { path, next, slots } = *lower;
            *self = Self { path: format!("{}.{path}", self.path).into(), next, slots };
        }
    }

    fn shrink(&mut self, hashes: &Hashes) {
        let (len, room) = (self.next.len(), self.next.capacity());
        if len == 0 || len < room / 4 {
            self.next.shrink_to(2 * len, |node| hashes.of(node));
        }
    }

    /// `tokens` are the rest of the topic below this node.
    fn visit(&self, tokens: &[Token<'_>], hashes: &Hashes, found: &mut impl FnMut(u32)) -> usize {
        let Some(token) = tokens.first() else {
            self.slots.each(found);
            return 1;
        };
        let mut visited = 1;
        for way in [(">", hashes.rest), *token, ("*", hashes.any)] {
            let Some(node) = self.find(way) else { continue };
            visited += match node.follow(tokens) {
                Some(tokens) => node.visit(tokens, hashes, found),
                None => 1,
            };
        }
        visited
    }

    /// The rest of a topic after the path, if the path matches.
    fn follow<'a, 't>(&self, mut tokens: &'a [Token<'t>]) -> Option<&'a [Token<'t>]> {
        for step in self.path.split('.') {
            let ((token, _), rest) = tokens.split_first()?;
            match step {
                ">" => return Some(&[]),
                "*" => {}
                step if step == *token => {}
                _ => return None,
            }
            tokens = rest;
        }
        Some(tokens)
    }
}

impl Slots {
    fn insert(&mut self, slot: u32) {
        match self {
            Self::None => *self = Self::One(slot),
            Self::One(first) if *first == slot => {}
            Self::One(first) => *self = Self::Many(Box::new([*first, slot].into())),
            Self::Many(slots) => drop(slots.insert(slot)),
        }
    }

    fn remove(&mut self, slot: u32) {
        match self {
            Self::One(first) if *first == slot => *self = Self::None,
            Self::One(_) | Self::None => {}
            Self::Many(slots) => {
                slots.remove(&slot);
                if slots.len() < 2 {
                    *self = slots.first().map_or(Self::None, |slot| Self::One(*slot));
                }
            }
        }
    }

    fn each(&self, found: &mut impl FnMut(u32)) {
        match self {
            Self::None => {}
            Self::One(slot) => found(*slot),
            Self::Many(slots) => slots.iter().for_each(|slot| found(*slot)),
        }
    }
}

fn first(path: &str) -> &str {
    path.split('.').next().unwrap_or_default()
}

/// The length in bytes of the whole tokens that two paths have in common.
fn shared(a: &str, b: &str) -> usize {
    let same = a.split('.').zip(b.split('.')).take_while(|(a, b)| a == b);
    // A point before each but the first.
    same.map(|(token, _)| token.len() + 1).sum::<usize>().saturating_sub(1)
}

/// The rest of a text that begins with a path.
fn behind<'t>(text: &'t str, path: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(path)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_asking_every_pattern_and_leaves_nothing_behind() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut trie = PatternTrie::default();
        let mut model: Vec<(Pattern, u32)> = Vec::new();
        let text = |random: &mut fastrand::Rng, tokens: &[&str]| {
            let length = random.usize(1..=4);
            (0..length).map(|_| tokens[random.usize(..tokens.len())]).collect::<Vec<_>>().join(".")
        };
        for step in 0..20_000 {
            let growing = (step / 1000) % 2 == 0;
            if random.f32() < if growing { 0.8 } else { 0.3 } {
                if let Ok(pattern) = Pattern::parse(&text(&mut random, &["a", "b", "c", "*", ">"])) {
                    let slot = random.u32(..50);
                    trie.insert(&pattern, slot);
                    if !model.contains(&(pattern.clone(), slot)) {
                        model.push((pattern, slot));
                    }
                }
            } else if !model.is_empty() {
                let (pattern, slot) = model.swap_remove(random.usize(..model.len()));
                trie.remove(&pattern, slot);
            }
            if step % 50 == 0 {
                nodes(&trie.root);
            }
            if step % 7 == 0 {
                let topic = Topic::parse(&text(&mut random, &["a", "b", "c", "d"])).unwrap();
                let mut found = Vec::new();
                trie.visit(&topic, |slot| found.push(slot));
                let matching = model.iter().filter(|(pattern, _)| pattern.matches(&topic));
                let mut expected: Vec<u32> = matching.map(|(_, slot)| *slot).collect();
                found.sort_unstable();
                expected.sort_unstable();
                assert_eq!(found, expected, "{topic}");
            }
        }
        for (pattern, slot) in model.drain(..) {
            trie.remove(&pattern, slot);
        }
        assert!(trie.is_empty());
    }

    /// Nodes below one; no node but the root may be there for nothing.
    fn nodes(node: &Node) -> usize {
        let count = |node: &Node| {
            let of_use = !matches!(node.slots, Slots::None) || node.next.len() > 1;
            assert!(of_use, "{:?} could be one path with what follows", node.path);
            1 + nodes(node)
        };
        node.next.iter().map(|node| count(node)).sum()
    }

    /// Patterns over `a`, `*` and a final `>` in every combination, with at most so many `*`.
    fn combinations(tokens: u32, stars: u32) -> Vec<Pattern> {
        let mut out = Vec::new();
        for length in 1..=tokens {
            for mask in (0..1_u32 << length).filter(|mask| mask.count_ones() <= stars) {
                let token = |n: u32| if mask >> n & 1 == 1 { "*" } else { "a" };
                let text: Vec<&str> = (0..length).map(token).collect();
                out.push(Pattern::parse(&text.join(".")).unwrap());
                if length < tokens {
                    out.push(Pattern::parse(&format!("{}.>", text.join("."))).unwrap());
                }
            }
        }
        out
    }

    fn choose(n: u64, k: u64) -> u64 {
        (0..k).fold(1, |product, i| product * (n - i) / (i + 1))
    }

    #[test]
    fn a_walk_is_bounded_whatever_the_patterns() {
        // The defaults of the limits.
        let (tokens, stars) = (16_u64, 4_u64);
        let prefixes = |tokens: u64| -> u64 {
            (0..=tokens).map(|i| (0..=stars.min(i)).map(|k| choose(i, k)).sum::<u64>()).sum()
        };
        assert_eq!((prefixes(16), prefixes(5)), (9401, 62));
        let patterns = combinations(tokens as u32, stars as u32);
        let mut trie = PatternTrie::default();
        for (slot, pattern) in patterns.iter().enumerate() {
            trie.insert(pattern, slot as u32);
            // What nearly matches costs no more.
            let near = Pattern::parse(&format!("{pattern}.b")).ok();
            near.iter().for_each(|near| trie.insert(near, slot as u32));
        }
        for length in [1, 2, 5, 10, 16] {
            let topic = Topic::parse(&vec!["a"; length].join(".")).unwrap();
            let matching = patterns.iter().filter(|pattern| pattern.matches(&topic)).count();
            let mut found = 0;
            let visited = trie.visit(&topic, |_| found += 1);
            assert_eq!(found, matching, "{topic}");
            // A node for each prefix, and beside it the `>` and what does not go along.
            assert!(visited as u64 <= 4 * prefixes(length as u64), "{visited} nodes for {length} tokens");
        }
        let elsewhere = Topic::parse("b.a.a.a").unwrap();
        assert!(trie.visit(&elsewhere, |_| {}) < 40);
    }

    #[test]
    fn a_pattern_adds_two_nodes_at_most_and_removing_it_gives_them_back() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut trie = PatternTrie::default();
        let token = |random: &mut fastrand::Rng| match random.u32(..4) {
            0 => "*".to_owned(),
            1 => "a".to_owned(),
            _ => random.u16(..).to_string(),
        };
        let long = |random: &mut fastrand::Rng| (0..15).map(|_| token(random)).collect::<Vec<_>>().join(".");
        let patterns: Vec<Pattern> =
            (0..2_000).map(|_| Pattern::parse(&format!("{}.*", long(&mut random))).unwrap()).collect();
        for (slot, pattern) in patterns.iter().enumerate() {
            trie.insert(pattern, slot as u32);
            if slot % 100 == 0 {
                assert!(nodes(&trie.root) <= 2 * (slot + 1));
            }
        }
        for (slot, pattern) in patterns.iter().enumerate() {
            trie.remove(pattern, slot as u32);
            if slot % 100 == 0 {
                assert!(nodes(&trie.root) <= 2 * (patterns.len() - slot - 1));
                assert!(trie.root.next.capacity() <= 8 * trie.root.next.len() + 3);
            }
        }
        assert!(trie.is_empty());
        assert_eq!(trie.root.next.allocation_size(), 0);
    }
}
