//! Answers to requests to read history.

use super::problems::unavailable;
use crate::api::{HistoryAnswer, HistoryQuery, Response};
use crate::event::{Continuity, Now};
use crate::journal::{Journal, Page, ReadError, Reading};
use crate::shard::After;

/// Reads what a query asks for, and hands the response to `later`, perhaps before this returns.
pub(super) fn read(
    journal: &dyn Journal,
    query: HistoryQuery,
    now: Now,
    later: impl FnOnce(Response) + Send + 'static,
) {
    let HistoryQuery { after, limit, user, session, topics } = query;
    let after = after.map_or(After::Earliest, After::Id);
    let reading = Reading { after, user, session, topics, limit };
    journal.read(reading, now, Box::new(move |read| later(response(read))));
}

fn response(read: Result<Page, ReadError>) -> Response {
    let page = match read {
        Ok(page) => page,
        Err(error) => return unavailable(error.to_string()).into(),
    };
    let mut answer = HistoryAnswer::default();
    for event in &page.events {
        answer.push(&event.record, event.unix_ms);
    }
    let gap = match page.continuity {
        Continuity::Recovered => None,
        Continuity::Lost(gap) => Some(gap),
    };
    answer.finish(page.next, gap)
}
