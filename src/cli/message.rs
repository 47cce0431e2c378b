//! One publication, from options.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use fanfare::Publication;
use fanfare::event::MAX_RETRY_MS;
use serde::Serialize;
use serde_json::value::RawValue;

use super::value::{duration, pair};

/// An event, less its data, and whom it is for.
#[derive(Debug, Args)]
pub(super) struct MessageOptions {
    /// The event's name [default: message]
    #[arg(value_name = "EVENT")]
    event: Option<String>,
    /// To the streams of this user; again for more. Without any of these, to everyone
    #[arg(long, value_name = "ID")]
    user: Vec<String>,
    /// To the streams of this session; again for more
    #[arg(long, value_name = "ID")]
    session: Vec<String>,
    /// To subscribers of this topic; again for more
    #[arg(long, value_name = "TOPIC")]
    topic: Vec<String>,
    /// To this stream; again for more
    #[arg(long, value_name = "ID")]
    client: Vec<String>,
    /// Of these, only to those with this metadata; again for more, which must all be equal
    #[arg(long = "where", value_name = "NAME=VALUE", value_parser = pair)]
    meta: Vec<(String, String)>,
    /// Not to the streams of this user; again for more
    #[arg(long, value_name = "ID")]
    except_user: Vec<String>,
    /// Not to the streams of this session; again for more
    #[arg(long, value_name = "ID")]
    except_session: Vec<String>,
    /// Not to subscribers of this topic; again for more
    #[arg(long, value_name = "TOPIC")]
    except_topic: Vec<String>,
    /// Not to this stream; again for more
    #[arg(long, value_name = "ID")]
    except_client: Vec<String>,
    /// Whom to, as in a publication: {"user":"ada","where":{"room":"5"}}
    #[arg(long, value_name = "JSON", value_parser = json,
          conflicts_with_all = ["user", "session", "topic", "client", "meta"])]
    to: Option<Box<RawValue>>,
    /// Whom not to, as in a publication: {"session":["s-1","s-2"]}
    #[arg(long, value_name = "JSON", value_parser = json,
          conflicts_with_all = ["except_user", "except_session", "except_topic", "except_client"])]
    except: Option<Box<RawValue>>,
    /// Reconnection time to tell clients, at most 1d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    retry: Option<Duration>,
    /// How long history keeps it at most, in whole seconds; 0s: not at all
    #[arg(long, value_name = "TIME", value_parser = duration)]
    ttl: Option<Duration>,
}

/// What an event says.
#[derive(Debug)]
pub(super) enum Content {
    Data(Box<RawValue>),
    Text(String),
}

