//! An engine inside a program, which publishes the time every second.
//!
//! ```sh
//! cargo run --example embedded
//! curl -N http://127.0.0.1:3000/api/sse?topic=clock
//! ```

use std::error::Error;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fanfare::{Engine, Target, Topic};

#[expect(clippy::disallowed_methods, reason = "this program has a clock of its own")]
fn unix_seconds() -> Result<u64, Box<dyn Error>> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::builder()
        .listen("127.0.0.1:3000".parse()?)
        .on_connect(|client| println!("{} connected", client.id()))
        .on_disconnect(|client, reason| println!("{} disconnected: {}", client.id(), reason.as_str()))
        .start()?;
    println!("http://{}/api/sse", engine.local_addrs()[0]);

    let publisher = engine.publisher();
    let clock = Topic::parse("clock")?;
    loop {
        publisher.send_update(&unix_seconds()?, Target::topic(clock.clone()))?;
        thread::sleep(Duration::from_secs(1));
    }
}
