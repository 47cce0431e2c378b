//! Topics and the patterns that subscribe to them.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest topic or pattern, in bytes.
pub const MAX_TOPIC: usize = 256;
/// Maximum number of tokens of a topic or pattern.
pub const MAX_TOKENS: usize = 32;

/// Limits on the topics and patterns that one stream may follow. The topic of an event may have up to [`MAX_TOKENS`]
/// tokens regardless: a pattern with a final `>` matches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicLimits {
    /// Maximum number of tokens in a topic or pattern.
    pub tokens: usize,
    /// Maximum number of `*` in a pattern. The number of ways to place that many `*` among the tokens of a topic bounds
    /// the cost of finding its subscribers.
    pub wildcards: usize,
    /// Maximum number of tokens in all topics and patterns together.
    pub total: usize,
}

impl TopicLimits {
    /// The default limits.
    pub const DEFAULT: Self = Self { tokens: 16, wildcards: 4, total: 512 };

    /// Adds the tokens of `pattern` to `before`, the number of tokens that the stream follows already. Fails with the
    /// limit that is exceeded.
    pub fn admit(&self, pattern: &str, before: usize) -> Result<usize, String> {
        let tokens = pattern.split('.').count();
        let wildcards = pattern.split('.').filter(|token| *token == "*").count();
        let total = before + tokens;
        if tokens > self.tokens {
            return Err(format!("at most {} tokens, and this has {tokens}", self.tokens));
        }
        if wildcards > self.wildcards {
            return Err(format!("at most {} '*', and this has {wildcards}", self.wildcards));
        }
        if total > self.total {
            return Err(format!(
                "at most {} tokens in all topics of a stream, and this makes {total}",
                self.total
            ));
        }
        Ok(total)
    }
}

/// Why a topic or a pattern is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// Empty, or longer than [`MAX_TOPIC`].
    #[error("must be 1 to {MAX_TOPIC} bytes")]
    Length,
    /// More tokens than [`MAX_TOKENS`].
    #[error("must have at most {MAX_TOKENS} tokens")]
    Tokens,
    /// An empty token: nothing before, after or between dots.
    #[error("must not have empty tokens")]
    EmptyToken,
    /// White space or a control character.
    #[error("must not have white space or control characters")]
    Character,
    /// A wildcard in the wrong place.
    #[error("'*' and '>' are wildcards: each is a whole token, and '>' only the last")]
    Wildcard,
    /// A wildcard in a topic to publish to.
    #[error("must not have wildcards: '*' and '>' are for subscriptions")]
    NotConcrete,
}

/// A topic to publish to: tokens separated by `.`, like NATS subjects.
///
/// ```
/// use fanfare::Topic;
/// assert!(Topic::parse("orders.eu.created").is_ok());
/// assert!(Topic::parse("orders.*").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

/// What a stream subscribes to: a topic, or a pattern with `*` for any one token and a final `>` for one or more.
///
/// ```
/// use fanfare::{Pattern, Topic};
/// let pattern = Pattern::parse("orders.*.created")?;
/// assert!(pattern.matches(&Topic::parse("orders.eu.created")?));
/// # Ok::<(), fanfare::TopicError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Arc<str>);

impl Topic {
    /// Parses a topic.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        check(text)?;
        match text.contains(['*', '>']) {
            true => Err(TopicError::NotConcrete),
            false => Ok(Self(text.into())),
        }
    }

    /// The topic as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tokens between the dots.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }
}

