//! Requests to read history.

use std::str::FromStr;

use super::problem::Problem;
use crate::event::{EventId, Pattern, excerpt};
use crate::http::{QueryPair, named_pairs};

/// What a request asks for of what history holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// After this event; `None` from the beginning.
    pub after: Option<EventId>,
    /// Maximum number of events.
    pub limit: usize,
    /// Only what is addressed to these, united; everything where none of them is given.
    pub user: Option<Box<str>>,
    /// See `user`.
    pub session: Option<Box<str>>,
    /// See `user`; may have wildcards.
    pub topics: Vec<Pattern>,
}

/// Number of events where nobody says how many.
const LIMIT: usize = 100;
/// Maximum number of events.
const MAX_LIMIT: usize = 1_000;
/// Maximum number of topics.
const MAX_TOPICS: usize = 64;

impl HistoryQuery {
    /// Parses the query of a request. What it does not know is refused (400): a filter that is misspelt would show
    /// everything.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        let mut parsed = Self { after: None, limit: LIMIT, user: None, session: None, topics: Vec::new() };
        let mut seen = Vec::new();
        for pair in named_pairs(query) {
            let undecodable = |error| Problem::new(400, format!("the query: {error}"));
            let QueryPair { name, value } = pair.map_err(undecodable)?;
            let value = value.map_err(undecodable)?;
            if name != "topic" && seen.contains(&name) {
                return Err(Problem::new(400, format!("{} is given twice", excerpt(&name))));
            }
            parsed.take(&name, &value)?;
            seen.push(name);
        }
        Ok(parsed)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        let refused = |reason: &str| Problem::new(400, format!("{name} {:?}: {reason}", excerpt(value)));
        let named = || if value.is_empty() { Err(refused("is empty")) } else { Ok(Some(value.into())) };
        match name {
            "after" if value == "earliest" => self.after = None,
            "after" => {
                self.after =
                    Some(EventId::from_str(value).map_err(|_| refused("is not an id, or earliest"))?);
            }
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                self.limit = limit.ok_or_else(|| refused("must be 1 to 1000"))?;
            }
            "user" => self.user = named()?,
            "session" => self.session = named()?,
            "topic" if self.topics.len() == MAX_TOPICS => return Err(refused("at most 64 topics")),
            "topic" => {
                let pattern = Pattern::parse(value).map_err(|error| refused(&error.to_string()))?;
                self.topics.push(pattern);
            }
            _ => {
                let name = excerpt(name);
                let detail = format!("unknown parameter {name:?}: use after, limit, user, session or topic");
                return Err(Problem::new(400, detail));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_strictly() {
        let query = HistoryQuery::parse("after=7-9&limit=5&user=ada&session=s&topic=a.*&topic=b").unwrap();
        assert_eq!(query.after, Some(EventId { epoch: 7, seq: 9 }));
        assert_eq!((query.limit, query.topics.len()), (5, 2));
        assert_eq!((query.user.as_deref(), query.session.as_deref()), (Some("ada"), Some("s")));
        let plain = HistoryQuery::parse("").unwrap();
        assert_eq!(plain, HistoryQuery::parse("after=earliest&limit=100").unwrap());
        for bad in [
            "after=x",
            "after=",
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=x",
            "user=",
            "session=",
            "topic=",
            "topic=a..b",
            "userId=ada",
            "topics=a",
            "page=2",
            "user=a&user=b",
            "limit=1&limit=1",
            "after=%zz",
        ] {
            assert_eq!(HistoryQuery::parse(bad).unwrap_err().status, 400, "{bad}");
        }
    }
}
