//! Bytes and values: everything that is read from or written to a wire, without any I/O.

pub mod http;
