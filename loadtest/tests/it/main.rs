//! Tests of the binary over real sockets: against its own floor, and against a fake server with faults.

mod abuse;
mod axum;
mod fake;
mod faults;
mod floor;
mod interrupt;
mod peer;
#[path = "../../../tests/support/port.rs"]
mod port;
mod restart;
mod run;
mod swarm;
mod victim;