/// A publication as it is posted.
#[derive(Serialize)]
struct Message<'m> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'m RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Address<'m>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    except: Option<Address<'m>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u64>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Address<'m> {
    Given(&'m RawValue),
    Named(Names<'m>),
}

#[derive(Serialize)]
struct Names<'m> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    user: &'m [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    session: &'m [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    topic: &'m [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    client: &'m [String],
    #[serde(rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    meta: BTreeMap<&'m str, &'m str>,
}

impl MessageOptions {
    /// The publication as JSON, if it is valid.
    pub(super) fn with(&self, content: &Content) -> Result<String, String> {
        let meta: BTreeMap<_, _> = self.meta.iter().map(|(name, value)| (&**name, &**value)).collect();
        if meta.len() < self.meta.len() {
            return Err("--where: names the same twice".to_owned());
        }
        let to = Names {
            user: &self.user,
            session: &self.session,
            topic: &self.topic,
            client: &self.client,
            meta,
        };
        let except = Names {
            user: &self.except_user,
            session: &self.except_session,
            topic: &self.except_topic,
            client: &self.except_client,
            meta: BTreeMap::new(),
        };
        let (data, text) = match content {
            Content::Data(data) => (Some(&**data), None),
            Content::Text(text) => (None, Some(&**text)),
        };
        let message = Message {
            event: self.event.as_deref(),
            data,
            text,
            to: address(self.to.as_deref(), to),
            except: address(self.except.as_deref(), except),
            retry: self.retry.map(milliseconds).transpose()?,
            ttl: self.ttl.map(whole_seconds).transpose()?,
        };
        let message = serde_json::to_string(&message).map_err(|error| error.to_string())?;
        Publication::from_json(&message).map_err(|error| error.to_string())?;
        Ok(message)
    }
}

fn address<'m>(given: Option<&'m RawValue>, names: Names<'m>) -> Option<Address<'m>> {
    let lists = [names.user, names.session, names.topic, names.client];
    match given {
        Some(given) => Some(Address::Given(given)),
        None if lists.iter().all(|list| list.is_empty()) && names.meta.is_empty() => None,
        None => Some(Address::Named(names)),
    }
}

fn milliseconds(time: Duration) -> Result<u64, String> {
    let ms = u64::try_from(time.as_millis()).ok().filter(|ms| *ms <= MAX_RETRY_MS);
    ms.ok_or_else(|| "--retry: must be at most 1d".to_owned())
}

/// Ten years in seconds, which is also the maximum for the age of history.
const MAX_TTL: u64 = 315_576_000;

fn whole_seconds(time: Duration) -> Result<u64, String> {
    match (time.subsec_nanos(), time.as_secs()) {
        (0, seconds) if seconds <= MAX_TTL => Ok(seconds),
        (0, _) => Err("--ttl: must be at most 10years; without it, history's own limits count".to_owned()),
        _ => Err("--ttl: must be whole seconds".to_owned()),
    }
}

/// A JSON value, unchanged.
pub(super) fn json(text: &str) -> Result<Box<RawValue>, String> {
    serde_json::from_str(text).map_err(|error| format!("malformed JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: MessageOptions,
    }

    fn message(args: &[&str]) -> Result<String, String> {
        let line = Line::try_parse_from([&["fanfare"], args].concat()).map_err(|error| error.to_string())?;
        line.options.with(&Content::Data(json("{\"n\": 1.0e+5}").unwrap()))
    }

    #[test]
    fn options_are_members() {
        let cases: [(&[&str], &str); 7] = [
            (&[], r#"{"data":{"n": 1.0e+5}}"#),
            (
                &[
                    "update",
                    "--user",
                    "a",
                    "--user=b",
                    "--topic",
                    "t.x",
                    "--where",
                    "room=5",
                    "--where=k=a=b",
                ],
                r#"{"event":"update","data":{"n": 1.0e+5},"to":{"user":["a","b"],"topic":["t.x"],"where":{"k":"a=b","room":"5"}}}"#,
            ),
            (
                &["--session", "s", "--client", "c", "--except-user", "u", "--except-client", "d"],
                r#"{"data":{"n": 1.0e+5},"to":{"session":["s"],"client":["c"]},"except":{"user":["u"],"client":["d"]}}"#,
            ),
            (
                &["--to", r#"{"user": "a"}"#, "--except", r#"{"topic":"t"}"#],
                r#"{"data":{"n": 1.0e+5},"to":{"user": "a"},"except":{"topic":"t"}}"#,
            ),
            (&["--retry", "24h"], r#"{"data":{"n": 1.0e+5},"retry":86400000}"#),
            (&["--retry", "1s 500ms", "--ttl=2m"], r#"{"data":{"n": 1.0e+5},"retry":1500,"ttl":120}"#),
            (&["--ttl", "0s", "--to", "\"all\""], r#"{"data":{"n": 1.0e+5},"to":"all","ttl":0}"#),
        ];
        for (args, expected) in cases {
            assert_eq!(message(args).as_deref(), Ok(expected), "{args:?}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_name() {
        for (args, name) in [
            (&["a\nb"][..], "event"),
            (&["--topic", "a..b"], "to.topic"),
            (&["--except-topic", "*"], "except.topic"),
            (&["--where", "room"], "--where"),
            (&["--where", "k=1", "--where", "k=2"], "--where"),
            (&["--to", "{"], "--to"),
            (&["--to", "{}"], "to: names nobody"),
            (&["--to", "{}", "--user", "a"], "--user"),
            (&["--except", "\"all\""], "except"),
            (&["--ttl", "1500ms"], "--ttl"),
            (&["--retry", "soon"], "--retry"),
            (&["--retry", "1d 1ms"], "--retry"),
            (&["--retry", "30000y"], "--retry"),
            (&["ping"], "event: cannot be connection or ping"),
            (&["connection"], "event"),
            (&["a", "b"], "'b'"),
        ] {
            let error = message(args).unwrap_err();
            assert!(error.contains(name), "{args:?}: {error}");
        }
    }
}
