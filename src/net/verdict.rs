//! What the threads that authenticate say of a request.

use crate::access::Identity;
use crate::api::Problem;

/// What is said of a request.
pub(super) enum Verdict {
    /// Who it is from, or why it is refused.
    Judged(Result<Identity, Problem>),
    /// Nobody could say.
    Undecided(Undecided),
}

/// Why nobody could say who a request is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undecided {
    /// As many wait as may.
    Full,
    /// It took too long.
    Late,
    /// Whoever should say so has panicked.
    Failed,
}
