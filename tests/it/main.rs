//! Integration tests: the library and the server over real sockets, on free ports, with deadlines.

#[path = "../support/response.rs"]
mod response;
#[path = "../support/sse.rs"]
mod sse;
#[path = "../support/stream.rs"]
mod stream;
