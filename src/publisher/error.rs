//! Why an event was not published.

use crate::event::EventError;
use crate::journal::AppendError;

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The event cannot be sent as it is.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The engine cannot take more just now, or its history cannot keep the event.
    #[error(transparent)]
    Append(AppendError),
    /// An idempotency key has no byte, or more than 255.
    #[error("an idempotency key must have 1 to 255 bytes")]
    Key,
    /// The engine is shutting down, and its streams are being ended: not all would get it, and later nobody would.
    #[error("the engine is shutting down, or was shut down; nothing was published")]
    Ended,
}

impl From<AppendError> for PublishError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Ended => Self::Ended,
            error => Self::Append(error),
        }
    }
}
