//! Publishing without waiting until it is kept.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, Waker};

use parking_lot::{Condvar, Mutex};

use super::error::PublishError;
use crate::event::EventId;
use crate::journal::{Acknowledge, AppendError, Appended};

/// The promise that something was given to the engine to publish: it becomes the ids, or the reason why nothing was
/// published.
///
/// It can be [waited for](Self::wait), looked at, or awaited in any async runtime. Dropping it changes nothing: the event
/// is published all the same.
///
/// ```
/// use fanfare::{Event, Publication, Target};
/// # let engine = fanfare::Engine::builder().listen("127.0.0.1:0".parse()?).start()?;
/// # let publisher = engine.publisher();
/// let event = |n: u32| Ok::<_, fanfare::EventError>(Publication::new(Event::json("tick", &n)?, Target::all()));
/// // With a history on disk both are kept by the same sync.
/// let receipts = [publisher.submit(event(1)?)?, publisher.submit(event(2)?)?];
/// for receipt in receipts {
///     let (id, _) = receipt.wait()?;
///     println!("published as {id}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it says whether something was published"]
pub struct Receipt(Kind);

enum Kind {
    /// It was published at once.
    Published(Appended),
    Promised(Arc<Promise>),
}

/// The end that keeps a promise.
pub(crate) struct Promise {
    state: Mutex<State>,
    kept: Condvar,
}

#[derive(Default)]
struct State {
    result: Option<Result<Appended, AppendError>>,
    waker: Option<Waker>,
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("result", &self.result()).finish()
    }
}

impl Receipt {
    /// Waits until it is known whether something was published. Returns the ids of the first and the last event.
    ///
    /// # Errors
    ///
    /// If nothing was published, and why.
    pub fn wait(self) -> Result<(EventId, EventId), PublishError> {
        let promise = match self.0 {
            Kind::Published(appended) => return ids(Ok(appended)),
            Kind::Promised(promise) => promise,
        };
        let mut state = promise.state.lock();
        loop {
            if let Some(result) = state.result {
                return ids(result);
            }
            promise.kept.wait(&mut state);
        }
    }

    /// What [`wait`](Self::wait) returns, if it is known now.
    pub fn try_wait(&self) -> Option<Result<(EventId, EventId), PublishError>> {
        self.result().map(ids)
    }

    pub(crate) fn published(appended: Appended) -> Self {
        Self(Kind::Published(appended))
    }

    fn result(&self) -> Option<Result<Appended, AppendError>> {
        match &self.0 {
            Kind::Published(appended) => Some(Ok(*appended)),
            Kind::Promised(promise) => promise.state.lock().result,
        }
    }
}

impl Future for Receipt {
    type Output = Result<(EventId, EventId), PublishError>;

    fn poll(self: Pin<&mut Self>, to: &mut task::Context<'_>) -> Poll<Self::Output> {
        let promise = match &self.0 {
            Kind::Published(appended) => return Poll::Ready(ids(Ok(*appended))),
            Kind::Promised(promise) => promise,
        };
        let mut state = promise.state.lock();
        match state.result {
            Some(result) => Poll::Ready(ids(result)),
            None => {
                state.waker = Some(to.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Promise {
    /// A promise, and what it is made to.
    pub(crate) fn new() -> (Arc<Self>, Receipt) {
        let promise = Arc::new(Self { state: Mutex::default(), kept: Condvar::new() });
        (promise.clone(), Receipt(Kind::Promised(promise)))
    }

    /// What keeps it when a publication is acknowledged. If that is dropped without a call, nothing was published.
    pub(crate) fn acknowledge(self: Arc<Self>) -> Acknowledge {
        let keeper = Keeper(self);
        Box::new(move |result| keeper.0.keep(result))
    }

    /// Says what became of the publication. What was said first counts.
    fn keep(&self, result: Result<Appended, AppendError>) {
        let mut state = self.state.lock();
        state.result.get_or_insert(result);
        let waker = state.waker.take();
        drop(state);
        self.kept.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

struct Keeper(Arc<Promise>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.keep(Err(AppendError::Ended));
    }
}

fn ids(result: Result<Appended, AppendError>) -> Result<(EventId, EventId), PublishError> {
    let Appended { first, last, .. } = result?;
    Ok((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appended(seq: u64) -> Appended {
        let id = EventId { epoch: 1, seq };
        Appended { first: id, last: id, is_repeat: false }
    }

    #[test]
    fn a_receipt_becomes_what_was_acknowledged() {
        let (promise, receipt) = Promise::new();
        let acknowledge = promise.acknowledge();
        assert!(receipt.try_wait().is_none());
        acknowledge(Ok(appended(3)));
        assert!(matches!(receipt.try_wait(), Some(Ok((id, _))) if id.seq == 3));
        assert!(receipt.wait().is_ok());
    }

    #[test]
    fn a_publication_that_is_dropped_was_not_published() {
        let (promise, receipt) = Promise::new();
        drop(promise.acknowledge());
        assert!(matches!(receipt.wait(), Err(PublishError::Ended)));
    }

    #[test]
    fn a_task_that_awaits_it_is_woken() {
        let (promise, mut receipt) = Promise::new();
        let mut to = task::Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut receipt).poll(&mut to).is_pending());
        promise.keep(Err(AppendError::Full));
        let polled = Pin::new(&mut receipt).poll(&mut to);
        assert!(matches!(polled, Poll::Ready(Err(PublishError::Append(AppendError::Full)))));
    }
}
