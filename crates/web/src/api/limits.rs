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

/// All limits of an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Limits {
    data: Vec<SpendLimit>,
}

/// The account's limits, in the order they are judged.
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

/// A limit to set. One that exists for the same scope, subject and window gets the new cap.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSpendLimit {
    /// The account, where a server key sets it.
    account: Option<String>,
    /// `account`, `key` or `member`.
    scope: String,
    /// The key (`key_...`) or the member (`usr_...`); left out for the account.
    subject: Option<String>,
    /// `day`, `month` or `lifetime`.
    window: String,
    /// The most that may be spent in a window; 0 lets nothing through.
    #[schema(value_type = f64)]
    credits: Box<RawValue>,
}

/// Sets a limit. What was spent in its window already counts at once.
#[utoipa::path(
    put,
    path = "/api/v1/limits",
    operation_id = "setLimit",
    tag = "account",
    params(AccountParam),
    request_body = NewSpendLimit,
    responses(
        (status = 200, body = SpendLimit), (status = 400), (status = 401), (status = 403),
        (status = 404, description = "No such key or member"),
        (status = 409, description = "Too many limits")
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

/// Takes a limit away.
#[utoipa::path(
    delete,
    path = "/api/v1/limits/{id}",
    operation_id = "deleteLimit",
    tag = "account",
    params(("id" = String, Path, description = "The limit"), AccountParam),
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
