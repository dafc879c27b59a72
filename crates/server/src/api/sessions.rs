//! Where somebody is signed in.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use store::sessions::Session;
use utoipa::ToSchema;

use crate::actors::Visitor;
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::error::HttpResult;

/// A signed-in place.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionShown {
    /// Its id.
    id: String,
    /// What the browser calls itself.
    agent: String,
    /// When it began.
    created_at: String,
    /// When it was last seen, to some minutes.
    last_seen_at: String,
    /// When it ends by itself.
    expires_at: String,
    /// Whether it is this one.
    current: bool,
}

/// The session that a request came with, by its hash; none for a session of the host application.
#[derive(Clone, Copy, Debug)]
pub struct ThisSession(pub Option<[u8; 32]>);

/// The user's sessions, the latest seen first, and which of them is this one.
pub async fn of(app: &App, user: i64, this: ThisSession) -> Result<Vec<(Session, bool)>> {
    let now = app.real_now();
    app.read(move |tx| {
        let current = match this.0 {
            Some(hash) => store::sessions::find(tx, &hash, now)?.map(|session| session.id),
            None => None,
        };
        let all = store::sessions::of_user(tx, user, now)?.into_iter();
        Ok(all
            .map(|session| {
                let is_this = Some(session.id) == current;
                (session, is_this)
            })
            .collect())
    })
    .await
}

/// Ends one of the user's sessions.
pub async fn end_one(app: &App, user: i64, id: &str) -> Result<()> {
    let none = || Error::not_found("There is no such session.");
    let id: i64 = id
        .strip_prefix("ses_")
        .and_then(|id| id.parse().ok())
        .ok_or_else(none)?;
    let ended = app
        .write(0, move |tx| store::sessions::delete_one(tx, user, id))
        .await?;
    if ended > 0 { Ok(()) } else { Err(none()) }
}

/// Ends all sessions of the user but this one, and the host application's.
pub async fn end_others(app: &App, user: i64, this: ThisSession) -> Result<u64> {
    let now = app.real_now();
    app.write(0, move |tx| {
        store::users::end_tokens(tx, user, now)?;
        match this.0 {
            Some(hash) => store::sessions::delete_others(tx, user, &hash),
            None => store::sessions::delete_of_user(tx, user),
        }
    })
    .await
}

/// The caller's signed-in places.
#[utoipa::path(
    get,
    path = "/api/v1/sessions",
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
