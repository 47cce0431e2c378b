//! Sessions of an application decide who may follow what.
//!
//! ```sh
//! cargo run --example authenticate
//! curl -N http://127.0.0.1:3000/api/sse                                   # 401
//! curl -N -H 'Cookie: session=s-1' 'http://127.0.0.1:3000/api/sse?topic=orders.ada'
//! curl http://127.0.0.1:3000/api/sse/events -H 'Authorization: Bearer backend' \
//!      -H 'Content-Type: application/json' -d '{"data": "shipped", "to": {"topic": "orders.ada"}}'
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, RwLock};
use std::thread;

use fanfare::{Denial, Engine, Identity, Pattern, RequestHead};

/// The users who are logged in, by session. An application has these in its database.
type Sessions = Arc<RwLock<HashMap<String, String>>>;

fn authenticate(sessions: &Sessions, request: &RequestHead<'_>) -> Result<Identity, Denial> {
    // A real key is compared in constant time, and does not stand in the source.
    if request.bearer() == Some("backend") {
        return Ok(Identity::new().allow_publish().allow_admin());
    }
    let unauthorized = || Denial::Unauthorized("log in first".to_owned());
    let session = request.cookie("session").ok_or_else(unauthorized)?;
    let sessions = sessions.read().map_err(|_| unauthorized())?;
    let user = sessions.get(session).ok_or_else(unauthorized)?;
    let orders =
        Pattern::parse(&format!("orders.{user}")).map_err(|error| Denial::Forbidden(error.to_string()))?;
    Ok(Identity::new().user(user.clone()).session(session).allow_subscribe(orders))
}

fn main() -> Result<(), Box<dyn Error>> {
    let sessions = Sessions::default();
    if let Ok(mut sessions) = sessions.write() {
        sessions.insert("s-1".to_owned(), "ada".to_owned());
    }
    let engine = Engine::builder()
        .listen("127.0.0.1:3000".parse()?)
        .authenticate(move |request| authenticate(&sessions, request))
        .start()?;
    println!("http://{}/api/sse", engine.local_addrs()[0]);
    loop {
        thread::park();
    }
}
