//! An engine beside an axum application, in one process: axum serves the application, the engine its streams.
//!
//! ```sh
//! cargo run --example beside_axum
//! curl -N http://127.0.0.1:3000/api/sse?userId=ada
//! curl http://127.0.0.1:8080/orders -H 'Content-Type: application/json' -d '{"user": "ada", "item": "tea"}'
//! ```

use std::error::Error;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use fanfare::{Engine, Notification, Publisher};
use serde::Deserialize;
use tokio::net::TcpListener;

#[derive(Deserialize)]
struct Order {
    user: String,
    item: String,
}

/// Publishing takes a short lock and no I/O, so that it may be done on a thread of the runtime.
async fn order(
    State(publisher): State<Publisher>,
    Json(order): Json<Order>,
) -> Result<String, (StatusCode, String)> {
    let notification = Notification::new("order", "Ordered", order.item);
    match publisher.notify_user(&order.user, &notification) {
        Ok(id) => Ok(format!("published as {id}\n")),
        Err(error) => Err((StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Pages of the application may read the streams.
    let engine =
        Engine::builder().listen("127.0.0.1:3000".parse()?).cors_origin("http://127.0.0.1:8080").start()?;
    println!("http://{}/api/sse", engine.local_addrs()[0]);
    let application = Router::new().route("/orders", post(order)).with_state(engine.publisher());
    axum::serve(TcpListener::bind("127.0.0.1:8080").await?, application).await?;
    Ok(())
}
