//! API keys: creating, listing, revoking. The secret is shown once; only its hash is stored.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use billing::actors::Reader;
use billing::app::App;
use billing::error::{Error, Result};
use billing::export::csv::{Cell, Column};
use billing::keys::{make, revoke};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::api_keys::ApiKey;
use utoipa::ToSchema;

use crate::api::metered::AccountParam;
use crate::http::error::HttpResult;
use crate::http::json::Body;
use crate::http::params::Params;
use crate::lists::{List, Page, PageParams, Shown};

/// A key as it is shown: without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// The id of the key: `key_...`.
    id: String,
    /// What its owner calls it.
    name: String,
    /// The beginning of the secret.
    prefix: String,
    /// `meter` spends for its account; `server` acts for any account.
    scope: &'static str,
    /// The mode of the key: `test` or `live`.
    mode: &'static str,
    /// When it was made.
    created_at: String,
    /// When it was last used, to the minute or so.
    last_used_at: Option<String>,
    /// Since when it opens nothing.
    revoked_at: Option<String>,
}

impl From<ApiKey> for Key {
    fn from(row: ApiKey) -> Key {
        Key {
            id: row.public_id,
            name: row.name,
            prefix: row.prefix,
            scope: row.scope.word(),
            mode: row.mode.word(),
            created_at: row.created_at.rfc3339(),
            last_used_at: row.last_used_at.map(Timestamp::rfc3339),
            revoked_at: row.revoked_at.map(Timestamp::rfc3339),
        }
    }
}

impl Shown for Key {
    const NAME: &'static str = "keys";
    const COLUMNS: &'static [Column<Key>] = &[
        ("id", |key| Cell::plain(&key.id)),
        ("name", |key| Cell::text(&key.name)),
        ("prefix", |key| Cell::plain(&key.prefix)),
        ("scope", |key| Cell::plain(key.scope)),
        ("mode", |key| Cell::plain(key.mode)),
        ("created_at", |key| Cell::plain(&key.created_at)),
        ("last_used_at", |key| Cell::maybe(key.last_used_at.as_ref())),
        ("revoked_at", |key| Cell::maybe(key.revoked_at.as_ref())),
    ];
}

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MadeKey {
    /// The key itself; never shown again.
    secret: String,
    /// What is shown of it from now on.
    #[serde(flatten)]
    key: Key,
}

/// An account's keys, the newest first, revoked ones too. As CSV with `Accept: text/csv`.
#[utoipa::path(
    get,
    path = "/api/v1/keys",
    operation_id = "listKeys",
    tag = "account",
    params(PageParams, AccountParam),
    responses((status = 200, body = Page<Key>), (status = 401), (status = 403), (status = 404))
)]
pub async fn list(
    State(app): State<App>,
    caller: Reader,
    list: List<1>,
    Params(query): Params<AccountParam>,
) -> HttpResult<Response> {
    let owner = owner(&app, &caller, query.account.as_deref()).await?;
    let limit = list.limit_of_file()?;
    let rows = app
        .read(move |tx| match owner {
            Some(account) => store::api_keys::of_account(tx, account),
            None => store::api_keys::of_host(tx),
        })
        .await?;
    let rows = rows
        .into_iter()
        .filter(|row| list.before().is_none_or(|before| row.id < before));
    let rows: Vec<ApiKey> = rows.take(limit + 1).collect();
    Ok(list.answer(Page::of(rows, limit, |row| [row.id], Key::from)))
}

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewKey {
    /// What to call it.
    name: String,
    /// `meter` without; `server` only for administrators and server keys.
    scope: Option<String>,
    /// The account it spends for, where a server key makes it.
    account: Option<String>,
}

/// Makes a key and shows its secret, this once.
#[utoipa::path(
    post,
    path = "/api/v1/keys",
    operation_id = "createKey",
    tag = "account",
    params(AccountParam),
    request_body = NewKey,
    responses(
        (status = 201, body = MadeKey), (status = 400), (status = 401), (status = 403),
        (status = 404), (status = 409, description = "Too many keys")
    )
)]
pub async fn create(
    State(app): State<App>,
    caller: Reader,
    Params(query): Params<AccountParam>,
    Body(body): Body<NewKey>,
) -> HttpResult<Response> {
    let account = match body.scope.as_deref().unwrap_or("meter") {
        "meter" => {
            caller.may_manage()?;
            let named = body.account.as_deref().or(query.account.as_deref());
            Some(caller.account(&app, named).await?)
        }
        "server" => {
            may_make_server_keys(&caller)?;
            None
        }
        _ => return Err(Error::field("scope", "scope must be meter or server.").into()),
    };
    let (row, secret) = make(&app, account, &body.name, &caller.actor()).await?;
    let made = MadeKey {
        secret,
        key: row.into(),
    };
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// Revokes a key; it stops working within a second.
#[utoipa::path(
    delete,
    path = "/api/v1/keys/{id}",
    operation_id = "revokeKey",
    tag = "account",
    params(("id" = String, Path, description = "The key"), AccountParam),
    responses((status = 200, body = Key), (status = 401), (status = 403), (status = 404))
)]
pub async fn delete(
    State(app): State<App>,
    caller: Reader,
    Path(id): Path<String>,
    Params(query): Params<AccountParam>,
) -> HttpResult<Json<Key>> {
    caller.may_manage()?;
    let owner = owner(&app, &caller, query.account.as_deref()).await?;
    let revoked = revoke(&app, owner, &id, &caller.actor()).await?;
    Ok(Json(revoked.into()))
}

/// The account whose keys are meant; a server key that names none means the host application's.
async fn owner(app: &App, caller: &Reader, named: Option<&str>) -> Result<Option<i64>> {
    caller.may_list()?;
    match (caller, named) {
        (Reader::Key(_), None) => Ok(None),
        _ => caller.account(app, named).await.map(Some),
    }
}

fn may_make_server_keys(caller: &Reader) -> Result<()> {
    let may = match caller {
        Reader::Key(key) => key.account.is_none(),
        Reader::User(signed_in) => signed_in.user.may_make_server_keys(),
    };
    if may {
        return Ok(());
    }
    let detail = "Only administrators and server keys make server keys.";
    Err(Error::forbidden("not_an_operator", detail))
}
