//! Who subscribes to what, whom a publication is for, and who is meant: the contract said over again, naively.

use fanfare::{Target, Topic};
use fastrand::Rng;
use serde_json::{Map, Value, json};

/// Who a stream is for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    user: Option<String>,
    session: Option<String>,
    patterns: Vec<String>,
    meta: Vec<(String, String)>,
}

/// Whom a publication is for.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// `None`: everyone.
    to: Option<Names>,
    only: Vec<(String, String)>,
    except: Option<Names>,
}

/// Streams by name, united.
#[derive(Clone, Debug, Default)]
struct Names {
    users: Vec<String>,
    sessions: Vec<String>,
    topics: Vec<String>,
    clients: Vec<String>,
}

const TOKENS: [&str; 4] = ["a", "b", "c", "d"];
const KEYS: [&str; 3] = ["room", "lang", "tier"];

fn name(rng: &mut Rng, kind: &str, of: usize) -> String {
    format!("{kind}{}", rng.usize(..of))
}

fn topic(rng: &mut Rng) -> String {
    let tokens: Vec<&str> = (0..rng.usize(1..=3)).map(|_| TOKENS[rng.usize(..4)]).collect();
    tokens.join(".")
}

fn pattern(rng: &mut Rng) -> String {
    let mut tokens: Vec<&str> =
        (0..rng.usize(1..=3)).map(|_| if rng.u8(..4) == 0 { "*" } else { TOKENS[rng.usize(..4)] }).collect();
    if rng.u8(..4) == 0 {
        tokens.push(">");
    }
    tokens.join(".")
}

fn pair(rng: &mut Rng) -> (String, String) {
    (KEYS[rng.usize(..3)].to_owned(), name(rng, "v", 2))
}

impl Identity {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let mut meta: Vec<(String, String)> = (0..rng.usize(..3)).map(|_| pair(rng)).collect();
        meta.sort();
        meta.dedup_by(|a, b| a.0 == b.0);
        Self {
            user: (rng.u8(..4) > 0).then(|| name(rng, "u", 12)),
            session: rng.bool().then(|| name(rng, "s", 20)),
            patterns: (0..rng.usize(..4)).map(|_| pattern(rng)).collect(),
            meta,
        }
    }

    /// As the query of a stream request claims it.
    pub(crate) fn query(&self) -> String {
        let mut query = String::from("?");
        let mut add = |key: &str, value: &str| query += &format!("{key}={}&", value.replace('>', "%3E"));
        self.user.iter().for_each(|user| add("userId", user));
        self.session.iter().for_each(|session| add("sessionId", session));
        self.patterns.iter().for_each(|pattern| add("topic", pattern));
        self.meta.iter().for_each(|(key, value)| add(&format!("meta.{key}"), value));
        query
    }
}

impl Address {
    /// `clients` are the names of streams that may be meant.
    pub(crate) fn random(rng: &mut Rng, clients: &[String]) -> Self {
        Self {
            to: (rng.u8(..4) > 0).then(|| Names::random(rng, clients)),
            only: if rng.u8(..4) == 0 { vec![pair(rng)] } else { Vec::new() },
            except: (rng.u8(..4) == 0).then(|| Names::random(rng, clients)),
        }
    }

    /// Whether a stream of that name and identity is meant.
    pub(crate) fn means(&self, identity: &Identity, client: &str) -> bool {
        self.to.as_ref().is_none_or(|names| names.name(identity, client))
            && self.only.iter().all(|pair| identity.meta.contains(pair))
            && !self.except.as_ref().is_some_and(|names| names.name(identity, client))
    }

    /// The members `to` and `except` of a publication.
    pub(crate) fn write(&self, publication: &mut Value) {
        let only: Map<String, Value> =
            self.only.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        match &self.to {
            None if only.is_empty() => {}
            to => publication["to"] = to.as_ref().map_or_else(|| json!({}), Names::json),
        }
        if !only.is_empty() {
            publication["to"]["where"] = only.into();
        }
        if let Some(except) = &self.except {
            publication["except"] = except.json();
        }
    }

    /// The same in the library's terms.
    pub(crate) fn target(&self) -> Target {
        let mut target = self.to.as_ref().map_or_else(Target::all, Names::target);
        for (key, value) in &self.only {
            target = target.with_meta(&**key, &**value);
        }
        match &self.except {
            Some(except) => target.except(except.target()),
            None => target,
        }
    }
}

impl Names {
    /// At least one name.
    fn random(rng: &mut Rng, clients: &[String]) -> Self {
        let mut names = Self::default();
        for _ in 0..rng.usize(1..=3) {
            match rng.u8(..4) {
                0 => names.users.push(name(rng, "u", 14)),
                1 => names.sessions.push(name(rng, "s", 22)),
                2 if !clients.is_empty() => names.clients.push(clients[rng.usize(..clients.len())].clone()),
                _ => names.topics.push(topic(rng)),
            }
        }
        names
    }

    fn name(&self, identity: &Identity, client: &str) -> bool {
        let takes = |topic: &String| identity.patterns.iter().any(|pattern| matches(pattern, topic));
        identity.user.as_ref().is_some_and(|user| self.users.contains(user))
            || identity.session.as_ref().is_some_and(|session| self.sessions.contains(session))
            || self.clients.iter().any(|name| name == client)
            || self.topics.iter().any(takes)
    }

    fn json(&self) -> Value {
        let mut object = json!({});
        let lists = [
            ("user", &self.users),
            ("session", &self.sessions),
            ("topic", &self.topics),
            ("client", &self.clients),
        ];
        for (kind, names) in lists {
            match &**names {
                [] => {}
                [one] => object[kind] = json!(one),
                many => object[kind] = json!(many),
            }
        }
        object
    }

    fn target(&self) -> Target {
        let topic = |text: &String| Topic::parse(text).expect("a topic");
        // A user that nobody has stands for no one.
        let mut target = Target::user("nobody at all");
        for user in &self.users {
            target = target.or_user(&**user);
        }
        for session in &self.sessions {
            target = target.or_session(&**session);
        }
        for client in &self.clients {
            target = target.or_client(client.parse().expect("a client id"));
        }
        self.topics.iter().fold(target, |target, text| target.or_topic(topic(text)))
    }
}

/// Whether a subscription's pattern takes a topic in.
fn matches(pattern: &str, topic: &str) -> bool {
    match (pattern.split_once('.'), topic.split_once('.')) {
        _ if pattern == ">" => true,
        (Some((token, pattern)), Some((name, topic))) => {
            (token == "*" || token == name) && matches(pattern, topic)
        }
        (None, None) => pattern == "*" || pattern == topic,
        _ => false,
    }
}
