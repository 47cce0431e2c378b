//! Subscriptions with wildcards, found by topic.

use std::collections::{BTreeSet, HashMap};

use crate::wire::{Pattern, Topic};

/// Which slots subscribe to which patterns. A look-up costs the depth of the topic and what it finds, not the
/// number of patterns.
#[derive(Debug, Default)]
pub(super) struct PatternTrie {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    /// By token; the wildcards are tokens like others here.
    next: HashMap<Box<str>, Node>,
    /// Who subscribes to the pattern that ends here.
    slots: BTreeSet<u32>,
}

impl PatternTrie {
    pub(super) fn insert(&mut self, pattern: &Pattern, slot: u32) {
        let mut node = &mut self.root;
        for token in pattern.tokens() {
            if !node.next.contains_key(token) {
                node.next.insert(token.into(), Node::default());
            }
            match node.next.get_mut(token) {
                Some(next) => node = next,
                None => return,
            }
        }
        node.slots.insert(slot);
    }

    pub(super) fn remove(&mut self, pattern: &Pattern, slot: u32) {
        self.root.remove(pattern.tokens(), slot);
    }

    /// Calls for each slot with a pattern that matches; several times for one with several.
    pub(super) fn visit(&self, topic: &Topic, mut found: impl FnMut(u32)) {
        let tokens: Vec<&str> = topic.tokens().collect();
        self.root.visit(&tokens, &mut found);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.root.is_bare()
    }
}

impl Node {
    fn is_bare(&self) -> bool {
        self.slots.is_empty() && self.next.is_empty()
    }

    /// Recursion goes as deep as a pattern has tokens, which is limited.
    fn remove<'p>(&mut self, mut tokens: impl Iterator<Item = &'p str>, slot: u32) {
        let Some(token) = tokens.next() else {
            self.slots.remove(&slot);
            return;
        };
        let Some(next) = self.next.get_mut(token) else { return };
        // A trait object, or each level would be a type of its own.
        next.remove(&mut tokens as &mut dyn Iterator<Item = &'p str>, slot);
        if next.is_bare() {
            self.next.remove(token);
        }
    }

    fn visit(&self, tokens: &[&str], found: &mut impl FnMut(u32)) {
        let Some((token, rest)) = tokens.split_first() else {
            self.slots.iter().for_each(|slot| found(*slot));
            return;
        };
        if let Some(tail) = self.next.get(">") {
            tail.slots.iter().for_each(|slot| found(*slot));
        }
        for next in [self.next.get(*token), self.next.get("*")].into_iter().flatten() {
            next.visit(rest, found);
        }
    }
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
}
