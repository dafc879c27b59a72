//! A user's sessions.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use billing::actors::{KeyCaller, Visitor};
use billing::app::App;
use billing::people::sessions::{ThisSession, end_of_host_user, end_one, end_others, of};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::http::error::HttpResult;

/// A signed-in session of a browser or device.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionShown {
    /// The id of the session.
    id: String,
    /// The browser's `User-Agent` header, shortened to 200 characters.
    agent: String,
    /// The time at which the session began (RFC 3339, UTC).
    created_at: String,
    /// The time at which the session was last used, accurate to a few minutes (RFC 3339, UTC).
    last_seen_at: String,
    /// The time at which the session expires (RFC 3339, UTC).
    expires_at: String,
    /// Whether this is the session of the request.
    current: bool,
}

/// Lists the caller's sessions.
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

/// Ends one of the caller's sessions immediately.
#[utoipa::path(
    delete,
    path = "/api/v1/sessions/{id}",
    operation_id = "endSession",
    tag = "people",
    params(("id" = String, Path, description = "The id of the session")),
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

/// Ends all of the caller's sessions except the current one.
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

/// Ends all sessions of the user whom the host application knows by this id. The host's own session
/// tokens from before now are refused, so call it when the user signs out there.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{externalId}/sessions",
    operation_id = "endUserSessions",
    tag = "people",
    params((
        "externalId" = String, Path,
        description = "The host application's id of the user: the `sub` of its tokens"
    )),
    responses((status = 200), (status = 401), (status = 403), (status = 404))
)]
pub async fn end_of_user(
    State(app): State<App>,
    caller: KeyCaller,
    Path(external_id): Path<String>,
) -> HttpResult<Json<Value>> {
    caller.is_server()?;
    let ended = end_of_host_user(&app, &external_id, &caller.public_id).await?;
    Ok(Json(json!({ "ended": ended })))
}
