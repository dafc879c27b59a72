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
use store::api_keys::{ApiKey, RevokedBecause};
use utoipa::ToSchema;

use crate::api::metered::AccountParam;
use crate::http::error::HttpResult;
use crate::http::json::Body;
use crate::http::params::Params;
use crate::lists::{List, Page, PageParams, Shown};

/// An API key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// The id of the key (`key_...`).
    id: String,
    /// The name of the key.
    name: String,
    /// The first characters of the secret, by which to tell keys apart.
    prefix: String,
    /// The scope of the key: `meter` spends from its own account, `server` acts for any account.
    scope: &'static str,
    /// The mode of the key: `test` or `live`.
    mode: &'static str,
    /// The time at which the key was created (RFC 3339, UTC).
    created_at: String,
    /// The time at which the key was last used, accurate to about a minute (RFC 3339, UTC); null if
    /// it was never used.
    last_used_at: Option<String>,
    /// The time at which the key was revoked (RFC 3339, UTC), or null if it is active.
    revoked_at: Option<String>,
    /// Why the key stopped, unless someone revoked it: `member_left` (the member who created it no
    /// longer belongs to the account), `role_changed` (that member may no longer create keys) or
    /// `account_closed`; otherwise null.
    revoked_because: Option<&'static str>,
    /// The id of the user or key that created it, or `cli`.
    created_by: String,
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
            revoked_because: row.revoked_because.map(RevokedBecause::word),
            created_by: row.created_by,
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
        ("revoked_because", |key| {
            Cell::plain(key.revoked_because.unwrap_or_default())
        }),
    ];
}

/// A new API key, with its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MadeKey {
    /// The secret of the key. It is returned only once.
    secret: String,
    /// The key without its secret.
    #[serde(flatten)]
    key: Key,
}

/// Lists an account's API keys, newest first, including revoked ones. With a server key that names
/// no account, lists the server keys. Returns CSV if the `Accept` header is `text/csv`.
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

/// An API key to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewKey {
    /// The name of the key, up to 100 characters.
    name: String,
    /// The scope of the key: `meter`, which is the default, or `server`. Only administrators and
    /// server keys can create `server` keys.
    scope: Option<String>,
    /// The account that a `meter` key spends from, if a server key creates it: its `acc_...` id, or
    /// the host application's id for it.
    account: Option<String>,
}

/// Creates an API key and returns its secret. The secret is returned only once.
#[utoipa::path(
    post,
    path = "/api/v1/keys",
    operation_id = "createKey",
    tag = "account",
    params(AccountParam),
    request_body = NewKey,
    responses(
        (status = 201, body = MadeKey), (status = 400), (status = 401), (status = 403),
        (status = 404), (status = 409, description = "The maximum number of keys is reached")
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

/// Revokes an API key. It stops working within a second.
#[utoipa::path(
    delete,
    path = "/api/v1/keys/{id}",
    operation_id = "revokeKey",
    tag = "account",
    params(("id" = String, Path, description = "The id of the key"), AccountParam),
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
