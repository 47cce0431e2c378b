//! What a body is, by its type.

use crate::api::Problem;
use crate::http::Head;

/// The type of one publication.
pub(super) const JSON: &str = "application/json";

/// Whether the body is a batch, by its type (415 for any other).
pub(super) fn is_batch(head: &Head<'_>) -> Result<bool, Problem> {
    if head.field("content-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        return Err(
            Problem::new(415, "the body must not be encoded").with_field("Accept-Encoding", "identity")
        );
    }
    let value = head.field("content-type").unwrap_or_default();
    let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if media_type.eq_ignore_ascii_case(b"application/json") {
        Ok(false)
    } else if media_type.eq_ignore_ascii_case(b"application/x-ndjson") {
        Ok(true)
    } else {
        Err(unsupported("application/json or application/x-ndjson", "application/json, application/x-ndjson"))
    }
}

/// The error for a body that is not what it `must` be; `accepted` is also the value of the `Accept` field.
pub(super) fn unsupported(must: &str, accepted: &'static str) -> Problem {
    Problem::new(415, format!("the body must be {must}")).with_field("Accept", accepted)
}
