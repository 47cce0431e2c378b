//! fanfare: a Server-Sent Events engine.

pub mod wire;
