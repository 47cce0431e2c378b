//! The answers of authentication.

use crate::access::Identity;
use crate::api::Problem;

/// Who a request is from, if that could be found out.
pub(super) enum Verdict {
    /// Who it is from, or why it is refused.
    Judged(Result<Identity, Problem>),
    /// It could not be found out.
    Undecided(Undecided),
}

/// Why it could not be found out who a request is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undecided {
    /// Too many requests wait already.
    Full,
    /// It took too long.
    Late,
    /// The code that decides has panicked.
    Failed,
}
