//! Spending limits: what an account, one of its keys or one of its members may spend in a window.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use billing::accounts::limits::{
    Definition, SpendLimit, of_account, read_cap, read_scope, read_window, remove, set,
};
use billing::actors::Reader;
use billing::app::App;
use billing::exact::read_credits;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::api::metered::{AccountParam, ListsOf};
use crate::http::error::HttpResult;
use crate::http::json::Body;
use crate::http::params::Params;

/// The spending limits of an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Limits {
    /// The limits, in the order in which they are checked.
    data: Vec<SpendLimit>,
}

/// Lists an account's spending limits, in the order in which they are checked.
#[utoipa::path(
    get,
    path = "/api/v1/limits",
    operation_id = "listLimits",
    tag = "account",
    params(AccountParam),
    responses((status = 200, body = Limits), (status = 401), (status = 403), (status = 404))
)]
pub async fn list(State(app): State<App>, ListsOf(account): ListsOf) -> HttpResult<Json<Limits>> {
    let data = of_account(&app, account).await?;
    Ok(Json(Limits { data }))
}

/// A spending limit to set. It replaces the limit with the same scope, subject and window.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSpendLimit {
    /// The account, if a server key sets the limit: its `acc_...` id, or the host application's id
    /// for it.
    account: Option<String>,
    /// Whose spending to limit: `account`, `key`, or `member` for the keys that a member created.
    scope: String,
    /// The id of the key (`key_...`) or member (`usr_...`). Left out for `account`.
    subject: Option<String>,
    /// The window in which spending counts: `day` or `month` (UTC), or `lifetime`, which never
    /// resets.
    window: String,
    /// The maximum number of credits that can be spent in a window. 0 blocks all spending.
    #[schema(value_type = f64)]
    credits: Box<RawValue>,
}

/// Sets a spending limit. Credits already spent in the current window count toward it.
#[utoipa::path(
    put,
    path = "/api/v1/limits",
    operation_id = "setLimit",
    tag = "account",
    params(AccountParam),
    request_body = NewSpendLimit,
    responses(
        (status = 200, body = SpendLimit), (status = 400), (status = 401), (status = 403),
        (status = 404, description = "The account has no such key or member"),
        (status = 409, description = "The maximum number of limits is reached")
    )
)]
pub async fn put(
    State(app): State<App>,
    caller: Reader,
    Params(query): Params<AccountParam>,
    Body(body): Body<NewSpendLimit>,
) -> HttpResult<Json<SpendLimit>> {
    caller.may_manage()?;
    let named = body.account.as_deref().or(query.account.as_deref());
    let account = caller.account(&app, named).await?;
    let wanted = Definition {
        scope: read_scope(&body.scope)?,
        subject: body.subject,
        window: read_window(&body.window)?,
        cap: read_cap(read_credits("credits", &body.credits)?)?,
    };
    Ok(set(&app, account, wanted, &caller.actor())
        .await
        .map(Json)?)
}

/// Deletes a spending limit.
#[utoipa::path(
    delete,
    path = "/api/v1/limits/{id}",
    operation_id = "deleteLimit",
    tag = "account",
    params(("id" = String, Path, description = "The id of the limit"), AccountParam),
    responses((status = 204), (status = 401), (status = 403), (status = 404))
)]
pub async fn delete(
    State(app): State<App>,
    caller: Reader,
    Path(id): Path<String>,
    Params(query): Params<AccountParam>,
) -> HttpResult<Response> {
    caller.may_manage()?;
    let account = caller.account(&app, query.account.as_deref()).await?;
    remove(&app, account, &id, &caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
