//! Whether the process lives, and whether it can do its work.

use axum::Json;
use axum::extract::State;
use billing::app::App;
use billing::error::Error;
use serde_json::{Value, json};

use crate::http::error::HttpResult;

/// Tells that the process answers.
#[utoipa::path(get, path = "/healthz", tag = "operation", security(()), responses((status = 200)))]
pub async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Tells that the database can be written. 503 otherwise.
#[utoipa::path(get, path = "/readyz", tag = "operation",
    security(()), responses((status = 200), (status = 503)))]
pub async fn ready(State(app): State<App>) -> HttpResult<Json<Value>> {
    let now = app.real_now();
    app.write(0, move |tx| {
        store::settings::put(tx, "ready.checked", "1", now)
    })
    .await
    .map_err(|error| {
        Error::unavailable("not_ready", "The database cannot be written.").cause(error)
    })?;
    Ok(Json(json!({ "status": "ready" })))
}
