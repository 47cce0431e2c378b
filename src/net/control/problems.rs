//! Why requests are refused, as responses.

use std::borrow::Cow;

use crate::api::Problem;
use crate::event::JsonError;
use crate::journal::AppendError;

/// The error for something that is no publication, in a batch on that line.
pub(super) fn problem(error: &JsonError, line: Option<usize>) -> Problem {
    let status = match (error, line) {
        // One bad line makes the whole batch invalid. The error names the line.
        (JsonError::Malformed(_), None) => 400,
        _ => 422,
    };
    Problem::new(status, line.map_or_else(|| error.to_string(), |line| format!("line {line}: {error}")))
}

/// The error for something that the journal did not take.
pub(super) fn overloaded(error: &AppendError) -> Problem {
    match error {
        AppendError::DiskFull => Problem::new(507, error.to_string()),
        AppendError::Unstorable(_) | AppendError::KeyReused => Problem::new(422, error.to_string()),
        AppendError::KeyUnderWay => Problem::new(409, error.to_string()).retry_after(1),
        _ => unavailable(error.to_string()),
    }
}

/// The error for when the bodies of other requests use all the memory for them.
pub(super) fn bodies_are_full() -> Problem {
    unavailable("request bodies being received already use all the memory allowed for them")
}

/// The error for what may succeed later.
pub(super) fn unavailable(detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(503, detail).retry_after(1)
}
