//! What should happen, said over again: who is meant by an address, and what each client should see.

use std::fmt::Write as _;

use fanfare::{Event, Publication, Target};

/// Who somebody is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Who {
    pub user: Option<String>,
    pub session: Option<String>,
    pub topics: Vec<String>,
    pub meta: Vec<(String, String)>,
}

/// An address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Address {
    pub everyone: bool,
    pub users: Vec<String>,
    pub sessions: Vec<String>,
    pub topics: Vec<String>,
    pub clients: Vec<String>,
    pub meta: Vec<(String, String)>,
}

/// An event as it was published.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub seq: u64,
    pub to: Address,
    pub except: Option<Address>,
    /// The condition on metadata is a closure instead of a part of the address.
    pub by_closure: bool,
    pub name: String,
    pub text: String,
    /// Seconds.
    pub ttl: Option<u64>,
}

impl Address {
    fn matches(&self, who: &Who, client: &str) -> bool {
        let is =
            |names: &[String], name: &Option<String>| name.as_ref().is_some_and(|name| names.contains(name));
        let topic = |topic: &String| who.topics.iter().any(|pattern| covers(pattern, topic));
        let named = self.everyone
            || is(&self.users, &who.user)
            || is(&self.sessions, &who.session)
            || self.topics.iter().any(topic)
            || self.clients.iter().any(|id| id == client);
        named && self.meta.iter().all(|pair| who.meta.contains(pair))
    }

    fn json(&self) -> String {
        let list = |names: &[String]| serde_json::to_string(names).unwrap();
        let mut members = Vec::new();
        for (key, names) in [
            ("user", &self.users),
            ("session", &self.sessions),
            ("topic", &self.topics),
            ("client", &self.clients),
        ] {
            match names.as_slice() {
                [] => {}
                [name] => members.push(format!("{key:?}:{name:?}")),
                names => members.push(format!("{key:?}:{}", list(names))),
            }
        }
        if !self.meta.is_empty() {
            let mut pairs = String::new();
            for (key, value) in &self.meta {
                let comma = if pairs.is_empty() { "" } else { "," };
                let _ = write!(pairs, "{comma}{key:?}:{value:?}");
            }
            members.push(format!("\"where\":{{{pairs}}}"));
        }
        if members.is_empty() { "\"all\"".to_owned() } else { format!("{{{}}}", members.join(",")) }
    }
}

impl Published {
    pub(crate) fn is_for(&self, who: &Who, client: &str) -> bool {
        self.to.matches(who, client)
            && !self.except.as_ref().is_some_and(|except| except.matches(who, client))
    }

    /// Whether history, which only looks at names, has to take it for something this one may have seen.
    pub(crate) fn may_be_for(&self, who: &Who, client: &str) -> bool {
        Address { meta: Vec::new(), ..self.to.clone() }.matches(who, client)
    }

    /// What a client reads of its text: every line end is LF.
    pub(crate) fn data(&self) -> String {
        self.text.replace("\r\n", "\n").replace('\r', "\n")
    }

    /// As a publisher would post it.
    pub(crate) fn publication(&self) -> Publication {
        if self.by_closure {
            let pairs = self.to.meta.clone();
            let holds = move |client: &fanfare::Client| {
                pairs.iter().all(|(key, value)| client.meta(key) == Some(value))
            };
            let mut publication =
                Publication::new(Event::text(&self.name, &self.text).unwrap(), Target::filter(holds));
            publication.ttl = self.ttl.map(std::time::Duration::from_secs);
            return publication;
        }
        let text = serde_json::to_string(&self.text).unwrap();
        let mut json = format!("{{\"event\":{:?},\"text\":{text},\"to\":{}", self.name, self.to.json());
        if let Some(except) = &self.except {
            let _ = write!(json, ",\"except\":{}", except.json());
        }
        if let Some(ttl) = self.ttl {
            let _ = write!(json, ",\"ttl\":{ttl}");
        }
        json.push('}');
        Publication::from_json(&json).unwrap_or_else(|error| panic!("{error} in {json}"))
    }
}

fn covers(pattern: &str, topic: &str) -> bool {
    fn go(pattern: &[&str], topic: &[&str]) -> bool {
        match (pattern.first(), topic.first()) {
            (None, None) => true,
            (Some(&">"), Some(_)) => true,
            (Some(a), Some(b)) => (*a == "*" || a == b) && go(&pattern[1..], &topic[1..]),
            _ => false,
        }
    }
    go(&pattern.split('.').collect::<Vec<_>>(), &topic.split('.').collect::<Vec<_>>())
}
