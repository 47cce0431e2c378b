//! Publishes, queued for every lane.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::Result;
use mio::Waker;

/// One event, encoded as a chunk. A `Vec`, since a slice would copy it once more.
pub(super) type Frame = Arc<Vec<u8>>;

/// An event that is queued for a lane.
#[derive(Clone)]
pub(super) struct Parcel {
    /// `None` for every stream.
    pub(super) user: Option<u64>,
    pub(super) frame: Frame,
}

#[derive(Clone)]
pub(super) struct Publisher {
    shared: Arc<Shared>,
}

struct Shared {
    /// Under one lock, so that each lane receives events in the order of their ids.
    queues: Mutex<Queues>,
    wakers: Vec<OnceLock<Waker>>,
}

struct Queues {
    published: u64,
    lanes: Vec<Sender<Parcel>>,
}

impl Publisher {
    pub(super) fn new(lanes: usize) -> (Self, Vec<Receiver<Parcel>>) {
        let (lanes, inboxes): (Vec<_>, Vec<_>) = (0..lanes).map(|_| mpsc::channel()).unzip();
        let wakers = lanes.iter().map(|_| OnceLock::new()).collect();
        let queues = Mutex::new(Queues { published: 0, lanes });
        (Self { shared: Arc::new(Shared { queues, wakers }) }, inboxes)
    }

    pub(super) fn set_waker(&self, lane: usize, waker: Waker) {
        // Each lane sets its own waker once.
        let _ = self.shared.wakers[lane].set(waker);
    }

    /// Queues the event for every lane, wakes all but `own`, and returns the number in the event's id.
    pub(super) fn publish(&self, user: Option<u64>, data: &[u8], own: usize) -> Result<u64> {
        let n = {
            let mut queues = self.shared.queues.lock().unwrap_or_else(PoisonError::into_inner);
            queues.published += 1;
            let parcel = Parcel { user, frame: frame(queues.published, data) };
            for lane in &queues.lanes {
                lane.send(parcel.clone())?;
            }
            queues.published
        };
        for (lane, waker) in self.shared.wakers.iter().enumerate() {
            if let Some(waker) = waker.get()
                && lane != own
            {
                waker.wake()?;
            }
        }
        Ok(n)
    }
}

fn frame(n: u64, data: &[u8]) -> Frame {
    let id = format!("id: 1-{n}\ndata: ");
    let mut frame = Vec::with_capacity(data.len() + 64);
    frame.extend_from_slice(format!("{:x}\r\n{id}", id.len() + data.len() + 2).as_bytes());
    frame.extend_from_slice(data);
    frame.extend_from_slice(b"\n\n\r\n");
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_one_chunk_with_one_event() {
        // "id: 1-7\ndata: {}\n\n" has 18 bytes.
        assert_eq!(**frame(7, b"{}"), *b"12\r\nid: 1-7\ndata: {}\n\n\r\n");
    }
}
