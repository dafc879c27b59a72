//! `POST /api/v1/noop`: what the bench measures everything else against.

use axum::Json;
use serde::{Deserialize, Serialize};

/// A small JSON, there and back.
#[derive(Debug, Deserialize, Serialize)]
pub struct Small {
    n: i64,
}

/// Parses one and answers one: no key, no database.
pub async fn echo(Json(small): Json<Small>) -> Json<Small> {
    Json(small)
}
