//! A user's sessions.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use billing::actors::Visitor;
use billing::app::App;
use billing::people::sessions::{ThisSession, end_one, end_others, of};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::http::error::HttpResult;

/// A browser or device that is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionShown {
    /// The id of the session.
    id: String,
    /// What the browser calls itself.
    agent: String,
    /// When the session began.
    created_at: String,
    /// When it was last seen, to some minutes.
    last_seen_at: String,
    /// When the session expires.
    expires_at: String,
    /// Whether it is this one.
    current: bool,
}

/// The caller's signed-in places.
#[utoipa::path(
    get,
    path = "/api/v1/sessions",
    operation_id = "listSessions",
    tag = "people",
    responses((status = 200, body = [SessionShown]), (status = 401))
)]
pub async fn list(
    State(app): State<App>,
    user: Visitor,
    this: ThisSession,
) -> HttpResult<Json<Value>> {
    let rows = of(&app, user.id, this).await?.into_iter();
    let rows: Vec<SessionShown> = rows
        .map(|(row, current)| SessionShown {
            id: format!("ses_{}", row.id),
            agent: row.user_agent,
            created_at: row.created_at.rfc3339(),
            last_seen_at: row.last_seen_at.rfc3339(),
            expires_at: row.expires_at.rfc3339(),
            current,
        })
        .collect();
    Ok(Json(json!({ "data": rows })))
}

/// Ends one of the caller's sessions, at once.
#[utoipa::path(
    delete,
    path = "/api/v1/sessions/{id}",
    operation_id = "endSession",
    tag = "people",
    params(("id" = String, Path, description = "The session")),
    responses((status = 204), (status = 401), (status = 404))
)]
pub async fn end(
    State(app): State<App>,
    user: Visitor,
    Path(id): Path<String>,
) -> HttpResult<StatusCode> {
    end_one(&app, user.id, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all of the caller's sessions but this one.
#[utoipa::path(
    delete,
    path = "/api/v1/sessions",
    operation_id = "endOtherSessions",
    tag = "people",
    responses((status = 200), (status = 401))
)]
pub async fn end_all(
    State(app): State<App>,
    user: Visitor,
    this: ThisSession,
) -> HttpResult<Json<Value>> {
    let ended = end_others(&app, user.id, this).await?;
    Ok(Json(json!({ "ended": ended })))
}
