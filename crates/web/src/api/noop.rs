//! `POST /api/v1/noop`: the baseline that the benchmark compares other endpoints with.

use axum::Json;
use serde::{Deserialize, Serialize};

/// A small JSON object, echoed.
#[derive(Debug, Deserialize, Serialize)]
pub struct Small {
    n: i64,
}

/// Parses and returns the object: no key, no database.
pub async fn echo(Json(small): Json<Small>) -> Json<Small> {
    Json(small)
}
