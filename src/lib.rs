//! fanfare: a Server-Sent Events engine.
