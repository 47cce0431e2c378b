//! What history holds, as JSON.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::response::Response;
use crate::event::{EncodedFields, EventId, Gap, Record, Selector, Target};

/// The answer to a request to read history.
#[derive(Debug)]
pub struct HistoryAnswer {
    body: Vec<u8>,
    is_empty: bool,
}

impl Default for HistoryAnswer {
    fn default() -> Self {
        Self { body: b"{\"events\":[".to_vec(), is_empty: true }
    }
}

impl HistoryAnswer {
    /// Adds an event. Its data goes through byte for byte.
    pub fn push(&mut self, record: &Record, published_unix_ms: u64) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.body.push(b',');
        }
        let Record { id, target, is_text, .. } = record;
        let fields = EncodedFields::of(record.fields().1);
        self.member('{', "id", &id.to_string());
        self.member(',', "event", fields.name());
        match is_text {
            true => self.member(',', "text", &fields.data()),
            false => {
                self.body.extend_from_slice(b",\"data\":");
                self.body.extend_from_slice(fields.data().as_bytes());
            }
        }
        self.member(',', "to", &named(&target.to));
        let except: Vec<Value> = target.except.iter().map(excepted).collect();
        match except.as_slice() {
            [] => {}
            [one] => self.member(',', "except", one),
            several => self.member(',', "except", several),
        }
        self.member(',', "publishedAt", &published_unix_ms);
        self.body.push(b'}');
    }

    /// The response, with the id to go on after, if there is more, and why something is missing, if that is so.
    pub fn finish(mut self, next: Option<EventId>, gap: Option<Gap>) -> Response {
        self.body.push(b']');
        self.member(',', "next", &next.map(|id| id.to_string()));
        if let Some(gap) = gap {
            self.member(',', "reason", gap.as_str());
        }
        self.body.push(b'}');
        Response::of_json(200, self.body)
    }

    fn member<T: Serialize + ?Sized>(&mut self, before: char, name: &str, value: &T) {
        self.body.extend_from_slice(format!("{before}\"{name}\":").as_bytes());
        // Writing our own plain values to memory cannot fail.
        let _ = serde_json::to_writer(&mut self.body, value);
    }
}

/// A selection as publishers write it.
fn named(to: &Selector) -> Value {
    if to.everyone && to.meta.is_empty() {
        return json!("all");
    }
    let mut named = Map::new();
    let lists = [
        ("user", strings(to.users.iter())),
        ("session", strings(to.sessions.iter())),
        ("topic", strings(to.topics.iter())),
        ("client", strings(to.clients.iter())),
    ];
    for (name, mut list) in lists {
        match list.len() {
            0 => {}
            1 => drop(named.insert(name.to_owned(), list.remove(0))),
            _ => drop(named.insert(name.to_owned(), list.into())),
        }
    }
    if !to.meta.is_empty() {
        let meta = to.meta.iter().map(|(key, value)| (key.to_string(), json!(value)));
        named.insert("where".to_owned(), Value::Object(meta.collect()));
    }
    Value::Object(named)
}

fn excepted(target: &Target) -> Value {
    let mut value = named(&target.to);
    if let (Value::Object(members), false) = (&mut value, target.except.is_empty()) {
        members.insert("except".to_owned(), target.except.iter().map(excepted).collect());
    }
    value
}

fn strings<T: ToString>(of: impl Iterator<Item = T>) -> Vec<Value> {
    of.map(|one| Value::String(one.to_string())).collect()
}
