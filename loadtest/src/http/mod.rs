//! The client's side of HTTP/1.1: an answer's head and its body, fed at any cut.

mod answer;
mod body;
mod chunked;
mod head;

pub(crate) use answer::Answered;
pub(crate) use body::Body;
pub(crate) use head::Head;