impl Pattern {
    /// Parses a pattern.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        check(text)?;
        let mut tokens = text.split('.').peekable();
        while let Some(token) = tokens.next() {
            let sound = match token {
                "*" => true,
                ">" => tokens.peek().is_none(),
                _ => !token.contains(['*', '>']),
            };
            if !sound {
                return Err(TopicError::Wildcard);
            }
        }
        Ok(Self(text.into()))
    }

    /// The pattern that matches every topic.
    pub fn everything() -> Self {
        Self(">".into())
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tokens between the dots.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether it has no wildcard, and so matches only the topic of that name.
    pub fn is_literal(&self) -> bool {
        !self.0.contains(['*', '>'])
    }

    /// Whether it matches a topic.
    pub fn matches(&self, topic: &Topic) -> bool {
        #[cfg(test)]
        COMPARISONS.set(COMPARISONS.get() + 1);
        follows(self.0.as_bytes(), topic.0.as_bytes())
    }

    /// Whether it matches every topic that `other` matches.
    pub fn covers(&self, other: &Self) -> bool {
        includes(self.tokens(), other.tokens())
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        Self::parse(text)
    }
}

impl FromStr for Pattern {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        Self::parse(text)
    }
}

#[cfg(test)]
std::thread_local! {
    static COMPARISONS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
impl Pattern {
    /// Number of comparisons of a pattern with a topic on this thread so far, for tests of limits.
    pub(crate) fn comparisons() -> usize {
        COMPARISONS.get()
    }
}

/// Whether a topic matches a pattern. It compares bytes, since replays spend most of their time here. A `*` or `>` is
/// always a whole token, and no token is empty.
fn follows(pattern: &[u8], topic: &[u8]) -> bool {
    let mut rest = topic.iter();
    for byte in pattern {
        match byte {
            b'>' => return !rest.as_slice().is_empty(),
            b'*' => {
                let token = rest.as_slice().iter().take_while(|byte| **byte != b'.').count();
                if token == 0 {
                    return false;
                }
                rest.nth(token - 1);
            }
            byte if rest.next() == Some(byte) => {}
            _ => return false,
        }
    }
    rest.as_slice().is_empty()
}

/// Whether each token of `pattern` covers the one in its place. A wildcard covers itself and whatever is narrower.
fn includes<'t>(
    mut pattern: impl Iterator<Item = &'t str>,
    mut other: impl Iterator<Item = &'t str>,
) -> bool {
    loop {
        match (pattern.next(), other.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            // `>` may be many tokens, so `*` is not enough.
            (Some("*"), Some(token)) if token != ">" => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

fn check(text: &str) -> Result<(), TopicError> {
    if text.is_empty() || text.len() > MAX_TOPIC {
        return Err(TopicError::Length);
    }
    if text.chars().any(|character| character.is_control() || character.is_whitespace()) {
        return Err(TopicError::Character);
    }
    if text.split('.').any(str::is_empty) {
        return Err(TopicError::EmptyToken);
    }
    if text.split('.').count() > MAX_TOKENS {
        return Err(TopicError::Tokens);
    }
    Ok(())
}

/// A pattern is ordered and hashed like its text, so it can be looked up by the name of a topic.
impl Borrow<str> for Pattern {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A topic is ordered and hashed like its text, so it can be looked up by that of a pattern.
impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_topic_and_what_a_pattern() {
        use TopicError::{Character, EmptyToken, Length, NotConcrete, Tokens, Wildcard};
        let long = "x".repeat(MAX_TOPIC + 1);
        let many = vec!["x"; MAX_TOKENS + 1].join(".");
        let cases: &[(&str, Option<TopicError>, Option<TopicError>)] = &[
            ("a", None, None),
            ("a.b-c.é_1", None, None),
            ("", Some(Length), Some(Length)),
            (&long, Some(Length), Some(Length)),
            (&many, Some(Tokens), Some(Tokens)),
            (".", Some(EmptyToken), Some(EmptyToken)),
            ("a.", Some(EmptyToken), Some(EmptyToken)),
            (".a", Some(EmptyToken), Some(EmptyToken)),
            ("a..b", Some(EmptyToken), Some(EmptyToken)),
            ("a b", Some(Character), Some(Character)),
            ("a\n", Some(Character), Some(Character)),
            ("a\u{a0}b", Some(Character), Some(Character)),
            ("*", Some(NotConcrete), None),
            (">", Some(NotConcrete), None),
            ("a.*.c.>", Some(NotConcrete), None),
            ("a*", Some(NotConcrete), Some(Wildcard)),
            ("a.>.b", Some(NotConcrete), Some(Wildcard)),
            ("a.>>", Some(NotConcrete), Some(Wildcard)),
        ];
        for (text, topic, pattern) in cases {
            assert_eq!(Topic::parse(text).err(), *topic, "topic {text:?}");
            assert_eq!(Pattern::parse(text).err(), *pattern, "pattern {text:?}");
        }
    }

    #[test]
    fn what_is_too_much_is_named_with_its_limit() {
        let limits = TopicLimits::DEFAULT;
        let of = |token: &str, count: usize| vec![token; count].join(".");
        assert_eq!(limits.admit("a.*.c.>", 0), Ok(4));
        assert_eq!(limits.admit(&of("a", 16), 496), Ok(512));
        assert_eq!(limits.admit(&format!("{}.{}.>", of("*", 4), of("a", 11)), 0), Ok(16));
        for (pattern, before, reason) in [
            (of("a", 17), 0, "at most 16 tokens, and this has 17"),
            (of("*", 5), 0, "at most 4 '*', and this has 5"),
            ("a.b".into(), 511, "at most 512 tokens in all topics of a stream, and this makes 513"),
        ] {
            assert_eq!(limits.admit(&pattern, before), Err(reason.into()));
        }
    }

    /// All texts of one to four tokens out of `alphabet` that `parse` takes.
    fn all<T>(alphabet: &[&str], parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let mut texts: Vec<String> = vec![String::new()];
        let mut out = Vec::new();
        for _ in 0..4 {
            let longer = |text: &String| {
                let point = if text.is_empty() { "" } else { "." };
                alphabet.iter().map(move |token| format!("{text}{point}{token}")).collect::<Vec<_>>()
            };
            texts = texts.iter().flat_map(longer).collect();
            out.extend(texts.iter().filter_map(|text| parse(text)));
        }
        out
    }

    /// The rules said over again, by recursion.
    fn naive(pattern: &[&str], topic: &[&str]) -> bool {
        match (pattern, topic) {
            ([], []) => true,
            ([">"], [_, ..]) => true,
            (["*", pattern @ ..], [_, topic @ ..]) => naive(pattern, topic),
            ([a, pattern @ ..], [b, topic @ ..]) => a == b && naive(pattern, topic),
            _ => false,
        }
    }

    #[test]
    fn matches_and_covers_agree_with_the_rules_for_every_small_case() {
        let patterns = all(&["a", "b", "*", ">"], |text| Pattern::parse(text).ok());
        // `c` and a fifth token stand for everything that no pattern here names.
        let mut topics = all(&["a", "b", "c"], |text| Topic::parse(text).ok());
        topics.extend(all(&["a", "b", "c"], |text| Topic::parse(&format!("{text}.c")).ok()));
        let mut matched = Vec::new();
        for pattern in &patterns {
            let tokens: Vec<&str> = pattern.tokens().collect();
            let of_pattern: Vec<bool> = topics.iter().map(|topic| pattern.matches(topic)).collect();
            for (topic, is_match) in topics.iter().zip(&of_pattern) {
                assert_eq!(
                    naive(&tokens, &topic.tokens().collect::<Vec<_>>()),
                    *is_match,
                    "{pattern} {topic}"
                );
            }
            matched.push(of_pattern);
        }
        for (a, of_a) in patterns.iter().zip(&matched) {
            for (b, of_b) in patterns.iter().zip(&matched) {
                let expected = of_a.iter().zip(of_b).all(|(in_a, in_b)| *in_a || !in_b);
                assert_eq!(a.covers(b), expected, "{a} covers {b}");
            }
        }
    }
}
