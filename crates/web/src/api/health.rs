//! Liveness and readiness of the process.

use axum::Json;
use axum::extract::State;
use billing::app::App;
use billing::health;
use serde_json::{Value, json};

use crate::http::error::HttpResult;

/// Reports that the service is running.
#[utoipa::path(get, path = "/healthz", operation_id = "getLiveness", tag = "operation", security(()), responses((status = 200)))]
pub async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Reports whether the service can write to its database. Returns 503 if it can't.
#[utoipa::path(get, path = "/readyz", operation_id = "getReadiness", tag = "operation",
    security(()), responses((status = 200), (status = 503)))]
pub async fn ready(State(app): State<App>) -> HttpResult<Json<Value>> {
    health::check_ready(&app).await?;
    Ok(Json(json!({ "status": "ready" })))
}
